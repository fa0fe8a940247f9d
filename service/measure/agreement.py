"""How far two models, or several people, agree on the same examples, whatever the truth."""

from collections.abc import Hashable, Sequence
from itertools import permutations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from service.measure import intervals, scores
from service.measure.intervals import Interval

Floats = NDArray[np.float64]


def kappa(a: NDArray[np.integer], b: NDArray[np.integer], classes: int) -> float | None:
    """Cohen's kappa (1960) of classes (n,) and (n,); None where chance alone agrees always, or n is 0.

    (observed - expected) / (1 - expected), where expected is the agreement of two who draw by their own shares.
    """
    if not len(a):
        return None
    shares = [np.bincount(one, minlength=classes) / len(one) for one in (a, b)]
    expected = float(shares[0] @ shares[1])
    return None if expected >= 1 else float(((a == b).mean() - expected) / (1 - expected))


def mean_kappa(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float | None:
    """Mean over labels of the kappa of decisions (n, C) and (n, C); labels without one are left out."""
    each = [
        kappa(mine.astype(np.int64), other.astype(np.int64), 2) for mine, other in zip(a.T, b.T, strict=True)
    ]
    known = [one for one in each if one is not None]
    return sum(known) / len(known) if known else None


def spans_f1(a: NDArray[np.integer], b: NDArray[np.integer]) -> float | None:
    """F1 of spans (k, 4) against spans (m, 4), the same either way round; None where there are none of either.

    Of spans there is no kappa: what nobody marked cannot be counted (Hripcsak and Rothschild 2005).
    """
    a, b = np.unique(a, axis=0), np.unique(b, axis=0)
    common = len(a) + len(b) - len(np.unique(np.concatenate([a, b]), axis=0))
    found = scores.f1(*(np.array(float(one)) for one in (common, len(a), len(b))))
    return None if np.isnan(found) else float(found)


def alpha(units: Sequence[Sequence[Hashable]], rng: Generator) -> Interval | None:
    """Krippendorff's alpha of answers by unit, with its bootstrap interval over units.

    1 - observed / expected disagreement (Krippendorff: Computing Krippendorff's Alpha-Reliability, 2011). Answers are
    labels, which are the same or not; or label sets (frozenset), whose disagreement is one minus the share of their
    labels that both have (Jaccard; 0 of two empty ones). Units with one answer say nothing. None where no two answers
    are about the same unit, or all are the same.
    """
    several = [unit for unit in units if len(unit) > 1]
    number = {
        value: at for at, value in enumerate(dict.fromkeys(value for unit in several for value in unit))
    }
    values = list(number)
    if len(values) < 2:
        return None
    apart = np.array([[_apart(one, other) for other in values] for one in values])
    parts = np.zeros((len(several), 1 + len(values)))
    for row, unit in zip(parts, several, strict=True):
        at = [number[value] for value in unit]
        row[0] = sum(apart[one, other] for one, other in permutations(at, 2)) / (len(unit) - 1)
        row[1:] = np.bincount(at, minlength=len(values))

    def statistic(sums: Floats) -> Floats:
        counts = sums[:, 1:]
        n = counts.sum(axis=1)
        expected = ((counts @ apart) * counts).sum(axis=1) / (n - 1)
        return 1 - scores.ratio(sums[:, 0], expected)[:, None]

    return intervals.of_sums(parts, statistic, rng)[0]


def _apart(one: Hashable, other: Hashable) -> float:
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return 1 - len(one & other) / len(one | other) if one | other else 0.0
    return float(one != other)
