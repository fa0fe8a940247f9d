"""TypiClust: typical examples of every region of the pool, to open with while a learner knows little.

Hacohen, Dekel, Weinshall: Active Learning on a Budget (ICML 2022), algorithm 1. As there: as many clusters
as there will be labels, at most 500; the clusters with the fewest labels first, of these the largest; of a
cluster the most typical example.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import PROBLEMS, Picks, Strategy, View, best
from strategies.clusters import SAMPLE, assigned, groups, in_turns, k_means

MOST_CLUSTERS = 500
NEIGHBOURS = 20
MOST_MEMBERS = 2_000
"""Of a cluster: of a larger one a random sample stands for it."""


def typicality(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d) -> (n,): 1 / mean Euclidean distance to the 20 nearest others, or to all where there are fewer.

    Infinite among identical points, and 0 for a point on its own.
    """
    from sklearn.neighbors import (
        NearestNeighbors,  # it takes a second and 100 MB, which the API need not have
    )

    if len(points) == 1:
        return np.zeros(1)
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(points) - 1), algorithm="brute").fit(points)
    distances, _ = near.kneighbors()  # without an argument a point is not its own neighbour
    mean: NDArray[np.float64] = distances.mean(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return 1.0 / mean


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.embeddings is not None  # both are checked by Strategy.select
    assert view.labeled_embeddings is not None
    labeled, points = len(view.labeled_embeddings), view.embeddings
    wanted = min(labeled + count, MOST_CLUSTERS)
    if len(points) > SAMPLE:  # so few labels hardly move a centre, and a copy of the pool is spared
        cluster, centres = k_means(points, wanted, rng)
        cluster = np.concatenate([assigned(view.labeled_embeddings, centres), cluster])  # (labeled + n,)
    else:
        cluster, _ = k_means(np.concatenate([view.labeled_embeddings, points]), wanted, rng)

    def typical(members: NDArray[np.int64], several: int) -> NDArray[np.int64]:
        if len(members) > MOST_MEMBERS:
            members = rng.choice(members, max(MOST_MEMBERS, several), replace=False)
        score = typicality(points[members].astype(np.float32, copy=False))
        return members[best(score, several, rng).positions]

    clusters = []
    for members in groups(cluster):
        positions = members[members >= labeled] - labeled
        if len(positions):
            clusters.append((positions, len(members) - len(positions), len(members)))
    return in_turns(clusters, count, labeled + len(points), typical)


TYPICLUST = Strategy(
    "typiclust",
    frozenset({"embeddings", "labeled_embeddings"}),
    _choose,
    "Typical examples of every region of the pool, none of them twice; to open with.",
    PROBLEMS,
)
