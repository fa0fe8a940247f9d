"""ProbCover: the examples whose surroundings hold most of the pool that no label is near to yet.

Yehuda, Dekel, Hacohen, Weinshall: Active Learning Through a Covering Lens (NeurIPS 2022). A ball of one
radius around each example; greedily the ball with most examples that no labeled one's ball holds. The radius
is the largest for which 95 % of the balls are pure, in the pseudo-labels of a k-means with as many clusters as
classes. Of a pool above 20,000 a random sample stands for it.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import PROBLEMS, Picks, Strategy, View, greatest
from strategies.blocks import blocks, nearest, squared_distances, squares
from strategies.clusters import k_means

PURITY = 0.95
SAMPLE = 20_000
PURITY_SAMPLE = 2_000
"""Balls whose purity is looked at: 95 % of them is known to half a point."""
CLASSES = 10
"""Clusters where the campaign's number of classes is not known."""
CELLS = 1 << 23
"""Distances in a block, 32 MB: the whole sample is read once for each block."""


def purity_radius(
    points: NDArray[np.float32], cluster: NDArray[np.int32], sample: NDArray[np.int64]
) -> float:
    """The largest radius for which a share PURITY of the open balls around the sample are pure.

    A ball is pure up to the nearest point of another cluster, so that radius is a quantile of these distances.
    Points (n, d), cluster (n,), sample (s,) positions; infinite where there is one cluster.
    """
    lengths = squares(points).astype(np.float32)
    reach = np.empty(len(sample))
    for rows in blocks(len(sample), len(points), CELLS):
        apart = squared_distances(points, lengths, sample[rows])  # (b, n)
        apart[cluster[sample[rows], None] == cluster] = np.inf
        reach[rows] = np.sqrt(apart.min(axis=1))
    return float(np.sort(reach)[int((1 - PURITY) * len(reach) + 1e-9)])


def cover(
    points: NDArray[np.float32], radius: float, uncovered: NDArray[np.bool_], count: int, rng: Generator
) -> tuple[list[int], list[float]]:
    """`count` positions, and how many uncovered points (n,) each had within the radius when it was taken."""
    near = _near(points, radius)
    positions: list[int] = []
    gains: list[float] = []
    for _ in range(count):
        bits = _pack(uncovered[None])
        gain = np.empty(len(points))
        for rows in blocks(*near.shape):
            gain[rows] = np.bitwise_count(near[rows] & bits).sum(axis=1)
        gain[positions] = -1
        position = greatest(gain, rng)
        positions.append(position)
        gains.append(gain[position])
        uncovered = uncovered & ~np.unpackbits(near[position].view(np.uint8), count=len(points)).astype(bool)
    return positions, gains


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.embeddings is not None  # both are checked by Strategy.select
    assert view.labeled_embeddings is not None
    sample = np.sort(rng.choice(view.size, size=min(view.size, max(SAMPLE, count)), replace=False))
    points = view.embeddings[sample].astype(np.float32)
    cluster, _ = k_means(points, min(view.classes or CLASSES, len(points)), rng)
    looked_at = rng.choice(len(points), size=min(PURITY_SAMPLE, len(points)), replace=False)
    radius = purity_radius(points, cluster, looked_at)
    uncovered = nearest(points, view.labeled_embeddings) >= radius
    positions, gains = cover(points, radius, uncovered, count, rng)
    return Picks(sample[positions], np.array(gains) / len(points))


def _near(points: NDArray[np.float32], radius: float) -> NDArray[np.uint64]:
    """(n, d) -> (n, n / 64), a bit for each pair within the radius: 50 MB for 20,000, however dense the balls."""
    lengths = squares(points).astype(np.float32)
    near = np.empty((len(points), -(-len(points) // 64)), np.uint64)
    for rows in blocks(len(points), len(points), CELLS):
        within = squared_distances(points, lengths, np.arange(rows.start, rows.stop)) < radius**2
        within[np.arange(len(within)), np.arange(rows.start, rows.stop)] = True  # its own, also at radius 0
        near[rows] = _pack(within)
    return near


def _pack(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(b, n) -> (b, n / 64), the rest zeros."""
    packed = np.zeros((len(bits), -(-bits.shape[1] // 64) * 8), np.uint8)
    found = np.packbits(bits, axis=1)
    packed[:, : found.shape[1]] = found
    return packed.view(np.uint64)


PROB_COVER = Strategy(
    "prob_cover",
    frozenset({"embeddings", "labeled_embeddings"}),
    _choose,
    "The examples with most others around them that no label is near to yet; for few labels.",
    PROBLEMS,
)
