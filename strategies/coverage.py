"""TypiClust: typical examples of every region of the pool, to open with while a learner knows little.

Hacohen, Dekel, Weinshall: Active Learning on a Budget (ICML 2022), algorithm 1. As there: as many clusters
as there will be labels, at most 500; the clusters with the fewest labels first, of these the largest; of a
cluster the most typical example.
"""

import warnings

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best

MOST_CLUSTERS = 500
NEIGHBOURS = 20
LLOYD_CELLS = 250_000
"""Points times clusters up to which every iteration of k-means sees all points; above, mini-batches."""


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
    points = np.concatenate([view.labeled_embeddings, view.embeddings]).astype(np.float32)
    labeled = len(view.labeled_embeddings)
    cluster = _clusters(points, min(labeled + count, MOST_CLUSTERS), rng)  # (labeled + n,)

    candidates = []  # (labels in the cluster by then, size of the cluster, position)
    for one in np.unique(cluster).tolist():
        members = np.flatnonzero(cluster == one)
        positions = members[members >= labeled] - labeled
        labels = len(members) - len(positions)
        if len(positions) == 0:
            continue
        typical = positions[best(typicality(view.embeddings[positions]), count, rng).positions]
        candidates += [(labels + turn, len(members), p) for turn, p in enumerate(typical.tolist())]
    candidates.sort(key=lambda candidate: (candidate[0], -candidate[1]))
    # One number for that order: a share of all points is at most 1, and a label counts 1.
    chosen = candidates[:count]
    return Picks(
        np.array([position for _, _, position in chosen], np.int64),
        np.array([size / len(points) - labels for labels, size, _ in chosen], np.float64),
    )


def _clusters(points: NDArray[np.float32], count: int, rng: Generator) -> NDArray[np.int32]:
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    seed = int(rng.integers(2**31))
    if len(points) * count <= LLOYD_CELLS:
        model = KMeans(count, n_init=1, random_state=seed)
    else:
        model = MiniBatchKMeans(count, n_init=1, batch_size=2048, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters is fine
        found: NDArray[np.int32] = model.fit_predict(points)
    return found


COVERAGE = Strategy(
    "coverage",
    frozenset({"embeddings", "labeled_embeddings"}),
    _choose,
    "Typical examples of every region of the pool, none of them twice; to open with.",
)
