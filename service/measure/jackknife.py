"""The jackknife: how the scores of several models vary together with the examples that they are measured on."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from service.measure.intervals import Floats, Statistic


def jointly(models: Iterable[NDArray[np.generic]], statistic: Statistic) -> tuple[Floats, Floats]:
    """A statistic of each of M models, (M,), and its covariance (M, M) over examples; NaN where it is not defined.

    Each model gives the parts (n, K) that the same n >= 2 examples add (see `intervals.of_sums`): zeros for what it
    was not asked. Leaving one example out after the other moves all values at once, so models that fail on the
    same examples come out correlated (Efron and Stein 1981; to first order what a paired bootstrap gives).
    """
    values, moved = [], []
    for parts in models:
        sums = parts.astype(np.float64).sum(axis=0, keepdims=True)
        value = statistic(sums)[0, 0]
        without = statistic(sums - parts)[:, 0]
        values.append(value)
        moved.append(np.where(np.isnan(without), value, without))  # what only this example defined
    gaps = np.array(moved) - np.mean(moved, axis=1, keepdims=True)
    n = gaps.shape[1]
    return np.array(values), (n - 1) / n * gaps @ gaps.T


def careful(errors: Floats, covariance: Floats, n: int) -> Floats:
    """The covariance (M, M) of errors (M,), 0..1, widened for those near 0 or 1, of which n examples show few.

    By as much as a share's variance grows with two errors and two hits more (Agresti and Coull 1998), and by the
    variance of one example or two, without which a model that errs nowhere would be known exactly.
    """
    share = (errors * n + 2) / (n + 4)
    grown = np.sqrt(np.maximum(1, share * (1 - share) / np.maximum(errors * (1 - errors), (n - 1) / n**2)))
    found: Floats = covariance * grown[:, None] * grown + 2 / n**2 * np.eye(len(errors))
    return found
