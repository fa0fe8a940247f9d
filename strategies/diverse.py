"""Uncertain examples that differ from each other: k-means over the most uncertain.

Zhdanov: Diverse mini-batch Active Learning (2019, arXiv:1901.05954), algorithm 1: of the 10·count greatest
utilities as many clusters as picks, each example weighted by its utility; of each cluster the example
nearest its centre. Here the most uncertain comes first.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import rowwise
from strategies.clusters import groups, k_means
from strategies.multi_label import mean_uncertainty
from strategies.tokens import MNLP_COLUMN
from strategies.uncertainty import margin

FACTOR = 10
LEAST_WEIGHT = 1e-6
"""Of the greatest: an example that the learner is sure of still has a place."""


def diverse(
    utilities: NDArray[np.float64], embeddings: NDArray[np.floating], count: int, rng: Generator
) -> Picks:
    """`count` of the 10·count greatest utilities (n,), none below 0; embeddings (n, d)."""
    top = best(utilities, FACTOR * count, rng).positions
    points = embeddings[top].astype(np.float64)
    most = utilities[top[0]]
    weights = np.maximum(utilities[top] / most, LEAST_WEIGHT) if most > 0 else None
    cluster, centres = k_means(points, count, rng, weights)
    gaps = np.square(points - centres[cluster]).sum(axis=1)
    taken = np.zeros(len(top), np.bool_)
    for members in groups(cluster):
        taken[members[gaps[members].argmin()]] = True
    # Where examples are doubles there are fewer clusters: the most uncertain of the rest come in.
    taken[np.flatnonzero(~taken)[: count - taken.sum()]] = True
    chosen = top[taken]
    order = best(utilities[chosen], count, rng)
    return Picks(chosen[order.positions], order.scores)


def _strategy(
    name: str,
    array: str,
    utility: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    problem: str,
    summary: str,
) -> Strategy:
    """`utility` takes rows of the array."""

    def choose(view: View, count: int, rng: Generator) -> Picks:
        assert view.embeddings is not None  # checked by Strategy.select
        return diverse(rowwise(utility, getattr(view, array)), view.embeddings, count, rng)

    return Strategy(name, frozenset({array, "embeddings"}), choose, summary, frozenset({problem}))


DIVERSE_MARGIN = _strategy(
    "diverse_margin",
    "probabilities",
    margin,
    "single_label",
    "Examples that waver between two labels and differ from each other.",
)
DIVERSE_UNCERTAINTY = _strategy(
    "diverse_uncertainty",
    "probabilities",
    mean_uncertainty,
    "multi_label",
    "Examples with many unsure labels that differ from each other.",
)
DIVERSE_MNLP = _strategy(
    "diverse_mnlp",
    "token_uncertainty",
    lambda rows: np.maximum(rows[:, MNLP_COLUMN], 0.0),
    "spans",
    "Texts whose tokens are tagged least surely and that differ from each other.",
)
