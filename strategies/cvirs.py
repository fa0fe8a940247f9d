"""CVIRS: unsure of many labels, and a set of labels like nobody gave so far.

Reyes, Morell, Ventura: Effective active learning strategy for multi-label learning (Neurocomputing 273,
2018): the product of a Borda count of the labels' margins and of the category vector's inconsistency with the
answered examples.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import blocks

THRESHOLD = 0.5
"""Above it a label is predicted."""


def rank_score(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, C) -> (n,), 0 to 1: the mean over labels of (n - r) / (n - 1), with r the rank (1 to n) of |2p - 1|.

    1 is least sure of every label; equal margins share the mean of their ranks.
    """
    from scipy.stats import rankdata  # half a second, which the API need not have

    size, classes = probabilities.shape
    result = np.zeros(size)
    for column in probabilities.T:
        result += size - rankdata(np.abs(2 * column.astype(np.float64) - 1))
    return result / classes / (size - 1) if size > 1 else np.ones(1)


def inconsistency(predicted: NDArray[np.bool_], given: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n, C), (a, C) -> (n,), 0 to 1: the mean distance of a predicted set of labels to those given; 1 where a is 0.

    The distance is the normalised variation of information, (2 H(Y, Z) - H(Y) - H(Z)) / H(Y, Z), and 1 where
    the two differ in every label.
    """
    if len(given) == 0:
        return np.ones(len(predicted))
    # There are far fewer sets than examples.
    first, place = distinct(predicted)
    sets = predicted[first]
    others, times = np.unique(given, axis=0, return_counts=True)
    mean = np.empty(len(sets))
    for rows in blocks(len(sets), len(others)):
        mean[rows] = _distance(sets[rows], others) @ times / len(given)
    return mean[place]


def distinct(sets: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, C) -> (a row of each set that occurs, (n,) which of these it is).

    By eight labels at a time: sorting a million whole rows takes far longer.
    """
    place = np.zeros(len(sets), np.int64)
    for column in np.packbits(sets, axis=1).T:
        _, place = np.unique(place * 256 + column, return_inverse=True)
    _, first = np.unique(place, return_index=True)
    return first, place


def _distance(some: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(b, C), (a, C) -> (b, a)"""
    one, other = some.astype(np.float64), others.astype(np.float64).T
    classes = some.shape[1]
    both = one @ other
    only_one = one.sum(axis=1)[:, None] - both
    only_other = other.sum(axis=0) - both
    neither = classes - both - only_one - only_other
    joint = sum(_part(cell / classes) for cell in (both, only_one, only_other, neither))
    apart = _part(one.mean(axis=1)) + _part(1 - one.mean(axis=1))
    apart_other = _part(other.mean(axis=0)) + _part(1 - other.mean(axis=0))
    with np.errstate(invalid="ignore"):
        distance = np.where(joint > 0, (2 * joint - apart[:, None] - apart_other) / joint, 0.0)
    return np.where(only_one + only_other == classes, 1.0, np.clip(distance, 0.0, 1.0))


def _part(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """-p ln p, with 0 ln 0 = 0."""
    part: NDArray[np.float64] = -share * np.log(np.where(share > 0, share, 1.0))
    return part


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # both are checked by Strategy.select
    assert view.label_sets is not None
    unlike = inconsistency(view.probabilities > THRESHOLD, view.label_sets)
    return best(rank_score(view.probabilities) * unlike, count, rng)


CVIRS = Strategy(
    "cvirs",
    frozenset({"probabilities", "label_sets"}),
    _choose,
    "The examples with many unsure labels, in a combination that nobody gave so far.",
    frozenset({"multi_label"}),
)
