"""The example farthest from all that were asked for, again and again: the pool is covered by small balls.

Sener, Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach (ICLR 2018),
algorithm 1, greedy k-center. Its largest ball has at most twice the least radius there can be. Not covered:
the paper's mixed integer program.
"""

import numpy as np
from numpy.random import Generator

from strategies.base import PROBLEMS, Picks, Strategy, View, greatest
from strategies.blocks import nearest

LOOKED_AT = 4_096
"""Examples whose distance is brought up to date at a time."""


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.embeddings is not None  # both are checked by Strategy.select
    assert view.labeled_embeddings is not None
    # (n,) to what was asked for, and -1 for the picks. Picks only bring examples nearer: an old distance is an upper
    # bound, so that only those at the top are compared with the newest picks.
    gaps = nearest(view.embeddings, view.labeled_embeddings)
    compared = np.zeros(view.size, np.int32)  # with so many of the picks
    positions: list[int] = []
    scores: list[float] = []
    for _ in range(count):
        while True:
            old = np.flatnonzero(gaps == gaps.max())
            if (compared[old] == len(positions)).all():
                break
            top = np.argpartition(-gaps, min(LOOKED_AT, view.size) - 1)[:LOOKED_AT]
            old = np.union1d(old, top)
            old = old[(compared[old] < len(positions)) & (gaps[old] >= 0)]
            new = positions[compared[old].min() :]
            gaps[old] = np.minimum(gaps[old], nearest(view.embeddings[old], view.embeddings[new]))
            compared[old] = len(positions)
        position = greatest(gaps, rng)
        positions.append(position)
        scores.append(gaps[position])
        gaps[position] = -1
    if not np.isfinite(scores[0]):  # far from nothing: it counts as much as the next one
        scores[0] = scores[1] if count > 1 else 0.0
    return Picks(np.array(positions, np.int64), np.minimum.accumulate(scores))


K_CENTER = Strategy(
    "k_center",
    frozenset({"embeddings", "labeled_embeddings"}),
    _choose,
    "The examples farthest from everything that was asked for, outliers included.",
    PROBLEMS,
)
