"""A draw in which the unsure have better chances, so that a batch is not all of one kind.

Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron, Gal: Stochastic Batch Acquisition: A Simple Baseline
for Deep Active Learning (TMLR 2023; 2021 as arXiv:2106.12059), power acquisition: the greatest of
β ln(utility) + Gumbel noise, which draws without replacement in proportion to utility^β.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import rowwise
from strategies.committee import mutual_information
from strategies.uncertainty import entropy, margin

BETA = 1.0
TINY = float(np.finfo(np.float64).tiny)
"""The least utility: what the learner is sure of comes last, and has a score."""


def power(utilities: NDArray[np.float64], count: int, rng: Generator) -> Picks:
    """`count` of the utilities (n,), none below 0; scores are the noisy logarithms."""
    noise = rng.gumbel(size=len(utilities))
    return best(BETA * np.log(np.maximum(utilities, TINY)) + noise, count, rng)


def _strategy(
    name: str, array: str, utility: Callable[[NDArray[np.floating]], NDArray[np.float64]], summary: str
) -> Strategy:
    def choose(view: View, count: int, rng: Generator) -> Picks:
        return power(utility(getattr(view, array)), count, rng)

    return Strategy(name, frozenset({array}), choose, summary)


POWER_MARGIN = _strategy(
    "power_margin",
    "probabilities",
    lambda probabilities: rowwise(margin, probabilities),
    "Drawn at random, those that waver between two labels more often.",
)
POWER_ENTROPY = _strategy(
    "power_entropy",
    "probabilities",
    lambda probabilities: rowwise(entropy, probabilities),
    "Drawn at random, those with their probability spread over all labels more often.",
)
POWER_BALD = _strategy(
    "power_bald",
    "committee",
    mutual_information,
    "Drawn at random, those that passes with dropout disagree about more often.",
)
