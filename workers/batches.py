"""Which rows go through the encoder together. Padding is computed like text, so rows of one length belong together."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.tokens import Tokens

Rows = NDArray[np.int64]

FIRST = 0.1
"""Share of the texts that a curriculum begins with."""
WINDOW = 8
"""Batches that are sorted together: with more of them there is less padding, and less chance in a batch."""


def by_length(lengths: NDArray[np.int64], budget: int) -> Iterator[Rows]:
    """Every position of `lengths` (n,) once, in batches of at most `budget` tokens after padding.

    Longest first, so that memory runs out at once or never; a row above the budget is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def shuffled(
    sets: Sequence[NDArray[np.int64]], size: int, rng: np.random.Generator
) -> Iterator[tuple[Rows, ...]]:
    """Of each set, given by its lengths (n,), a batch of `size` positions, without end; all of n where n is less.

    A set's positions come in random order, each once before any comes again. Within WINDOW batches' worth of them, or
    what the smallest set has, rows of like length share a batch, the sets' shortest go together, and so on up to the
    longest; then the batches are shuffled.
    """
    sizes = [min(size, len(lengths)) for lengths in sets]
    window = min(WINDOW, *(len(lengths) // its for lengths, its in zip(sets, sizes, strict=True)))
    draws = [_drawn(len(lengths), window * its, rng) for lengths, its in zip(sets, sizes, strict=True)]
    while True:
        drawn = [next(draw) for draw in draws]
        ordered = [
            rows[np.argsort(lengths[rows], kind="stable")] for rows, lengths in zip(drawn, sets, strict=True)
        ]
        parts = [np.split(rows, window) for rows in ordered]
        for at in rng.permutation(window):
            yield tuple(part[at] for part in parts)


def paced(n: int, size: int, steps: int, rng: np.random.Generator) -> Iterator[Rows]:
    """A batch of `size` of n positions, which go from easy to hard, for each of the steps; all of n where n is less.

    Drawn from the first c · n, of competence c = sqrt(t / T · (1 - FIRST²) + FIRST²) at step t, 1 from step T on, which
    is halfway (Platanios et al.: Competence-based curriculum learning, NAACL 2019).
    """
    size, half = min(size, n), max(1, steps // 2)
    for step in range(steps):
        competence = min(1.0, (step / half * (1 - FIRST**2) + FIRST**2) ** 0.5)
        yield rng.choice(max(size, round(competence * n)), size, replace=False)


def _drawn(n: int, count: int, rng: np.random.Generator) -> Iterator[Rows]:
    """`count` of n positions at a time without end, each once before any comes again."""
    left: Rows = np.empty(0, np.int64)
    while True:
        while len(left) < count:
            left = np.concatenate([left, rng.permutation(n)])
        yield left[:count]
        left = left[count:]


def padded(tokens: Tokens, rows: Rows, padding: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(ids, mask) of `rows`, both (len(rows), longest row): ids filled up with `padding`, mask true on tokens."""
    lengths = tokens.lengths[rows]
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, padding, np.int64)
    ids[mask] = tokens.take(rows).ids
    return ids, mask
