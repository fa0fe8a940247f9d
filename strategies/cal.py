"""CAL: examples that the learner sees unlike the labeled ones they resemble.

Margatina, Vernikos, Barrault, Aletras: Active Learning by Acquiring Contrastive Examples (EMNLP 2021),
algorithm 1: the mean of KL(p of a neighbour ‖ p of the candidate) over the 10 nearest labeled examples. Here
neighbours are sought among all that were asked for, in the space of the embeddings that are given.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import CELLS, blocks

NEIGHBOURS = 10
TINY = 1e-12
"""The least probability: a learner's zero is a rounded one."""


def contrast(
    probabilities: NDArray[np.floating],
    embeddings: NDArray[np.floating],
    labeled_probabilities: NDArray[np.floating],
    labeled_embeddings: NDArray[np.floating],
) -> NDArray[np.float64]:
    """(n, C), (n, d), (m, C), (m, d) -> (n,), in nats; 0 where m is 0."""
    from sklearn.neighbors import NearestNeighbors  # a second and 100 MB, which the API need not have

    result = np.zeros(len(probabilities))
    if len(labeled_embeddings) == 0:
        return result
    model = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(labeled_embeddings)), algorithm="brute")
    model.fit(labeled_embeddings.astype(np.float32))
    for rows in blocks(len(embeddings), embeddings.shape[1] + probabilities.shape[1], 8 * CELLS):
        near = model.kneighbors(embeddings[rows].astype(np.float32), return_distance=False)  # (b, k)
        candidate = np.log(np.maximum(probabilities[rows].astype(np.float64), TINY))
        for column in near.T:
            neighbour = labeled_probabilities[column].astype(np.float64)
            apart = np.log(np.maximum(neighbour, TINY)) - candidate
            result[rows] += (neighbour * apart).sum(axis=1) / near.shape[1]
    return result


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # all four are checked by Strategy.select
    assert view.embeddings is not None
    assert view.labeled_probabilities is not None
    assert view.labeled_embeddings is not None
    utilities = contrast(
        view.probabilities, view.embeddings, view.labeled_probabilities, view.labeled_embeddings
    )
    return best(utilities, count, rng)


CAL = Strategy(
    "cal",
    frozenset({"probabilities", "embeddings", "labeled_probabilities", "labeled_embeddings"}),
    _choose,
    "The examples that the model sees unlike the labeled ones they resemble.",
)
