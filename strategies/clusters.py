"""k-means, and taking from its clusters in turn: what several strategies share."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks

LLOYD_CELLS = 250_000
"""Points times clusters up to which every iteration of k-means sees all points; above, mini-batches."""


def k_means(
    points: NDArray[np.floating],
    count: int,
    rng: Generator,
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(n, d) -> the cluster of each point (n,) and the centres (count, d); 1 <= count <= n.

    Clusters stay empty where there are fewer distinct points. `weights` (n,) are positive.
    """
    # It takes a second and 100 MB, which the API need not have.
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    seed = int(rng.integers(2**31))
    if len(points) * count <= LLOYD_CELLS:
        model = KMeans(count, n_init=1, random_state=seed)
    else:
        model = MiniBatchKMeans(count, n_init=1, batch_size=2048, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters is fine
        model.fit(points.astype(np.float32, copy=False), sample_weight=weights)
    return model.labels_, model.cluster_centers_


def groups(cluster: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The positions (ascending) of each cluster that has some, by its number."""
    order = np.argsort(cluster, kind="stable")
    bounds = np.flatnonzero(np.diff(cluster[order])) + 1
    return np.split(order, bounds)


def in_turns(
    clusters: Iterable[tuple[NDArray[np.int64], int, int]],
    count: int,
    total: int,
    best: Callable[[NDArray[np.int64], int], NDArray[np.int64]],
) -> Picks:
    """`count` positions, from the clusters with the fewest labels first, of these the largest.

    A cluster: its positions, the labels it has, its size out of `total`. Each pick counts as a label. `best` gives so
    many of a cluster's positions, best first; it is asked once for each cluster that has a turn.
    """
    every = list(clusters)
    turns = [
        (labels + turn, size, at)
        for at, (positions, labels, size) in enumerate(every)
        for turn in range(min(len(positions), count))
    ]
    turns.sort(key=lambda turn: (turn[0], -turn[1]))
    taken = Counter(at for _, _, at in turns[:count])
    picks = {at: iter(best(every[at][0], several).tolist()) for at, several in taken.items()}
    # One number for that order: a share of all points is at most 1, and a label counts 1.
    return Picks(
        np.array([next(picks[at]) for _, _, at in turns[:count]], np.int64),
        np.array([size / total - labels for labels, size, _ in turns[:count]], np.float64),
    )
