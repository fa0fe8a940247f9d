"""Nearest neighbours among texts, and labels that spread along them.

Zhou et al.: Learning with Local and Global Consistency (NIPS 2003). Its closed form is approached by iteration.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

NEIGHBOURS = 15
ALPHA = 0.9
"""How much of its value a node takes from its neighbours in each turn; the rest is its own label."""
TURNS = 40
BLOCK = 1_024


@dataclass(frozen=True, eq=False)
class Graph:
    """Each node's nearest neighbours by cosine, in both directions."""

    links: sparse.csr_array
    """(n, n) symmetric, D^-1/2 · W · D^-1/2 with W the similarities (below 0: none) and D their sums by row."""

    @classmethod
    def of(cls, points: NDArray[np.float32], neighbours: int = NEIGHBOURS) -> "Graph":
        """Of points (n, d) of length 1. Time n², memory n · 1,024 numbers."""
        n, k = len(points), min(neighbours, len(points) - 1)
        near = np.empty((n, k), np.int32)
        weight = np.empty((n, k), np.float32)
        for start in range(0, n, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n))
            similar = points[rows] @ points.T
            similar[rows - start, rows] = -np.inf
            best = np.argpartition(-similar, k - 1, axis=1)[:, :k] if k else near[rows]
            near[rows], weight[rows] = best, np.take_along_axis(similar, best, axis=1)
        w = sparse.csr_array(
            (np.maximum(weight, 0).ravel(), (np.repeat(np.arange(n), k), near.ravel())), shape=(n, n)
        )
        w = w.maximum(w.T)
        root = 1 / np.sqrt(np.maximum(w.sum(axis=1), 1e-9))
        scale = sparse.diags_array(root)
        return cls((scale @ w @ scale).tocsr().astype(np.float32))

    def spread(self, seeds: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, C) how much of each class reaches each node, from seeds (n, C): a label's weight, elsewhere 0."""
        reached = seeds
        for _ in range(TURNS):
            reached = ALPHA * (self.links @ reached) + (1 - ALPHA) * seeds
        return reached
