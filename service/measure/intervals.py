"""Intervals of 95 %: how sure one can be of a number that was measured on some examples."""

from collections.abc import Callable, Sequence
from math import isnan, sqrt

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import binom

from service.errors import Invalid

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
RESAMPLES = 1000
CELLS = 500_000
"""Drawn rows held at a time while resampling."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


class Interval(Struct, frozen=True):
    value: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """The share of successes, n >= 1, with Wilson's score interval (1927)."""
    if not 0 <= successes <= n or n == 0:
        raise Invalid(f"{successes} successes of {n}: a share needs 0 <= successes <= n and n >= 1")
    share = successes / n
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    # Exact at the ends, where rounding would leave the interval a hair beside its own value.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high)


def share(part: int, whole: int) -> Interval | None:
    """As `wilson`; None of nothing."""
    return wilson(part, whole) if whole else None


def median(values: Sequence[float]) -> Interval | None:
    """The median of n values, whatever their distribution; None of none.

    Interval: from the r-th smallest to the r-th greatest, the greatest r for which it holds the median of the
    population with 95 % (Conover: Practical Nonparametric Statistics, 3.2); of fewer than six values all that there
    is, which holds it less often.
    """
    if not len(values):
        return None
    ranked, n = np.sort(np.asarray(values, np.float64)), len(values)
    rank = max(1, int(binom.ppf((1 - 0.95) / 2, n, 0.5)))
    return Interval(float(np.median(ranked)), float(ranked[rank - 1]), float(ranked[n - rank]))


def paired_shares(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> Interval | None:
    """Accuracy of a minus accuracy of b on the same n examples, in the same order; None where n is 0.

    Interval: Bonett and Price (2012), an adjusted Wald interval for paired shares. Unlike the bootstrap it
    holds its level on few examples, too, and does not shrink to nothing where a and b never differ.
    """
    if correct_a.shape != correct_b.shape or correct_a.ndim != 1:
        raise Invalid(f"{correct_a.shape} and {correct_b.shape} answers cannot be paired: give (n,) and (n,)")
    n = len(correct_a)
    if n == 0:
        return None
    only_a = int((correct_a & ~correct_b).sum())
    only_b = int((correct_b & ~correct_a).sum())
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    centre = share_a - share_b
    half = Z * sqrt((share_a + share_b - centre * centre) / (n + 2))
    return Interval((only_a - only_b) / n, max(-1.0, centre - half), min(1.0, centre + half))


def of_sums(parts: NDArray[np.generic], statistic: Statistic, rng: Generator) -> list[Interval]:
    """Statistics of the summed parts of n >= 1 examples, with intervals by the bootstrap over examples.

    `parts` (n, K) is what each example adds; `statistic` takes sums (r, K) to values (r, S), NaN where one is not
    defined. 1,000 resamples (Efron 1979, percentiles), those left out in which the value is not defined; widened
    where needed to hold the value. A value that is not defined itself comes as 0 in [0, 1].
    """
    n, exact = len(parts), parts.astype(np.float64)
    values = statistic(exact.sum(axis=0, keepdims=True))[0]
    at_once = max(1, CELLS // n)
    draws = np.concatenate(
        [
            statistic(times_drawn(rng, min(at_once, RESAMPLES - done), n) @ exact)
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    return percentiles(values, draws)


def paired_sums(
    a: NDArray[np.generic], b: NDArray[np.generic], statistic: Statistic, rng: Generator
) -> Interval | None:
    """A statistic of a minus that of b on the same n examples; None where n is 0 or one of them is not defined.

    `a` and `b` (n, K) are parts, see `of_sums`, and `statistic` has one value. Paired bootstrap: each resample holds
    the same examples of both.
    """
    if a.shape != b.shape or a.ndim != 2:
        raise Invalid(f"parts {a.shape} and {b.shape} cannot be paired: give (n, K) and (n, K)")
    if not len(a) or np.isnan(statistic(np.stack([a.sum(axis=0), b.sum(axis=0)]).astype(np.float64))).any():
        return None
    width = a.shape[1]
    both = np.hstack([a, b])
    return of_sums(both, lambda sums: statistic(sums[:, :width]) - statistic(sums[:, width:]), rng)[0]


def percentiles(values: Floats, draws: Floats) -> list[Interval]:
    """Values (S,) with the 2.5 and 97.5 % points of their resamples (r, S); of NaN see `of_sums`."""
    found = []
    for value, drawn in zip(values.tolist(), draws.T, strict=True):
        if isnan(value):
            found.append(Interval(0.0, 0.0, 1.0))
            continue
        low, high = np.quantile(drawn[~np.isnan(drawn)], [0.025, 0.975]).tolist()
        found.append(Interval(value, min(value, low), max(value, high)))
    return found


def times_drawn(rng: Generator, resamples: int, n: int) -> Floats:
    """(resamples, n): how often each example was drawn, with replacement."""
    drawn = rng.integers(n, size=(resamples, n)) + np.arange(resamples)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)
