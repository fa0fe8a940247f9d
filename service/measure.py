"""How good predictions are, and how sure one can be of it: metrics of probabilities against true labels.

Every interval is one of 95 %. Nothing here decides which examples may measure.
"""

from math import sqrt

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
RESAMPLES = 1000
BINS = 15
SMALLEST = 1e-7
"""Probabilities below count as this in the log loss: one confident error must not make it infinite."""
CELLS = 500_000
"""Drawn rows held at a time while resampling."""


class Interval(Struct, frozen=True):
    value: float
    low: float
    high: float


class ClassMetrics(Struct, frozen=True):
    """One class. Precision is 0 where nothing was predicted as it, recall and F1 where it does not occur."""

    precision: float
    recall: float
    f1: float
    support: int
    """Examples that truly are of this class."""


class Metrics(Struct, frozen=True):
    n: int
    accuracy: Interval
    """Interval: Wilson (1927)."""
    macro_f1: Interval
    """Mean F1 of the classes that occur in the truth (in each resample: in its truth)."""
    log_loss: Interval
    """Mean of -ln p(true class), nats."""
    ece: Interval
    """Expected calibration error (Guo et al. 2017, equation 5), 15 equal bins of the greatest probability.

    Of few examples it comes out too high, which its interval cannot mend.
    """
    per_class: list[ClassMetrics]
    """By class number."""
    confusion: list[list[int]]
    """(C, C) counts: row = true class, column = predicted class."""


def measure(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], rng: Generator
) -> Metrics | None:
    """Metrics of probabilities (n, C) against true class numbers (n,); None where n is 0.

    The class predicted is the one of greatest probability, the first among equal ones. All intervals but
    that of the accuracy come from 1,000 bootstrap resamples of the examples (Efron 1979, percentiles),
    widened where needed to hold their value. Raises Invalid for arrays that do not fit together, values
    that are no probabilities, and class numbers outside 0..C-1.
    """
    _check(probabilities, truth)
    n, classes = probabilities.shape
    if n == 0:
        return None
    exact = probabilities.astype(np.float64)
    predicted = exact.argmax(axis=1)
    confidence = exact.max(axis=1)
    correct = predicted == truth
    loss = -np.log(np.maximum(exact[np.arange(n), truth], SMALLEST))
    gap = correct - confidence
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)  # bin m is (m/15, (m+1)/15]

    def statistics(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(r, n) drawn rows -> (r, 3): macro F1, log loss, ECE of each draw."""
        support = _counts(truth[rows], classes)  # (r, C), and so are the next three
        claimed = _counts(predicted[rows], classes)
        hits = _counts(truth[rows], classes, correct[rows])
        f1 = 2 * hits / np.maximum(support + claimed, 1)
        macro_f1 = f1.sum(axis=1, where=support > 0) / (support > 0).sum(axis=1)
        ece = np.abs(_counts(bins[rows], BINS, gap[rows])).sum(axis=1) / n
        return np.stack([macro_f1, loss[rows].mean(axis=1), ece], axis=1)

    values = statistics(np.arange(n)[None, :])[0]
    at_once = max(1, CELLS // n)
    draws = np.concatenate(
        [
            statistics(rng.integers(n, size=(min(at_once, RESAMPLES - done), n)))
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    lows, highs = np.quantile(draws, [0.025, 0.975], axis=0)
    macro_f1, log_loss, ece = (
        Interval(value, min(value, low), max(value, high))
        for value, low, high in zip(values.tolist(), lows.tolist(), highs.tolist(), strict=True)
    )
    confusion = _counts((truth * classes + predicted)[None, :], classes * classes).reshape(classes, classes)
    return Metrics(
        n=n,
        accuracy=wilson(int(correct.sum()), n),
        macro_f1=macro_f1,
        log_loss=log_loss,
        ece=ece,
        per_class=_per_class(confusion),
        confusion=confusion.astype(int).tolist(),
    )


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


def paired_difference(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> Interval | None:
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


def _check(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> None:
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1]:
        raise Invalid(
            f"probabilities {probabilities.shape} and truth {truth.shape} do not fit: give (n, C) and (n,)"
        )
    if truth.size == 0:
        return
    classes = probabilities.shape[1]
    if truth.min() < 0 or truth.max() >= classes:
        raise Invalid(
            f"truth holds classes {truth.min()} to {truth.max()}: there are 0 to {classes - 1}", "truth"
        )
    # A plain comparison would let NaN through; float16 storage puts sums off by some thousandths.
    fine = (probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) < 0.02)
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        raise Invalid(
            f"probabilities of row {row} are negative, not numbers, or do not sum to 1: {probabilities[row]}",
            "probabilities",
        )


def _counts(
    values: NDArray[np.integer], kinds: int, weights: NDArray[np.generic] | None = None
) -> NDArray[np.float64]:
    """(r, n) values in 0..kinds-1 -> (r, kinds): how often each stands in its row, or its summed weights."""
    rows = len(values)
    flat = (values + np.arange(rows)[:, None] * kinds).ravel()
    totals = np.bincount(flat, None if weights is None else weights.ravel(), rows * kinds)
    return totals.reshape(rows, kinds).astype(np.float64)


def _per_class(confusion: NDArray[np.float64]) -> list[ClassMetrics]:
    hits, support, claimed = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision = hits / np.maximum(claimed, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + claimed, 1)
    return [
        ClassMetrics(float(p), float(r), float(f), int(s))
        for p, r, f, s in zip(precision, recall, f1, support, strict=True)
    ]
