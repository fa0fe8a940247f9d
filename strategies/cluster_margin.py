"""Cluster-Margin: the smallest margins, taken in turn from the clusters they fall into.

Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh, Kumar: Batch Active Learning at Scale (NeurIPS
2021), algorithms 1 and 2: of the 10·count smallest margins one at random from each cluster, those with the
fewest of them first, round and round. The paper clusters by average linkage up to a threshold of its own for
each data set; here the tree is cut at `count` clusters, and above 2,000 rows k-means makes them.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best, in_order
from strategies.blocks import rowwise
from strategies.clusters import groups, k_means
from strategies.uncertainty import margin

FACTOR = 10
LINKAGE_ROWS = 2_000
"""Up to which the pool is clustered by linkage, which takes memory of rows²: 16 MB here."""


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # both are checked by Strategy.select
    assert view.embeddings is not None
    top = best(rowwise(margin, view.probabilities), FACTOR * count, rng).positions
    cluster = _clusters(view.embeddings, count, rng)[top]
    shuffled = sorted((rng.permutation(top[members]) for members in groups(cluster)), key=len)
    turns = [
        (turn, place, position)
        for place, group in enumerate(shuffled)
        for turn, position in enumerate(group.tolist())
    ]
    return in_order([position for _, _, position in sorted(turns)[:count]])


def _clusters(embeddings: NDArray[np.floating], count: int, rng: Generator) -> NDArray[np.integer]:
    """(n, d) -> (n,)"""
    from sklearn.cluster import AgglomerativeClustering  # a second and 100 MB, which the API need not have

    if len(embeddings) > LINKAGE_ROWS:
        return k_means(embeddings, count, rng)[0]
    if len(embeddings) == 1:
        return np.zeros(1, np.int64)
    model = AgglomerativeClustering(count, linkage="average")
    found: NDArray[np.int64] = model.fit_predict(embeddings.astype(np.float64))
    return found


CLUSTER_MARGIN = Strategy(
    "cluster_margin",
    frozenset({"probabilities", "embeddings"}),
    _choose,
    "The examples that waver most between two labels, in turn from every region.",
)
