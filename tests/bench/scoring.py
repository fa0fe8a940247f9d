"""Scoring, beside what people would use instead: texts a second of one pass of an adapter over short texts.

    make bench-scoring [DATA=FOLDER] [ARGS='--threads 1']
    python -m tests.bench.scoring [FOLDER]

FOLDER has train.jsonl and test.jsonl with `text` and `label`; without it the demo's own text is read. The adapter is
trained on 525 of the labels. All sides score the same texts on as many threads, in turn, --repeats times (Postil,
whose passes are short, five times in a turn). A rate is the best of its side, since other users of a shared machine
only ever take away, and ratios are of these. The base model's own embeddings, which the head reads too, are there
already, and so are Postil's tokens, as in every round.

    naive                   transformers + peft, unmerged, float32, batches of 32 as they come
    sentence-transformers   its `encode`, float32, batches of 32 sorted by length, the base model alone
    postil                  `learner.predict`

`top50_agreement`: how many of the 50 smallest margins are the same as by naive. `matmul_share`: products of weights
that scoring makes a second, of those that torch makes in one of 2,048 × 2,048 by the same in the same precision.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from service.demo import encoder as demo
from tests.bench import texts
from workers import adapter, baseline, device, learner
from workers.encoder import Encoder
from workers.learner import Fitted

TEXTS, LABELS, BATCH, TOP, SQUARE = 5_000, 525, 32, 50, 2_048


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    base = Encoder.load(demo.path(), *device.best())
    read = texts.read(arguments.folder)
    pool = read.texts[:TEXTS]
    corpus = texts.corpus(base, pool, read.names)
    tokens, own = corpus.tokens, corpus.base
    rows = np.random.default_rng(arguments.seed).choice(len(pool), LABELS, replace=False)
    fitted = learner.fit(
        base, corpus, rows, read.classes[rows], np.ones(LABELS, np.float32), len(read.names), arguments.seed
    )
    assert not fitted.frozen, "LoRA has no part in this adapter: try another --seed"
    with TemporaryDirectory(prefix="postil-bench-") as folder:
        adapter.save(fitted, Path(folder) / "adapter", read.names, {}, {})
        peft = PeftModel.from_pretrained(AutoModel.from_pretrained(demo.path()), f"{folder}/adapter").eval()
    tokenizer = AutoTokenizer.from_pretrained(demo.path())
    sentences = SentenceTransformer(demo.path(), device="cpu")
    sentences.max_seq_length = base.max_length

    def postil() -> NDArray[np.float32]:
        return learner.predict(base, fitted, tokens, own).probabilities

    sides: dict[str, Callable[[], NDArray[np.float32]]] = {
        "naive": lambda: naive(peft, tokenizer, fitted, pool, own),
        "sentence-transformers": lambda: sentences.encode(pool, batch_size=BATCH, normalize_embeddings=True),
        "postil": postil,
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, NDArray[np.float32]] = {}
    squares: list[float] = []
    postil()
    for _ in range(arguments.repeats):
        squares.append(square(base.device.dtype))
        for name, side in [*sides.items(), *[("postil", postil)] * 4]:
            started = time.perf_counter()
            found[name] = side()
            seconds[name].append(time.perf_counter() - started)
    print(f"{'':22} {'texts/s':>8}")
    best = {name: min(taken) for name, taken in seconds.items()}
    for name, taken in best.items():
        print(f"{name:22} {len(pool) / taken:8.0f}")
    products = 2 * len(tokens.ids) * sum(weight.numel() for weight in base.linears.values())
    print(
        json.dumps(
            {
                "texts": len(pool),
                "tokens": len(tokens.ids),
                "threads": arguments.threads,
                "precision": str(base.device.dtype).removeprefix("torch."),
                "vs_naive": round(best["naive"] / best["postil"], 1),
                "vs_sentence_transformers": round(best["sentence-transformers"] / best["postil"], 1),
                "top50_agreement": len(smallest(found["postil"]) & smallest(found["naive"])),
                "matmul_share": round(products / best["postil"] / max(squares), 2),
            }
        )
    )


def naive(
    model: nn.Module, tokenizer: AutoTokenizer, fitted: Fitted, pool: list[str], own: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, C) probabilities."""
    e = []
    for start in range(0, len(pool), BATCH):
        batch = tokenizer(
            pool[start : start + BATCH],
            padding=True,
            truncation=True,
            max_length=fitted.max_length,
            return_tensors="pt",
        )
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        e.append(normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
    both = np.hstack([torch.cat(e).numpy(), own])
    z = fitted.recipe.scale * (both @ fitted.weight.T + fitted.bias)
    return baseline.softmax(z / np.float32(fitted.temperature))


def smallest(probabilities: NDArray[np.float32]) -> set[int]:
    """The TOP rows of the smallest margins."""
    top = np.sort(probabilities, axis=1)
    return set(np.argsort(top[:, -1] - top[:, -2], kind="stable")[:TOP].tolist())


def square(dtype: torch.dtype) -> float:
    """Operations a second of the machine's own matrix product: the best of ten."""
    a = torch.randn(SQUARE, SQUARE).to(dtype)
    best = np.inf
    for _ in range(10):
        started = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - started)
    return float(2 * SQUARE**3 / best)


if __name__ == "__main__":
    main()
