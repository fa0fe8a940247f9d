"""How unsure the learner is of labels that do not exclude each other.

A utility takes probabilities (n, C), each label's own, and gives (n,), 0 to 1. Of one label it is that of the
margin between yes and no, 1 - |2p - 1|; over the labels Esuli and Sebastiani: Active Learning Strategies for
Multi-Label Text Classification (ECIR 2009), compare mean and maximum.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import rowwise


def mean_uncertainty(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, C) -> (n,), the mean of 1 - |2p - 1|."""
    mean: NDArray[np.float64] = np.abs(2 * probabilities.astype(np.float64) - 1).mean(axis=1)
    return 1.0 - mean


def max_uncertainty(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, C) -> (n,), the greatest 1 - |2p - 1|."""
    least: NDArray[np.float64] = np.abs(2 * probabilities.astype(np.float64) - 1).min(axis=1)
    return 1.0 - least


def _strategy(
    name: str, utility: Callable[[NDArray[np.floating]], NDArray[np.float64]], summary: str
) -> Strategy:
    def choose(view: View, count: int, rng: Generator) -> Picks:
        assert view.probabilities is not None  # checked by Strategy.select
        return best(rowwise(utility, view.probabilities), count, rng)

    return Strategy(name, frozenset({"probabilities"}), choose, summary, frozenset({"multi_label"}))


MEAN_UNCERTAINTY = _strategy(
    "mean_uncertainty", mean_uncertainty, "The examples whose labels are most unsure on the whole."
)
MAX_UNCERTAINTY = _strategy(
    "max_uncertainty", max_uncertainty, "The examples with the one label that is most unsure."
)
