"""What several passes of the learner with dropout disagree about.

A committee holds probabilities (k, n, C). Gal, Islam, Ghahramani: Deep Bayesian Active Learning with Image
Data (ICML 2017), section 4.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import blocks
from strategies.uncertainty import entropy, least_confidence


def mutual_information(committee: NDArray[np.floating]) -> NDArray[np.float64]:
    """(k, n, C) -> (n,): entropy of the mean less mean of the entropies, in nats; 0 to ln C.

    BALD, of Houlsby, Huszár, Ghahramani, Lengyel: Bayesian Active Learning for Classification and Preference
    Learning (2011): what the label would tell of the learner's parameters.
    """

    def of(block: NDArray[np.float64]) -> NDArray[np.float64]:
        apart: NDArray[np.float64] = np.mean([entropy(one) for one in block], axis=0)
        return np.maximum(entropy(block.mean(axis=0)) - apart, 0.0)

    return _blockwise(of, committee)


def variation_ratio(committee: NDArray[np.floating]) -> NDArray[np.float64]:
    """(k, n, C) -> (n,): 1 less the share of passes that vote for the class with most votes; 0 to 1 - 1/C."""

    def of(block: NDArray[np.float64]) -> NDArray[np.float64]:
        votes = block.argmax(axis=2)[..., None] == np.arange(block.shape[2])
        share: NDArray[np.float64] = votes.mean(axis=0).max(axis=1)
        return 1.0 - share

    return _blockwise(of, committee)


def _blockwise(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], committee: NDArray[np.floating]
) -> NDArray[np.float64]:
    passes, size, classes = committee.shape
    result = np.empty(size)
    for rows in blocks(size, passes * classes):
        result[rows] = function(committee[:, rows].astype(np.float64))
    return result


def _bald(view: View, count: int, rng: Generator) -> Picks:
    assert view.committee is not None  # checked by Strategy.select
    return best(mutual_information(view.committee), count, rng)


def _variation_ratio(view: View, count: int, rng: Generator) -> Picks:
    assert view.committee is not None  # checked by Strategy.select
    ratio = variation_ratio(view.committee)
    # k passes give k + 1 ratios at most: what is equal goes by the mean, and only then by chance.
    unsure = _blockwise(lambda block: least_confidence(block.mean(axis=0)), view.committee)
    order = np.lexsort((rng.random(view.size), -unsure, -ratio))[:count]
    return Picks(order.astype(np.int64), ratio[order])


BALD = Strategy(
    "bald",
    frozenset({"committee"}),
    _bald,
    "The examples that passes with dropout are each sure of, and disagree about.",
)
VARIATION_RATIO = Strategy(
    "variation_ratio",
    frozenset({"committee"}),
    _variation_ratio,
    "The examples that passes with dropout give the most different labels.",
)
