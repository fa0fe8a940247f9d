"""The example farthest from all that were asked for, again and again: the pool is covered by small balls.

Sener, Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach (ICLR 2018),
algorithm 1, greedy k-center. Its largest ball has at most twice the least radius there can be. Not covered:
the paper's mixed integer program.
"""

import numpy as np
from numpy.random import Generator

from strategies.base import PROBLEMS, Picks, Strategy, View, greatest
from strategies.blocks import distances, nearest


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.embeddings is not None  # both are checked by Strategy.select
    assert view.labeled_embeddings is not None
    gaps = nearest(view.embeddings, view.labeled_embeddings)  # (n,) to what was asked for, -1 for the picks
    positions, scores = [], []
    for _ in range(count):
        position = greatest(gaps, rng)
        score = gaps[position]
        np.minimum(gaps, distances(view.embeddings, view.embeddings[position]), out=gaps)
        # The first of all is far from nothing: it counts as much as the next one will.
        scores.append(score if np.isfinite(score) else gaps.max())
        positions.append(position)
        gaps[position] = -1
    return Picks(np.array(positions, np.int64), np.array(scores))


K_CENTER = Strategy(
    "k_center",
    frozenset({"embeddings", "labeled_embeddings"}),
    _choose,
    "The examples farthest from everything that was asked for, outliers included.",
    PROBLEMS,
)
