"""What the learner is least sure of.

A utility takes probabilities (n, C) and gives (n,), the higher the less sure. All three formulas: Settles,
Active Learning Literature Survey (2009), section 3.1. Given two classes they all make the same order.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import rowwise

Utility = Callable[[NDArray[np.floating]], NDArray[np.float64]]


def least_confidence(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 - p1, with p1 the greatest probability of the row; 0 to 1 - 1/C."""
    greatest: NDArray[np.float64] = probabilities.max(axis=1).astype(np.float64)
    return 1.0 - greatest


def margin(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 - (p1 - p2), with p1 and p2 the two greatest probabilities of the row; 0 to 1. C = 1: p2 is 0."""
    ranked = np.sort(np.pad(probabilities, ((0, 0), (1, 0))), axis=1).astype(np.float64)
    return 1.0 - (ranked[:, -1] - ranked[:, -2])


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """-Σ p ln p over the row, in nats, with 0 ln 0 = 0; 0 to ln C."""
    exact = probabilities.astype(np.float64)
    sums: NDArray[np.float64] = (exact * np.log(np.where(exact > 0, exact, 1.0))).sum(axis=1)
    return np.abs(sums)  # abs, not minus: a sure row is 0.0, not -0.0


def _strategy(name: str, utility: Utility, summary: str) -> Strategy:
    def choose(view: View, count: int, rng: Generator) -> Picks:
        assert view.probabilities is not None  # checked by Strategy.select
        return best(rowwise(utility, view.probabilities), count, rng)

    return Strategy(name, frozenset({"probabilities"}), choose, summary)


LEAST_CONFIDENCE = _strategy(
    "least_confidence", least_confidence, "The examples whose likeliest label is least likely."
)
MARGIN = _strategy("margin", margin, "The examples that waver most between their two likeliest labels.")
ENTROPY = _strategy("entropy", entropy, "The examples whose probability is spread most over all labels.")
