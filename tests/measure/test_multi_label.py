import math

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure import multi_label
from service.measure.intervals import Interval, wilson
from service.measure.multi_label import MultiLabelMetrics, measure
from service.measure.scores import ClassMetrics

# Four texts, three labels; decided from .5 on.
PROBABILITIES = np.array([[0.9, 0.6, 0.1], [0.8, 0.3, 0.2], [0.4, 0.7, 0.0], [0.2, 0.1, 0.3]], np.float32)
DECISIONS = PROBABILITIES >= 0.5
TRUTH = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], np.bool_)


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(0)


def measured(
    probabilities: NDArray[np.floating] = PROBABILITIES,
    decisions: NDArray[np.bool_] = DECISIONS,
    truth: NDArray[np.bool_] = TRUTH,
) -> MultiLabelMetrics:
    metrics = measure(probabilities, decisions, truth, np.random.default_rng(0))
    assert metrics is not None
    return metrics


def test_metrics_by_hand() -> None:
    metrics = measured()

    assert (metrics.n, metrics.headline) == (4, "macro_f1")
    assert metrics.per_class == [
        ClassMetrics(precision=1.0, recall=2 / 3, f1=4 / 5, support=3),
        ClassMetrics(precision=1 / 2, recall=1 / 2, f1=1 / 2, support=2),
        ClassMetrics(0.0, 0.0, 0.0, 0),
    ]
    assert metrics.macro_f1.value == pytest.approx((4 / 5 + 1 / 2) / 2)  # of the labels that occur
    assert metrics.micro_f1.value == pytest.approx(2 * 3 / (4 + 5))
    assert metrics.subset_accuracy == wilson(2, 4)  # the first and the last
    by_hand = [0.9, 0.6, 0.9, 0.8, 0.3, 0.8, 0.4, 0.3, 1.0, 0.8, 0.9, 0.7]
    assert metrics.log_loss.value == pytest.approx(-sum(map(math.log, by_hand)) / 12, rel=1e-6)


def test_ece_by_hand() -> None:
    # .62 (holds) and .66 (does not) share the bin (9/15, 10/15]; .2 (does not) and .95 (holds) are alone in theirs.
    probabilities = np.array([[0.62, 0.2], [0.66, 0.95]])
    truth = np.array([[1, 0], [0, 1]], np.bool_)

    ece = measured(probabilities, probabilities >= 0.5, truth).ece.value

    assert ece == pytest.approx(2 / 4 * abs(1 / 2 - 0.64) + 1 / 4 * 0.2 + 1 / 4 * 0.05)


def test_a_confident_error_is_finite() -> None:
    wrong = measured(np.array([[1.0]]), np.array([[True]]), np.array([[False]]))
    assert wrong.log_loss.value == pytest.approx(-math.log(1e-7))


def test_a_perfect_prediction() -> None:
    metrics = measured(TRUTH.astype(np.float32), TRUTH, TRUTH)

    assert metrics.macro_f1 == metrics.micro_f1 == Interval(1.0, 1.0, 1.0)
    assert metrics.log_loss == metrics.ece == Interval(0.0, 0.0, 0.0)
    assert metrics.subset_accuracy == wilson(4, 4)


def test_where_no_label_holds_f1_says_nothing() -> None:
    nothing = np.zeros((3, 2), np.bool_)

    metrics = measured(np.full((3, 2), 0.1), nothing, nothing)

    assert metrics.macro_f1 == metrics.micro_f1 == Interval(0.0, 0.0, 1.0)
    assert metrics.subset_accuracy.value == 1.0


def test_intervals_against_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    probabilities, truth = rng.random((40, 3)), rng.random((40, 3)) < 0.4
    decisions = probabilities >= 0.5
    draws = np.random.default_rng(0).integers(40, size=(1000, 40))
    macro, loss = [], []
    for rows in draws:
        hits, claimed, true = (
            (decisions & truth)[rows].sum(axis=0),
            decisions[rows].sum(axis=0),
            truth[rows].sum(axis=0),
        )
        macro.append(np.mean((2 * hits / (claimed + true))[true > 0]))
        p = np.where(truth, probabilities, 1 - probabilities)[rows]
        loss.append(-np.log(p).mean())

    metrics = measured(probabilities, decisions, truth)

    for interval, values in ((metrics.macro_f1, macro), (metrics.log_loss, loss)):
        assert [interval.low, interval.high] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist())
        assert interval.low <= interval.value <= interval.high


def test_the_headline_and_a_paired_difference(rng: Generator) -> None:
    counted = multi_label.counts(DECISIONS, TRUTH)
    better = multi_label.counts(TRUTH, TRUTH)

    assert multi_label.headline(counted, rng).value == pytest.approx(0.65)
    difference = multi_label.difference(better, counted, rng)
    assert difference is not None
    assert difference.value == pytest.approx(0.35)
    assert 0 <= difference.low <= 0.35 <= difference.high <= 1
    assert multi_label.difference(counted[:0], counted[:0], rng) is None


def test_nothing_measured_is_none(rng: Generator) -> None:
    empty = np.empty((0, 3), np.bool_)
    assert measure(np.empty((0, 3)), empty, empty, rng) is None


@pytest.mark.parametrize(
    ("probabilities", "decisions", "message"),
    [
        (
            np.ones((4, 2)),
            DECISIONS,
            r"probabilities \(4, 2\), decisions \(4, 3\) and truth \(4, 3\) do not fit",
        ),
        (PROBABILITIES, DECISIONS[:2], "do not fit"),
        (np.full((4, 3), np.nan), DECISIONS, "row 0 holds values that are no probabilities"),
        (PROBABILITIES * 2, DECISIONS, "row 0 holds values"),
        (-PROBABILITIES, DECISIONS, "row 0 holds values"),
    ],
)
def test_refuses_what_cannot_be_measured(
    probabilities: NDArray[np.floating], decisions: NDArray[np.bool_], message: str, rng: Generator
) -> None:
    with pytest.raises(Invalid, match=message):
        measure(probabilities, decisions, TRUTH, rng)
