"""What is learned of a text: exactly one class, or any number of labels that do not exclude each other.

`labels` are (n,) class numbers for one class, (n, C) booleans for several labels; logits are (n, C) for both.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from workers import baseline

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]
Labels = NDArray[Any]

TEMPERATURES = (0.05, 5.0)
TEMPERATURE_ROWS = 50
"""With fewer cross-fitted rows a temperature does more harm than good, and stays 1."""
SMALLEST = 1e-6
"""No probability counts as less in a log loss."""


class Objective(Protocol):
    inverse_penalty: float
    """C of the logistic regression, as it was measured to be best."""

    def probabilities(self, logits: Floats) -> Floats:
        """(n, C)"""
        ...

    def members(self, labels: Labels, classes: int) -> NDArray[np.bool_]:
        """(n, C): which classes are true of which text."""
        ...

    def regression(
        self, points: Floats, labels: Labels, weights: Floats, classes: int
    ) -> tuple[Floats, Floats]:
        """Weight (C, d) and bias (C,) of logistic regression."""
        ...

    def losses(self, probabilities: Floats, labels: Labels) -> NDArray[np.float64]:
        """(n,) log loss of each text; of several labels their mean."""
        ...

    def free(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(C,) which classes `regression` has parameters for, of labels with these `members` (n, C)."""
        ...

    def curved(self, probabilities: Doubles, moved: Doubles) -> Doubles:
        """(n, C) how far probabilities go, to first order, where logits are moved by so much (n, C)."""
        ...


class OneClass:
    """Softmax and cross-entropy."""

    inverse_penalty = 50.0

    def probabilities(self, logits: Floats) -> Floats:
        return baseline.softmax(logits)

    def members(self, labels: Labels, classes: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = labels[:, None] == np.arange(classes)
        return found

    def regression(
        self, points: Floats, labels: Labels, weights: Floats, classes: int
    ) -> tuple[Floats, Floats]:
        return baseline.fit(points, labels, weights, classes, self.inverse_penalty)

    def losses(self, probabilities: Floats, labels: Labels) -> NDArray[np.float64]:
        right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        found: NDArray[np.float64] = -np.log(np.maximum(right, SMALLEST))
        return found

    def free(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        seen: NDArray[np.bool_] = np.array(members.any(axis=0))
        # Of two classes the second has all parameters, and of one there is nothing to learn (workers.baseline).
        if seen.sum() < 3:
            seen[np.flatnonzero(seen)[:1]] = False
        return seen

    def curved(self, probabilities: Doubles, moved: Doubles) -> Doubles:
        mean = (probabilities * moved).sum(axis=1, keepdims=True)
        made: Doubles = probabilities * (moved - mean)
        return made


class SeveralLabels:
    """A sigmoid and binary cross-entropy for each label."""

    inverse_penalty = 5.0

    def probabilities(self, logits: Floats) -> Floats:
        made: Floats = (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
        return made

    def members(self, labels: Labels, classes: int) -> NDArray[np.bool_]:
        return labels.astype(np.bool_)

    def regression(
        self, points: Floats, labels: Labels, weights: Floats, classes: int
    ) -> tuple[Floats, Floats]:
        return baseline.fit_each(points, labels, weights, self.inverse_penalty)

    def losses(self, probabilities: Floats, labels: Labels) -> NDArray[np.float64]:
        p = probabilities.astype(np.float64)
        each = -np.log(np.maximum(np.where(labels, p, 1 - p), SMALLEST))
        mean: NDArray[np.float64] = each.mean(axis=1)
        return mean

    def free(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        some: NDArray[np.bool_] = np.any(members, axis=0) & ~np.all(members, axis=0)
        return some

    def curved(self, probabilities: Doubles, moved: Doubles) -> Doubles:
        made: Doubles = probabilities * (1 - probabilities) * moved
        return made


OBJECTIVES: dict[str, Objective] = {"single_label": OneClass(), "multi_label": SeveralLabels()}


def log_loss(objective: Objective, probabilities: Floats, labels: Labels, weights: Floats) -> float:
    """Weighted mean of the texts' losses."""
    return float(np.average(objective.losses(probabilities, labels), weights=weights))


def scaled(objective: Objective, logits: Floats, labels: Labels, weights: Floats) -> tuple[float, float]:
    """(T, its log loss): the divisor of the logits with the least log loss (Guo et al., arXiv:1706.04599)."""
    found = minimize_scalar(
        lambda log_t: log_loss(
            objective, objective.probabilities(logits / np.float32(np.exp(log_t))), labels, weights
        ),
        bounds=(float(np.log(TEMPERATURES[0])), float(np.log(TEMPERATURES[1]))),
        method="bounded",
    )
    return float(np.exp(found.x)), float(found.fun)


def temperature(objective: Objective, logits: Floats, labels: Labels, weights: Floats) -> float:
    """The divisor to use: 1 where there are too few rows to tell."""
    return scaled(objective, logits, labels, weights)[0] if len(labels) >= TEMPERATURE_ROWS else 1.0


def thresholds(probabilities: Floats) -> NDArray[np.float64]:
    """(n, C) calibrated probabilities of texts nobody labeled -> (C,) from which probability on a label is decided.

    The one of greatest expected F1, 2 Σ p [p ≥ t] / (Σ [p ≥ t] + Σ p) (Ye et al.: Optimizing F-measures, ICML 2012). It
    needs no labels of its own, so that rare ones have it too; that the probabilities are calibrated is what
    cross-fitting is for.
    """
    if not len(probabilities):
        return np.full(probabilities.shape[1], 0.5)
    falling = -np.sort(-probabilities.astype(np.float64), axis=0)
    sums = np.cumsum(falling, axis=0)
    f1 = 2 * sums / np.maximum(np.arange(1, len(falling) + 1)[:, None] + sums[-1], 1e-12)
    best: NDArray[np.float64] = falling[f1.argmax(axis=0), np.arange(probabilities.shape[1])]
    return best
