"""Texts as the base model read them, labeled or not, and the names of the labels."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workers import tokens
from workers.graph import Graph
from workers.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Corpus:
    """What a learner may look at: n texts, and C names of labels where they say something."""

    tokens: Tokens
    base: NDArray[np.floating]
    """(n, d), the base model's embeddings, of length 1."""
    names: "Corpus | None" = None
    """The labels' names read as texts, in the order of the labels."""
    texts: Callable[[NDArray[np.integer]], list[str]] | None = None
    """The texts themselves, by row; only spans need them."""

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def graph(self) -> Graph:
        """Nodes 0..n-1 are the texts, n..n+C-1 the names."""
        parts = [self.base] if self.names is None else [self.base, self.names.base]
        return Graph.of(np.concatenate(parts).astype(np.float32))

    def some_texts(self, rows: NDArray[np.integer]) -> list[str]:
        """The texts of these rows; raises ValueError where they were left out."""
        if self.texts is None:
            raise ValueError("this corpus was made without its texts")
        return self.texts(rows)

    def take(self, rows: NDArray[np.integer]) -> "Corpus":
        texts = self.texts
        some = None if texts is None else lambda at: texts(rows[at])
        return Corpus(self.tokens.take(rows), self.base[rows], self.names, some)


def concat(one: Corpus, other: Corpus) -> Corpus:
    """Both, one after the other, without names of labels."""
    n = len(one)

    def texts(rows: NDArray[np.integer]) -> list[str]:
        found = dict(zip(rows[rows < n].tolist(), one.some_texts(rows[rows < n]), strict=True))
        rest = rows[rows >= n]
        found.update(zip(rest.tolist(), other.some_texts(rest - n), strict=True))
        return [found[row] for row in rows.tolist()]

    return Corpus(
        tokens.concat([one.tokens, other.tokens]), np.concatenate([one.base, other.base]), None, texts
    )


def words(label: str) -> str:
    """A label's name as one would say it: `card_arrival`, `card-arrival` and `CardArrival` are "card arrival"."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label)
    return re.sub(r"[\s_/.-]+", " ", apart).strip() or label
