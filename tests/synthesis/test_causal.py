"""A causal language model, tiny and random: it writes words, not sense."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from service.records import Place
from tests.learner.conftest import SIZES, build_encoder
from workers.device import CPU
from workers.synthesis.causal import Causal, prompt
from workers.synthesis.drafts import GeneratorDown, Group, Seen

GROUP = Group(
    "animals", "animals", [Seen(Place(0, at), "the cat is a very old dog", "animals") for at in range(3)]
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_encoder(tmp_path_factory.mktemp("causal") / "model")
    config = GPT2Config(
        vocab_size=len(AutoTokenizer.from_pretrained(folder)),
        n_positions=96,
        n_embd=SIZES["hidden_size"],
        n_layer=2,
        n_head=2,
        bos_token_id=2,
        eos_token_id=3,
    )
    torch.manual_seed(0)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_it_writes_texts_the_same_for_the_same_seed(model: Path) -> None:
    causal = Causal(str(model), CPU)
    once, again, other = (list(causal.drafts(GROUP, 20, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert once == again != other
    assert len({one.text for one in once}) == len(once) == 20
    for one in once:
        assert one.text
        assert "\n" not in one.text
        assert one.answer == "animals"
        assert len(one.sources) == 3


def test_a_label_without_texts_is_named(model: Path) -> None:
    assert prompt("card_arrival", []) == "1 texts about card arrival:\n1."
    assert prompt("a", ["x\ny", "z"]) == "3 texts about a:\n1. x y\n2. z\n3."
    assert len(list(Causal(str(model), CPU).drafts(Group("a", "a", []), 2, np.random.default_rng(0)))) == 2


def test_what_is_no_such_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(GeneratorDown, match="cannot be loaded as a causal language model"):
        Causal(str(tmp_path / "nowhere"), CPU)


def test_pickled_weights_are_refused(model: Path, tmp_path: Path) -> None:
    network = GPT2LMHeadModel.from_pretrained(model)
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path)
    network.config.save_pretrained(tmp_path)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(GeneratorDown):
        Causal(str(tmp_path), CPU)
