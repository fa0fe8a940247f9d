"""A tiny encoder with random weights and a real tokenizer, and the real all-MiniLM-L6-v2."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from service.demo import encoder as demo
from service.errors import NotFound
from tests.conftest import missing
from workers import learner
from workers.corpus import Corpus
from workers.encoder import Encoder, Progress
from workers.learner import Fitted
from workers.recipe import Recipe
from workers.tokens import Tokens

torch.set_num_threads(1)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TOPICS = [
    ["cat", "dog", "cow", "hen", "fox"],
    ["sum", "root", "log", "cube", "prime"],
    ["rain", "snow", "wind", "fog", "sun"],
]
FILLER = ["the", "a", "is", "was", "of", "in", "and", "to", "very", "old"]
WORDS = SPECIAL + [word for topic in TOPICS for word in topic] + FILLER
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
}


def build_encoder(folder: Path, config: PretrainedConfig | None = None) -> Path:
    """An encoder with random weights: a BERT, or what `config` says, whose vocabulary is the words above."""
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    AutoModel.from_config(config or BertConfig(**SIZES)).save_pretrained(folder)
    return folder


def fit(
    encoder: Encoder,
    tokens: Tokens,
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    classes: int,
    seed: int,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> Fitted:
    """Learn from all of the tokens, with nothing beside them."""
    corpus = Corpus(tokens, encoder.embed(tokens))
    rows = np.arange(len(tokens))
    return learner.fit(
        encoder, corpus, rows, labels, weights, classes, seed, recipe, progress=progress, earlier=earlier
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(str(build_encoder(tmp_path_factory.mktemp("tiny"))))


OTHERS: dict[str, PretrainedConfig] = {
    "roberta": RobertaConfig(**{**SIZES, "max_position_embeddings": 18}),
    "distilbert": DistilBertConfig(**SIZES, dim=32, hidden_dim=64, n_layers=2, n_heads=2),
    "electra": ElectraConfig(**SIZES, embedding_size=16),
    "mpnet": MPNetConfig(**SIZES),
    "deberta-v2": DebertaV2Config(**SIZES),
    "modernbert": ModernBertConfig(**SIZES, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3),
}


@pytest.fixture(scope="session", params=OTHERS)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """An encoder of another architecture."""
    return Encoder.load(str(build_encoder(tmp_path_factory.mktemp(request.param), OTHERS[request.param])))


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    try:
        return Encoder.load(demo.path())
    except NotFound as error:
        missing(str(error))


@pytest.fixture(scope="session")
def labeled() -> tuple[list[str], NDArray[np.int64]]:
    """90 texts of one topic's words among fillers, and their topics 0..2 in turn."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    words = [[*rng.choice(FILLER, rng.integers(1, 6)), *rng.choice(TOPICS[label], 2)] for label in labels]
    return [" ".join(rng.permutation(row)) for row in words], labels
