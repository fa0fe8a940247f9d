"""Signal first: texts that a teacher is sure about and that nothing else in the pool repeats.

signal = confidence · (1 − duplication), times 1 + (u − T) / (1 − T) where the learner's uncertainty u exceeds T: what
is clear in itself and not yet to the learner. The confidence is a teacher's, where the campaign names one, else the
learner's own: the greatest of the probabilities, or of several labels the mean of their decisions' ones. The
uncertainty is one minus the margin between the two likeliest classes, or between the likelier and the other decision
on the least sure label.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import rowwise
from strategies.uncertainty import margin

THRESHOLD = 0.5


def signal(view: View) -> NDArray[np.float64]:
    """(n,)"""
    assert view.duplication is not None  # checked by Strategy.select
    confidence: NDArray[np.float64] = np.ones(view.size)
    unsure: NDArray[np.float64] = np.zeros(view.size)
    if view.probabilities is not None:
        confidence, unsure = certainty(view), doubt(view)
    if view.teacher is not None:
        confidence = view.teacher.astype(np.float64)
    bonus = 1 + np.maximum(0.0, unsure - THRESHOLD) / (1 - THRESHOLD)
    found: NDArray[np.float64] = confidence * (1 - view.duplication.astype(np.float64)) * bonus
    return found


def certainty(view: View) -> NDArray[np.float64]:
    """(n,) by the learner's probabilities, which there must be."""
    assert view.probabilities is not None
    return rowwise(_decided if view.problem == "multi_label" else _greatest, view.probabilities)


def doubt(view: View) -> NDArray[np.float64]:
    """(n,) by the learner's probabilities, which there must be."""
    assert view.probabilities is not None
    return rowwise(_least_sure if view.problem == "multi_label" else margin, view.probabilities)


def _greatest(p: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = p.max(axis=1)
    return found


def _decided(p: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.maximum(p, 1 - p).mean(axis=1)
    return found


def _least_sure(p: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 - np.abs(2 * p - 1).min(axis=1)
    return found


def _choose(view: View, count: int, rng: Generator) -> Picks:
    return best(signal(view), count, rng)


SIGNAL = Strategy(
    "signal",
    frozenset({"duplication"}),
    _choose,
    "Examples that a teacher is sure about, that repeat nothing, and that the model wavers about.",
    frozenset({"single_label", "multi_label"}),
    optional=frozenset({"probabilities", "teacher"}),
)
