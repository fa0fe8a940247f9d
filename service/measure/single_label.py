"""How good predictions of one label per text are: metrics of probabilities against true labels.

Nothing here decides which examples may measure.
"""

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import sparse

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
    # What each example adds to sums: to its class, to the class it is taken for, its hit, its bin's gap, its loss.
    at = np.arange(n)
    columns = [truth, classes + predicted, 2 * classes + truth, 3 * classes + scores.bins(confidence)]
    added = np.concatenate([np.ones(2 * n), correct, correct - confidence])
    parts = sparse.csr_array((added, (np.tile(at, 4), np.concatenate(columns))), (n, 3 * classes + BINS))

    def statistics(times: NDArray[np.float64]) -> NDArray[np.float64]:
        """(r, n) how often each was drawn -> (r, 3): macro F1, log loss, ECE of each draw."""
        sums = (parts.T @ times.T).T
        support, claimed, hits = np.split(sums[:, : 3 * classes], 3, axis=1)  # (r, C) each
        f1 = 2 * hits / np.maximum(support + claimed, 1)
        macro_f1 = f1.sum(axis=1, where=support > 0) / (support > 0).sum(axis=1)
        ece = np.abs(sums[:, 3 * classes :]).sum(axis=1) / n
        return np.stack([macro_f1, times @ loss / n, ece], axis=1)

    at_once = max(1, intervals.CELLS // n)
    draws = np.concatenate(
        [
            statistics(intervals.times_drawn(rng, min(at_once, RESAMPLES - done), n))
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    macro_f1, log_loss, ece = intervals.percentiles(statistics(np.ones((1, n)))[0], draws)
    confusion = np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(
        classes, classes
    )
    return SingleLabelMetrics(
        n=n,
        accuracy=wilson(int(correct.sum()), n),
        macro_f1=macro_f1,
        log_loss=log_loss,
        ece=ece,
        per_class=scores.per_class(
            np.stack([confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)], axis=1).astype(
                np.float64
            )
        ),
        confusion=confusion.tolist(),
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
