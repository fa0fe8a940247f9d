"""Uncertain examples that resemble much of the pool, so that no outlier is asked for.

Settles, Craven: An Analysis of Active Learning Strategies for Sequence Labeling Tasks (EMNLP 2008), section
3.4, information density: utility · (mean cosine similarity to the pool)^β, here of the margin utility with
β = 1. The mean over the pool is a product with the mean vector, so it is exact in memory of n.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import blocks, rowwise, squares
from strategies.uncertainty import margin

BETA = 1.0


def similarity(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d) -> (n,), mean cosine to all n, itself included; -1 to 1, and 0 for a row of zeros."""
    lengths = np.sqrt(squares(embeddings))
    lengths[lengths == 0] = 1
    mean = np.zeros(embeddings.shape[1])
    for rows in blocks(*embeddings.shape):
        mean += (embeddings[rows].astype(np.float64) / lengths[rows, None]).sum(axis=0)
    mean /= len(embeddings)
    cosine: NDArray[np.float64] = rowwise(lambda block: block @ mean, embeddings) / lengths
    return cosine


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # both are checked by Strategy.select
    assert view.embeddings is not None
    dense = np.maximum(similarity(view.embeddings), 0.0) ** BETA
    return best(rowwise(margin, view.probabilities) * dense, count, rng)


DENSITY_MARGIN = Strategy(
    "density_margin",
    frozenset({"probabilities", "embeddings"}),
    _choose,
    "Examples that waver between two labels and resemble much of the pool.",
)
