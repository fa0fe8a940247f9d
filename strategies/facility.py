"""Facility location: the examples that stand for most of what the learner is likely to get wrong.

Wei, Iyer, Bilmes: Submodularity in Data Subset Selection and Active Learning (ICML 2015), section 4.2: greedily the
greatest Σ_i u_i · max_j w_ij over the examples i of the pool and the asked j, labeled ones included. There u is 1 for
the most uncertain and 0 for others; here it is the probability that the learner is wrong. Similarity falls with the
squared distance, w = exp(-3.5 · d² / D²), D² the median one to the 15th neighbour, since every encoder has a scale of
its own; beyond the 60 nearest it is zero. Of a pool above 20,000 a random sample stands for it.
"""

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View
from strategies.blocks import blocks, rowwise, squared_distances, squares
from strategies.uncertainty import least_confidence

if TYPE_CHECKING:
    from scipy import sparse

NEIGHBOURS, SCALE_NEIGHBOUR, SHARPNESS = 60, 15, 3.5
SAMPLE = 20_000
CELLS = 1 << 23
"""Distances in a block: 32 MB."""


def similarities(points: NDArray[np.float32]) -> "sparse.csr_array":
    """(n, d) -> (n, n) symmetric, 1 on the diagonal."""
    from scipy import sparse  # it takes a while and memory, which the API need not have

    n, k = len(points), min(NEIGHBOURS + 1, len(points))
    lengths = squares(points).astype(np.float32)
    near, apart = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    for rows in blocks(n, n, CELLS):
        at = np.arange(rows.start, rows.stop)
        squared = squared_distances(points, lengths, at)
        squared[at - rows.start, at] = -1  # of doubles, too, each is its own nearest
        nearest = np.argpartition(squared, k - 1, axis=1)[:, :k]
        near[rows], apart[rows] = nearest, np.take_along_axis(squared, nearest, axis=1)
    np.maximum(apart, 0, out=apart)
    neighbour = min(SCALE_NEIGHBOUR, k - 1)
    scale = max(float(np.median(np.partition(apart, neighbour, axis=1)[:, neighbour])), 1e-9)
    weights = np.exp(-SHARPNESS / scale * apart)
    links = sparse.csr_array((weights.ravel(), (np.repeat(np.arange(n), k), near.ravel())), shape=(n, n))
    return links.maximum(links.T).tocsr()


def cover(
    links: "sparse.csr_array",
    utilities: NDArray[np.float64],
    known: NDArray[np.int64],
    count: int,
    rng: Generator,
) -> tuple[list[int], list[float]]:
    """`count` positions that are not `known`, and what each added to the sum when it was taken.

    Gains only fall as more is covered, so that each is computed anew only when it comes up (Minoux 1978).
    """
    covered = np.zeros(len(utilities))
    bounds = links.indptr

    def take(one: int) -> None:
        part = slice(bounds[one], bounds[one + 1])
        at = links.indices[part]
        covered[at] = np.maximum(covered[at], links.data[part])

    def gain(one: int) -> float:
        part = slice(bounds[one], bounds[one + 1])
        at = links.indices[part]
        return float(utilities[at] @ np.maximum(links.data[part] - covered[at], 0))

    for one in known:
        take(one)
    free = np.setdiff1d(np.arange(len(utilities)), known)
    heap = [(-gain(one), luck, one) for one, luck in zip(free.tolist(), rng.random(len(free)), strict=True)]
    heapify(heap)
    positions: list[int] = []
    gains: list[float] = []
    while len(positions) < count:
        _, luck, one = heappop(heap)
        now = gain(one)
        if heap and -now > heap[0][0]:
            heappush(heap, (-now, luck, one))
            continue
        take(one)
        positions.append(one)
        gains.append(now)
    return positions, gains


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # all are checked by Strategy.select
    assert view.embeddings is not None
    assert view.labeled_embeddings is not None
    sample = np.sort(rng.choice(view.size, size=min(view.size, max(SAMPLE, count)), replace=False))
    points = np.concatenate([view.embeddings[sample], view.labeled_embeddings]).astype(np.float32)
    utilities = np.zeros(len(points))
    utilities[: len(sample)] = rowwise(least_confidence, view.probabilities[sample])
    known = np.arange(len(sample), len(points))
    positions, gains = cover(similarities(points), utilities, known, count, rng)
    # Rounding may lift a gain by a hair above the one before it.
    return Picks(sample[positions], np.minimum.accumulate(gains))


FACILITY_LOCATION = Strategy(
    "facility_location",
    frozenset({"probabilities", "embeddings", "labeled_embeddings"}),
    _choose,
    "The examples that stand for most of what the learner is likely to get wrong; for many labels.",
)
