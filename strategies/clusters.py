"""k-means, and taking from its clusters in turn: what several strategies share."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks
from strategies.blocks import CELLS, blocks, squares

LLOYD_CELLS = 250_000
"""Points times clusters up to which every iteration of k-means sees all points; above, mini-batches."""
SAMPLE, SEEDS, ITERATIONS = 50_000, 10_000, 10
"""Of more points a random sample finds the centres, by so many iterations from k-means++ over so many of it."""


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
    from sklearn.cluster import KMeans, MiniBatchKMeans, kmeans_plusplus
    from sklearn.exceptions import ConvergenceWarning

    seed = int(rng.integers(2**31))
    some, shares = points, weights
    if len(points) * count <= LLOYD_CELLS:
        model = KMeans(count, n_init=1, random_state=seed)
    elif len(points) <= SAMPLE:
        model = MiniBatchKMeans(count, n_init=1, batch_size=2048, random_state=seed)
    else:
        rows = rng.choice(len(points), max(SAMPLE, count), replace=False)
        some, shares = points[rows], None if weights is None else weights[rows]
        seeds = some[: max(SEEDS, count)].astype(np.float32, copy=False)
        first, _ = kmeans_plusplus(seeds, count, random_state=seed)
        model = KMeans(count, init=first, n_init=1, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters is fine
        model.fit(some.astype(np.float32, copy=False), sample_weight=shares)
    if some is points:
        return model.labels_, model.cluster_centers_
    return assigned(points, model.cluster_centers_), model.cluster_centers_


def assigned(points: NDArray[np.floating], centres: NDArray[np.float32]) -> NDArray[np.int32]:
    """(n, d), (k, d) -> (n,), which centre is nearest."""
    result = np.empty(len(points), np.int32)
    half = (squares(centres) / 2).astype(np.float32)
    for rows in blocks(len(points), points.shape[1] + len(centres), 4 * CELLS):
        near = points[rows].astype(np.float32, copy=False) @ centres.T  # (b, k)
        near -= half
        result[rows] = near.argmax(axis=1)
    return result


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
