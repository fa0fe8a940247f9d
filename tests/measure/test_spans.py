import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure import spans
from service.measure.intervals import Interval
from service.measure.scores import ClassMetrics
from service.measure.spans import SpanMetrics, measure


def rows(*spans: tuple[int, int, int, int]) -> NDArray[np.int64]:
    return np.array(spans, dtype=np.int64).reshape(-1, 4)


# Three texts, two classes: one span right, one a character too long, one of the wrong class, one missed, one made up.
TRUTH = rows((0, 0, 3, 0), (0, 5, 9, 1), (1, 2, 4, 0), (1, 6, 8, 1))
PREDICTED = rows((0, 0, 3, 0), (0, 5, 10, 1), (1, 2, 4, 1), (2, 0, 1, 1))


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(0)


def measured(
    predicted: NDArray[np.int64] = PREDICTED,
    truth: NDArray[np.int64] = TRUTH,
    confidence: NDArray[np.float64] | None = None,
) -> SpanMetrics:
    metrics = measure(predicted, truth, 3, 2, np.random.default_rng(0), confidence)
    assert metrics is not None
    return metrics


def test_metrics_by_hand() -> None:
    metrics = measured()

    assert (metrics.n, metrics.spans, metrics.headline) == (3, 4, "f1")
    assert metrics.precision.value == 1 / 4
    assert metrics.recall.value == 1 / 4
    assert metrics.f1.value == 1 / 4
    assert metrics.per_class == [
        ClassMetrics(precision=1.0, recall=1 / 2, f1=2 / 3, support=2),
        ClassMetrics(precision=0.0, recall=0.0, f1=0.0, support=2),
    ]
    assert metrics.ece is None


def test_a_span_counts_once_and_overlapping_ones_each() -> None:
    truth = rows((0, 0, 3, 0), (0, 0, 9, 0), (0, 0, 3, 1))
    twice = rows((0, 0, 3, 0), (0, 0, 3, 0), (0, 0, 9, 0), (0, 0, 3, 1))

    metrics = measured(twice, truth)

    assert (metrics.precision.value, metrics.recall.value, metrics.spans) == (1.0, 1.0, 3)


def test_ece_by_hand() -> None:
    # The right one at .62 and a wrong one at .66 share a bin; .95 and .2 are wrong and alone.
    ece = measured(confidence=np.array([0.62, 0.66, 0.95, 0.2])).ece

    assert ece is not None
    assert ece.value == pytest.approx(2 / 4 * abs(1 / 2 - 0.64) + 1 / 4 * 0.95 + 1 / 4 * 0.2)


def test_a_perfect_prediction() -> None:
    metrics = measured(TRUTH, TRUTH, np.ones(4))

    assert metrics.precision == metrics.recall == metrics.f1 == Interval(1.0, 1.0, 1.0)
    assert metrics.ece == Interval(0.0, 0.0, 0.0)


def test_what_is_not_defined_says_nothing() -> None:
    without = measured(rows(), TRUTH, np.empty(0))
    assert (without.precision, without.ece) == (Interval(0.0, 0.0, 1.0), Interval(0.0, 0.0, 1.0))
    assert (without.recall.value, without.f1.value) == (0.0, 0.0)
    nothing = measured(rows(), rows())
    assert nothing.f1 == nothing.recall == Interval(0.0, 0.0, 1.0)


def test_intervals_against_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    truth = np.stack(
        [rng.integers(30, size=90), rng.integers(6, size=90), np.full(90, 7), rng.integers(2, size=90)], 1
    )
    predicted = np.where(rng.random((90, 1)) < 0.6, truth, truth + np.array([0, 0, 1, 0]))
    draws = np.random.default_rng(0).integers(30, size=(1000, 30))
    of_text = [
        (
            {tuple(one) for one in predicted[predicted[:, 0] == text]},
            {tuple(one) for one in truth[truth[:, 0] == text]},
        )
        for text in range(30)
    ]
    values = []
    for texts in draws:
        hits = sum(len(of_text[text][0] & of_text[text][1]) for text in texts)
        both = sum(len(of_text[text][0]) + len(of_text[text][1]) for text in texts)
        values.append(2 * hits / both)

    metrics = measure(predicted, truth, 30, 2, np.random.default_rng(0))

    assert metrics is not None
    assert [metrics.f1.low, metrics.f1.high] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist())


def test_the_headline_and_a_paired_difference(rng: Generator) -> None:
    counted = spans.counts(PREDICTED, TRUTH, 3, 2)
    better = spans.counts(TRUTH, TRUTH, 3, 2)

    assert counted.sum(axis=0).tolist() == [[1, 1, 2], [0, 3, 2]]
    assert spans.headline(counted, rng).value == 1 / 4
    difference = spans.difference(better, counted, rng)
    assert difference is not None
    assert difference.value == 3 / 4
    assert spans.difference(counted[:0], counted[:0], rng) is None


def test_no_texts_is_none(rng: Generator) -> None:
    assert measure(rows(), rows(), 0, 2, rng) is None


@pytest.mark.parametrize(
    ("predicted", "confidence", "message"),
    [
        (np.zeros((2, 3), np.int64), None, r"predicted spans \(2, 3\): give \(k, 4\)"),
        (rows((3, 0, 1, 0)), None, "predicted spans are of texts 3 to 3: there are 0 to 2"),
        (rows((0, 0, 1, 2)), None, "predicted spans are of classes 2 to 2: there are 0 to 1"),
        (rows((0, 0, 1, -1)), None, "of classes -1 to -1"),
        (PREDICTED, np.ones(3), r"confidence \(3,\) does not fit 4 spans"),
        (PREDICTED, np.full(4, np.nan), "outside 0..1"),
        (PREDICTED, np.full(4, 1.5), "outside 0..1"),
    ],
)
def test_refuses_what_cannot_be_measured(
    predicted: NDArray[np.int64], confidence: NDArray[np.float64] | None, message: str, rng: Generator
) -> None:
    with pytest.raises(Invalid, match=message):
        measure(predicted, TRUTH, 3, 2, rng, confidence)
