"""k-means, and taking from its clusters in turn: what several strategies share."""

import warnings
from collections.abc import Iterable

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


def in_turns(clusters: Iterable[tuple[NDArray[np.int64], int, int]], count: int, total: int) -> Picks:
    """`count` positions, from the clusters with the fewest labels first, of these the largest.

    A cluster: its positions best first, the labels it has, its size out of `total`. Each pick counts as a label.
    """
    candidates = [
        (labels + turn, size, position)
        for positions, labels, size in clusters
        for turn, position in enumerate(positions[:count].tolist())
    ]
    candidates.sort(key=lambda candidate: (candidate[0], -candidate[1]))
    chosen = candidates[:count]
    # One number for that order: a share of all points is at most 1, and a label counts 1.
    return Picks(
        np.array([position for _, _, position in chosen], np.int64),
        np.array([size / total - labels for labels, size, _ in chosen], np.float64),
    )
