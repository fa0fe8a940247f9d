"""Which examples of a shard repeat others: what was found when the shard was compared."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEADERS, LIKENESS = "leaders.npy", "likeness.npy"
PROPAGATED = 0.5
"""Weight of a label that a near-duplicate passes on, beside its own."""


def write(folder: Path, leaders: NDArray[np.integer], likeness: NDArray[np.floating]) -> None:
    """`leaders` (rows, 2): shard and row of the example that each repeats, its own where it repeats none; `likeness`
    (rows,): its cosine to the likest example before it, 0 where there was none to compare with."""
    np.save(folder / LEADERS, leaders.astype(np.int32))
    np.save(folder / LIKENESS, likeness.astype(np.float32))


def leaders(folder: Path) -> NDArray[np.int64]:
    """(rows, 2), as in `write`."""
    found: NDArray[np.int64] = np.load(folder / LEADERS).astype(np.int64)
    return found


def positions(folder: Path, numbers: Sequence[int], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,) where each one's leader is among shards that lie end to end: their numbers, ascending, and starts."""
    shards, rows = leaders(folder).T
    found: NDArray[np.int64] = starts[np.searchsorted(numbers, shards)] + rows
    return found


def keys(folder: Path) -> NDArray[np.int64]:
    """(rows,) one number for each one's leader: what repeats the same example has the same."""
    shards, rows = leaders(folder).T
    found: NDArray[np.int64] = (shards << 32) + rows
    return found


def inherited(
    labeled: NDArray[np.int64], leaders: NDArray[np.int64], free: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels that examples have from one that they repeat: (positions of the examples, which label each has).

    `labeled` (k,): the leader of each labeled example, in the pool's order; of several with one leader the first passes
    its label on. `leaders` (n,) and `free` (n,): of the examples that may get one, and which of them have none.
    """
    known, first = np.unique(labeled, return_index=True)
    at = np.flatnonzero(free & np.isin(leaders, known))
    return at, first[np.searchsorted(known, leaders[at])]


def likeness(folder: Path) -> NDArray[np.float32]:
    """(rows,), as in `write`."""
    found: NDArray[np.float32] = np.load(folder / LIKENESS)
    return found
