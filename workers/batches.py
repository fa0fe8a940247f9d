"""Which rows go through the encoder together. Padding is computed like text, so rows of one length belong together."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workers.tokens import Tokens

Rows = NDArray[np.int64]


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


def shuffled(lengths: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Batches of `size` positions of `lengths` (n,) without end: every epoch has every position once.

    Within eight batches' worth of a random order, rows of like length share a batch, and the batches are
    shuffled again. The last batch of an epoch may be smaller.
    """
    while True:
        order = rng.permutation(len(lengths))
        windows = np.split(order, range(8 * size, len(order), 8 * size))
        ordered = np.concatenate([window[np.argsort(lengths[window], kind="stable")] for window in windows])
        batches = np.split(ordered, range(size, len(ordered), size))
        for i in rng.permutation(len(batches)):
            yield batches[i]


def padded(tokens: Tokens, rows: Rows, padding: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(ids, mask) of `rows`, both (len(rows), longest row): ids filled up with `padding`, mask true on tokens."""
    lengths = tokens.lengths[rows]
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, padding, np.int64)
    ids[mask] = tokens.take(rows).ids
    return ids, mask
