"""Labeled texts to measure on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.demo import docstrings
from tests.bench.labels import rows
from workers.corpus import Corpus, words
from workers.encoder import Encoder

TEST_ROWS = 1_000


@dataclass(frozen=True)
class Texts:
    texts: list[str]
    classes: NDArray[np.int64]
    """Of `names`; -1 for a label that is none of them."""
    names: list[str]
    test_texts: list[str]
    test_classes: NDArray[np.int64]


def corpus(base: Encoder, texts: list[str], names: list[str]) -> Corpus:
    """What the base model makes of the texts, and of the labels' names."""
    tokens, said = base.tokenize(texts), base.tokenize([words(name) for name in names])
    return Corpus(tokens, base.embed(tokens), Corpus(said, base.embed(said)))


def read(folder: Path | None) -> Texts:
    """train.jsonl and test.jsonl of `folder`, with `text` and `label`; None: the demo's own text.

    In random order, the same at every call; at most TEST_ROWS of the test set.
    """
    if folder is None:
        corpus = docstrings.corpus(seed=0, gold=TEST_ROWS)
        parts = [[(one.text, one.label) for one in part] for part in (corpus.pool, corpus.gold)]
    else:
        parts = [
            [(row["text"], row["label"]) for row in rows(folder / f"{n}.jsonl")] for n in ("train", "test")
        ]
        order = np.random.default_rng(7).permutation(len(parts[1]))[:TEST_ROWS]
        parts[1] = [parts[1][at] for at in order]
    # Some sets come sorted by label.
    parts[0] = [parts[0][at] for at in np.random.default_rng(7).permutation(len(parts[0]))]
    (texts, labels), (test_texts, test_labels) = (tuple(zip(*part, strict=True)) for part in parts)
    names = sorted(set(labels))
    at = {name: i for i, name in enumerate(names)}
    classes, test_classes = (
        np.array([at.get(label, -1) for label in some]) for some in (labels, test_labels)
    )
    return Texts(list(texts), classes, names, list(test_texts), test_classes)
