"""How good predictions of one label per text are: metrics of probabilities against true labels.

Nothing here decides which examples may measure.
"""

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure import intervals, scores
from service.measure.intervals import RESAMPLES, Interval, wilson
from service.measure.scores import BINS, SMALLEST, ClassMetrics


class SingleLabelMetrics(Struct, frozen=True, kw_only=True, tag_field="problem", tag="single_label"):
    """Of single-label predictions; every interval is one of 95 %."""

    headline: str = "accuracy"
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
) -> SingleLabelMetrics | None:
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
    bins = scores.bins(confidence)

    def statistics(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(r, n) drawn rows -> (r, 3): macro F1, log loss, ECE of each draw."""
        support = _counts(truth[rows], classes)  # (r, C), and so are the next three
        claimed = _counts(predicted[rows], classes)
        hits = _counts(truth[rows], classes, correct[rows])
        f1 = 2 * hits / np.maximum(support + claimed, 1)
        macro_f1 = f1.sum(axis=1, where=support > 0) / (support > 0).sum(axis=1)
        ece = np.abs(_counts(bins[rows], BINS, gap[rows])).sum(axis=1) / n
        return np.stack([macro_f1, loss[rows].mean(axis=1), ece], axis=1)

    at_once = max(1, intervals.CELLS // n)
    draws = np.concatenate(
        [
            statistics(rng.integers(n, size=(min(at_once, RESAMPLES - done), n)))
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    macro_f1, log_loss, ece = intervals.percentiles(statistics(np.arange(n)[None, :])[0], draws)
    confusion = _counts((truth * classes + predicted)[None, :], classes * classes).reshape(classes, classes)
    return SingleLabelMetrics(
        n=n,
        accuracy=wilson(int(correct.sum()), n),
        macro_f1=macro_f1,
        log_loss=log_loss,
        ece=ece,
        per_class=scores.per_class(
            np.stack([confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)], axis=1)
        ),
        confusion=confusion.astype(int).tolist(),
    )


def parts(right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) -> (n, 2): 1 where it is right, and 1."""
    return np.stack([right, np.ones_like(right)], axis=1).astype(np.int64)


def score(sums: scores.Floats) -> scores.Floats:
    """Accuracy (r, 1) of summed `parts` (r, 2)."""
    return scores.ratio(sums[:, 0], sums[:, 1])[:, None]


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
