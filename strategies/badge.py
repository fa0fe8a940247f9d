"""BADGE: examples whose label would move the learner far, each in a direction of its own.

Ash, Zhang, Krishnamurthy, Langford, Agarwal: Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
Bounds (ICLR 2020), algorithm 1: k-means++ seeding on the gradients of the last layer, were the likeliest class
the label: g = (p - onehot(argmax p)) ⊗ x. As in the authors' code the longest gradient comes first.

The gradients (n, C·d) are never there: <g, h> = <a, b><x, y> for g = a ⊗ x and h = b ⊗ y.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, greatest, in_order
from strategies.blocks import blocks, squares

DRAWS, MOST_DRAWS = 64, 4_096
"""Examples drawn at a time, and in all before distances are brought up to date."""


class Gradients:
    """Of probabilities (n, C) and embeddings (n, d); memory of n."""

    def __init__(self, probabilities: NDArray[np.floating], embeddings: NDArray[np.floating]) -> None:
        self._probabilities = probabilities
        self._embeddings = embeddings
        self._likeliest = probabilities.argmax(axis=1)
        top = probabilities[np.arange(len(probabilities)), self._likeliest].astype(np.float64)
        self.squares = (squares(probabilities) - 2 * top + 1) * squares(embeddings)
        """(n,), squared lengths."""

    def to_nearest(self, rows: NDArray[np.integer], others: list[int]) -> NDArray[np.float64]:
        """(r,), squared distances of the gradients at the rows to the nearest of the others."""
        errors, points = self._parts(np.array(others))
        result = np.empty(len(rows))
        for some in blocks(len(rows), errors.shape[1] + points.shape[1]):
            at = rows[some]
            error, point = self._parts(at)
            products = (error @ errors.T) * (point @ points.T)
            squared = self.squares[at, None] + self.squares[others] - 2 * products
            result[some] = squared.min(axis=1)
        return np.maximum(result, 0.0)  # rounding takes doubles a little below

    def _parts(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The two factors of gradients: (r, C), (r, d)."""
        error = self._probabilities[rows].astype(np.float64)
        error[np.arange(len(rows)), self._likeliest[rows]] -= 1
        return error, self._embeddings[rows].astype(np.float64)


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # both are checked by Strategy.select
    assert view.embeddings is not None
    gradients = Gradients(view.probabilities, view.embeddings)
    positions = [greatest(gradients.squares, rng)]
    every = np.arange(view.size)
    # (n,) squared, to the nearest pick; 0 for the picks. Distances only fall: an old one is an upper bound. Drawn in
    # proportion to that and kept with the chance true / bound, an example comes as often as by the true distances.
    bounds = gradients.to_nearest(every, positions)
    bounds[positions] = 0
    while len(positions) < count:
        position = _drawn(gradients, bounds, positions, rng)
        if position is None:
            bounds = np.minimum(bounds, gradients.to_nearest(every, positions))
            bounds[positions] = 0
            if not bounds.any():  # the rest are doubles of picks
                left = np.setdiff1d(every, positions)
                positions += rng.choice(left, count - len(positions), replace=False).tolist()
                break
            continue
        positions.append(position)
        bounds[position] = 0
    return in_order(positions)


def _drawn(
    gradients: Gradients, bounds: NDArray[np.float64], positions: list[int], rng: Generator
) -> int | None:
    """One example by the distances to the picks; None where MOST_DRAWS find none that is as far as its bound says."""
    for _ in range(MOST_DRAWS // DRAWS):
        sums = np.cumsum(bounds)
        if sums[-1] <= 0:
            return None
        rows = np.searchsorted(sums, rng.random(DRAWS) * sums[-1], side="right")
        true = np.minimum(gradients.to_nearest(rows, positions), bounds[rows])
        kept = np.flatnonzero(rng.random(DRAWS) * bounds[rows] < true)
        bounds[rows] = true
        if len(kept):
            return int(rows[kept[0]])
    return None


BADGE = Strategy(
    "badge",
    frozenset({"probabilities", "embeddings"}),
    _choose,
    "Examples whose labels would change the model most, each in another way.",
)
