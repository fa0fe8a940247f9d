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
from strategies.blocks import rowwise, squares


class Gradients:
    """Of probabilities (n, C) and embeddings (n, d); memory of n."""

    def __init__(self, probabilities: NDArray[np.floating], embeddings: NDArray[np.floating]) -> None:
        self._probabilities = probabilities
        self._embeddings = embeddings
        self._likeliest = probabilities.argmax(axis=1)
        top = probabilities[np.arange(len(probabilities)), self._likeliest].astype(np.float64)
        self.squares = (squares(probabilities) - 2 * top + 1) * squares(embeddings)
        """(n,), squared lengths."""

    def squared_distances(self, position: int) -> NDArray[np.float64]:
        """(n,), to the gradient at the position."""
        error = self._probabilities[position].astype(np.float64)
        error[self._likeliest[position]] -= 1
        embedding = self._embeddings[position].astype(np.float64)
        errors = rowwise(lambda block: block @ error, self._probabilities) - error[self._likeliest]
        products = errors * rowwise(lambda block: block @ embedding, self._embeddings)
        squared: NDArray[np.float64] = self.squares + self.squares[position] - 2 * products
        return np.maximum(squared, 0.0)  # rounding takes doubles a little below


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # both are checked by Strategy.select
    assert view.embeddings is not None
    gradients = Gradients(view.probabilities, view.embeddings)
    positions = [greatest(gradients.squares, rng)]
    gaps = np.full(view.size, np.inf)  # squared, to the nearest pick
    while len(positions) < count:
        np.minimum(gaps, gradients.squared_distances(positions[-1]), out=gaps)
        gaps[positions] = 0
        weights = gaps
        if not gaps.any():  # the rest are doubles of picks
            weights = np.ones(view.size)
            weights[positions] = 0
        positions.append(int(rng.choice(view.size, p=weights / weights.sum())))
    return in_order(positions)


BADGE = Strategy(
    "badge",
    frozenset({"probabilities", "embeddings"}),
    _choose,
    "Examples whose labels would change the model most, each in another way.",
)
