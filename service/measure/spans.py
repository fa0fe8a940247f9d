"""How good predicted spans are: a span is right where start, end and label are.

That is what seqeval counts over sentences in IOB2 (strict mode), and the CoNLL-2003 evaluation: a span that is a
little off is one wrong and one missing. Nothing here decides which texts may measure.
"""

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure import intervals, scores
from service.measure.intervals import Interval
from service.measure.scores import BINS, ClassMetrics, Floats


class SpanMetrics(Struct, frozen=True, kw_only=True, tag_field="problem", tag="spans"):
    """Of predicted spans; every interval is one of 95 %, from a bootstrap over the texts.

    What is not defined (precision without a predicted span, say) is 0 in [0, 1], and resamples without it are left out.
    """

    headline: str = "f1"
    n: int
    """Texts."""
    spans: int
    """Spans that there truly are."""
    precision: Interval
    recall: Interval
    f1: Interval
    """Micro F1: of all spans, whatever their label."""
    ece: Interval | None
    """Expected calibration error of the predicted spans' confidences: the sum over 15 equal bins of
    share of the spans in it · |share of them that is right - mean confidence| (Guo et al. 2017, equation 5).
    """
    per_class: list[ClassMetrics]
    """By class number; `support` counts spans."""


def measure(
    predicted: NDArray[np.integer],
    truth: NDArray[np.integer],
    texts: int,
    classes: int,
    rng: Generator,
    confidence: NDArray[np.floating] | None = None,
) -> SpanMetrics | None:
    """Metrics of predicted spans (k, 4) against true ones (m, 4), a row (text, start, end, class); None for no texts.

    Texts are numbered from 0; a row that comes twice counts once. `confidence` (k,), 0..1. Raises Invalid for arrays
    that do not fit together, and for texts, classes and confidences out of range.
    """
    _check(predicted, truth, texts, classes, confidence)
    if texts == 0:
        return None
    once, first = np.unique(predicted, axis=0, return_index=True)
    right = _within(once, truth)
    counted = counts(predicted, truth, texts, classes)
    gaps = np.zeros((texts, BINS))
    if confidence is not None:
        sure = confidence[first].astype(np.float64)
        np.add.at(gaps, (once[:, 0], scores.bins(sure)), right - sure)

    def statistics(sums: Floats) -> Floats:
        """(r, 3 + BINS) -> (r, 4)."""
        hits, claimed, true = sums[:, :3].T
        ece = scores.ratio(np.abs(sums[:, 3:]).sum(axis=1), claimed)
        values = [scores.ratio(hits, claimed), scores.ratio(hits, true), scores.f1(hits, claimed, true), ece]
        return np.stack(values, axis=1)

    added = np.hstack([parts(counted), gaps])
    precision, recall, f1, ece = intervals.of_sums(added, statistics, rng)
    return SpanMetrics(
        n=texts,
        spans=int(counted[:, :, 2].sum()),
        precision=precision,
        recall=recall,
        f1=f1,
        ece=None if confidence is None else ece,
        per_class=scores.per_class(counted.sum(axis=0).astype(np.float64)),
    )


def counts(
    predicted: NDArray[np.integer], truth: NDArray[np.integer], texts: int, classes: int
) -> NDArray[np.int64]:
    """(texts, classes, 3): how many spans of each text and class are hit, are predicted, are true."""
    predicted, truth = np.unique(predicted, axis=0), np.unique(truth, axis=0)
    counted = np.zeros((texts, classes, 3), np.int64)
    for at, rows in enumerate((predicted[_within(predicted, truth)], predicted, truth)):
        np.add.at(counted[:, :, at], (rows[:, 0], rows[:, 3]), 1)
    return counted


def headline(counted: NDArray[np.int64], rng: Generator) -> Interval:
    """Micro F1 of `counts` (n, C, 3), n >= 1."""
    return intervals.of_sums(parts(counted), score, rng)[0]


def difference(a: NDArray[np.int64], b: NDArray[np.int64], rng: Generator) -> Interval | None:
    """Micro F1 of a minus that of b, both `counts` (n, C, 3) of the same texts; see `intervals.paired_sums`."""
    return intervals.paired_sums(parts(a), parts(b), score, rng)


def parts(counted: NDArray[np.int64]) -> NDArray[np.int64]:
    """`counts` (n, C, 3) -> (n, 3): of whatever label."""
    summed: NDArray[np.int64] = counted.sum(axis=1)
    return summed


def score(sums: Floats) -> Floats:
    """Micro F1 (r, 1) of summed `parts` (r, 3)."""
    return scores.f1(*sums.T)[:, None]


def _within(rows: NDArray[np.integer], others: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(k, 4), (m, 4) -> (k,): which of the rows are among the others."""
    _, number = np.unique(np.concatenate([rows, others]), axis=0, return_inverse=True)
    number = number.reshape(-1)
    return np.isin(number[: len(rows)], number[len(rows) :])


def _check(
    predicted: NDArray[np.integer],
    truth: NDArray[np.integer],
    texts: int,
    classes: int,
    confidence: NDArray[np.floating] | None,
) -> None:
    for name, rows in (("predicted", predicted), ("truth", truth)):
        if rows.ndim != 2 or rows.shape[1] != 4:
            raise Invalid(f"{name} spans {rows.shape}: give (k, 4), rows of text, start, end, class", name)
        for what, column, number in (("texts", rows[:, 0], texts), ("classes", rows[:, 3], classes)):
            if len(column) and not (column.min() >= 0 and column.max() < number):
                raise Invalid(
                    f"{name} spans are of {what} {column.min()} to {column.max()}: there are 0 to {number - 1}",
                    name,
                )
    if confidence is None:
        return
    if confidence.shape != predicted.shape[:1]:
        raise Invalid(f"confidence {confidence.shape} does not fit {len(predicted)} spans", "confidence")
    if not ((confidence >= 0) & (confidence <= 1)).all():  # NaN is neither
        raise Invalid("confidence holds values outside 0..1", "confidence")
