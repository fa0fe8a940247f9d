"""How good predictions of any number of labels per text are: metrics of probabilities and decisions against the truth.

Nothing here decides which examples may measure.
"""

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure import intervals, scores
from service.measure.intervals import Interval, wilson
from service.measure.scores import BINS, SMALLEST, ClassMetrics, Floats

Bools = NDArray[np.bool_]


class MultiLabelMetrics(Struct, frozen=True, kw_only=True, tag_field="problem", tag="multi_label"):
    """Of multi-label predictions; every interval is one of 95 %, from a bootstrap over the examples but for one."""

    headline: str = "macro_f1"
    n: int
    macro_f1: Interval
    """Mean F1 of the labels that occur in the truth (in each resample: in its truth)."""
    micro_f1: Interval
    """F1 of all decisions, whatever their label."""
    subset_accuracy: Interval
    """Share of examples with every label right. Interval: Wilson (1927)."""
    log_loss: Interval
    """Mean binary log loss, nats: of -ln p for a label that holds and -ln(1 - p) for one that does not."""
    ece: Interval
    """Expected calibration error of the labels' probabilities: the sum over 15 equal bins of p of
    share of (example, label) pairs in it · |share of them that hold - mean p|.

    Guo et al. 2017, equation 5, with the probability that a label holds in place of the greatest one.
    """
    per_class: list[ClassMetrics]
    """By class number."""


def measure(
    probabilities: NDArray[np.floating], decisions: Bools, truth: Bools, rng: Generator
) -> MultiLabelMetrics | None:
    """Metrics of probabilities (n, C) and decisions (n, C) against the truth (n, C); None where n is 0.

    Raises Invalid for arrays that do not fit together, and values that are no probabilities.
    """
    _check(probabilities, decisions, truth)
    n, classes = truth.shape
    if n == 0:
        return None
    p = probabilities.astype(np.float64)
    loss = -np.log(np.maximum(np.where(truth, p, 1 - p), SMALLEST)).mean(axis=1)
    gaps = np.zeros((n, BINS))
    np.add.at(gaps, (np.arange(n)[:, None], scores.bins(p)), truth - p)
    counted = counts(decisions, truth)

    def statistics(sums: Floats) -> Floats:
        """(r, 3 C + 1 + BINS) -> (r, 4)."""
        of_class = sums[:, : 3 * classes].reshape(-1, classes, 3)
        ece = np.abs(sums[:, 3 * classes + 1 :]).sum(axis=1) / (n * classes)
        micro = scores.f1(*np.moveaxis(of_class.sum(axis=1), 1, 0))
        return np.stack([scores.macro_f1(of_class), micro, sums[:, 3 * classes] / n, ece], axis=1)

    added = np.hstack([parts(counted), loss[:, None], gaps])
    macro_f1, micro_f1, log_loss, ece = intervals.of_sums(added, statistics, rng)
    return MultiLabelMetrics(
        n=n,
        macro_f1=macro_f1,
        micro_f1=micro_f1,
        subset_accuracy=wilson(int((decisions == truth).all(axis=1).sum()), n),
        log_loss=log_loss,
        ece=ece,
        per_class=scores.per_class(counted.sum(axis=0).astype(np.float64)),
    )


def counts(decisions: Bools, truth: Bools) -> NDArray[np.int64]:
    """(n, C), (n, C) -> (n, C, 3): 1 where the label is hit, is decided, is true."""
    return np.stack([decisions & truth, decisions, truth], axis=2).astype(np.int64)


def headline(counted: NDArray[np.int64], rng: Generator) -> Interval:
    """Macro F1 of `counts` (n, C, 3), n >= 1."""
    return intervals.of_sums(parts(counted), score, rng)[0]


def difference(a: NDArray[np.int64], b: NDArray[np.int64], rng: Generator) -> Interval | None:
    """Macro F1 of a minus that of b, both `counts` (n, C, 3) of the same examples; see `intervals.paired_sums`."""
    return intervals.paired_sums(parts(a), parts(b), score, rng)


def parts(counted: NDArray[np.int64]) -> NDArray[np.int64]:
    """`counts` (n, C, 3) -> (n, 3 C); n may be 0."""
    return counted.reshape(len(counted), 3 * counted.shape[1])


def score(sums: Floats) -> Floats:
    """Macro F1 (r, 1) of summed `parts` (r, 3 C)."""
    return scores.macro_f1(sums.reshape(len(sums), -1, 3))[:, None]


def _check(probabilities: NDArray[np.floating], decisions: Bools, truth: Bools) -> None:
    if truth.ndim != 2 or not probabilities.shape == decisions.shape == truth.shape:
        raise Invalid(
            f"probabilities {probabilities.shape}, decisions {decisions.shape} and truth {truth.shape} do not fit: "
            "give (n, C) each"
        )
    fine = ((probabilities >= 0) & (probabilities <= 1)).all(axis=1)  # NaN is neither
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        raise Invalid(
            f"row {row} holds values that are no probabilities: {probabilities[row]}", "probabilities"
        )
