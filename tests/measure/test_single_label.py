import math

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure.intervals import Interval
from service.measure.scores import ClassMetrics
from service.measure.single_label import SingleLabelMetrics, measure

# True classes 0 0 1 1 2, predicted 0 1 1 1 0.
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.0, 1.0, 0.0], [0.5, 0.3, 0.2]], np.float32
)
TRUTH = np.array([0, 0, 1, 1, 2])


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(0)


def measured(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], seed: int = 0
) -> SingleLabelMetrics:
    metrics = measure(probabilities, truth, np.random.default_rng(seed))
    assert metrics is not None
    return metrics


def test_metrics_by_hand() -> None:
    metrics = measured(PROBABILITIES, TRUTH)

    assert metrics.n == 5
    assert metrics.headline == "accuracy"
    assert metrics.accuracy.value == 3 / 5
    assert metrics.confusion == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert metrics.per_class == [
        ClassMetrics(precision=1 / 2, recall=1 / 2, f1=1 / 2, support=2),
        ClassMetrics(precision=2 / 3, recall=1.0, f1=4 / 5, support=2),
        ClassMetrics(precision=0.0, recall=0.0, f1=0.0, support=1),
    ]
    assert metrics.macro_f1.value == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
    by_hand = -(math.log(0.8) + math.log(0.3) + math.log(0.7) + math.log(1.0) + math.log(0.2)) / 5
    assert metrics.log_loss.value == pytest.approx(by_hand)


def test_macro_f1_is_over_the_classes_that_occur() -> None:
    fourth_class = np.pad(PROBABILITIES, ((0, 0), (0, 1)))

    assert measured(fourth_class, TRUTH).macro_f1.value == measured(PROBABILITIES, TRUTH).macro_f1.value
    assert measured(fourth_class, TRUTH).per_class[3] == ClassMetrics(0.0, 0.0, 0.0, 0)


def test_log_loss_of_a_confident_error_is_finite() -> None:
    assert measured(np.array([[1.0, 0.0]]), np.array([1])).log_loss.value == pytest.approx(-math.log(1e-7))


def test_ece_by_hand() -> None:
    # Confidences .62 and .66 share the bin (9/15, 10/15]: one of two correct, .64 on average. .9 is wrong
    # and alone in (13/15, 14/15].
    probabilities = np.array([[0.62, 0.38], [0.34, 0.66], [0.9, 0.1]])

    ece = measured(probabilities, np.array([0, 0, 1])).ece.value

    assert ece == pytest.approx(2 / 3 * abs(1 / 2 - 0.64) + 1 / 3 * abs(0 - 0.9))


@pytest.mark.parametrize(("confidence", "with_neighbour"), [(0.6, False), (0.61, True)])
def test_ece_bins_are_closed_on_the_right(confidence: float, with_neighbour: bool) -> None:
    # .6 = 9/15 belongs to (8/15, 9/15], .61 to the bin of .65. In one bin an error and a hit offset each other.
    probabilities = np.array([[confidence, 1 - confidence], [0.65, 0.35]])
    together = abs((1 - confidence) + (0 - 0.65)) / 2
    apart = ((1 - confidence) + 0.65) / 2

    ece = measured(probabilities, np.array([0, 1])).ece.value

    assert ece == pytest.approx(together if with_neighbour else apart)


def test_a_perfect_prediction() -> None:
    metrics = measured(np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0]))

    assert metrics.macro_f1 == Interval(1.0, 1.0, 1.0)
    assert metrics.log_loss == Interval(0.0, 0.0, 0.0)
    assert metrics.ece == Interval(0.0, 0.0, 0.0)
    assert metrics.accuracy.high == 1.0
    assert metrics.accuracy.low == pytest.approx(1 / (1 + 1.959964**2 / 4))


def test_of_equal_probabilities_the_first_class_is_predicted() -> None:
    assert measured(np.array([[0.5, 0.5]]), np.array([0])).accuracy.value == 1.0


def test_nothing_measured_is_none(rng: Generator) -> None:
    assert measure(np.empty((0, 3), np.float32), np.empty(0, np.int64), rng) is None


def test_same_seed_same_intervals() -> None:
    assert measured(PROBABILITIES, TRUTH, seed=4) == measured(PROBABILITIES, TRUTH, seed=4)


def test_every_interval_holds_its_value() -> None:
    rng = np.random.default_rng(1)
    for n in (1, 2, 10, 300):
        probabilities = rng.dirichlet(np.ones(4), n)
        metrics = measured(probabilities, rng.integers(4, size=n))
        for interval in (metrics.accuracy, metrics.macro_f1, metrics.log_loss, metrics.ece):
            assert interval.low <= interval.value <= interval.high


def test_bootstrap_interval_of_a_mean_agrees_with_the_normal_one() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.dirichlet(np.ones(5), 2000)
    truth = rng.integers(5, size=2000)
    loss = -np.log(np.maximum(probabilities[np.arange(2000), truth], 1e-7))
    half = 1.96 * loss.std() / math.sqrt(2000)

    log_loss = measured(probabilities, truth).log_loss

    assert log_loss.low == pytest.approx(loss.mean() - half, abs=half / 8)
    assert log_loss.high == pytest.approx(loss.mean() + half, abs=half / 8)


def test_resampling_in_blocks_covers_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = measured(PROBABILITIES, TRUTH)
    monkeypatch.setattr("service.measure.intervals.CELLS", 5 * 7)  # blocks of 7 resamples, the last one of 6

    # Which resamples are drawn does not hang on the blocks.
    assert measured(PROBABILITIES, TRUTH) == at_once


def test_macro_f1_of_resamples_against_a_plain_count() -> None:
    """The vectorised statistic, held against a loop over the same draws."""
    rng = np.random.default_rng(5)
    probabilities, truth = rng.dirichlet(np.ones(3), 40), rng.integers(3, size=40)
    draws = np.random.default_rng(0).integers(40, size=(1000, 40))
    predicted = probabilities.argmax(axis=1)
    values = []
    for rows in draws:
        f1 = []
        for one in set(truth[rows].tolist()):
            hits = ((truth[rows] == one) & (predicted[rows] == one)).sum()
            f1.append(2 * hits / ((truth[rows] == one).sum() + (predicted[rows] == one).sum()))
        values.append(np.mean(f1))
    low, high = np.quantile(values, [0.025, 0.975])

    macro_f1 = measured(probabilities, truth).macro_f1

    assert macro_f1.low == pytest.approx(low)
    assert macro_f1.high == pytest.approx(high)


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        ([[0.5, 0.5]], [0, 1], r"probabilities \(1, 2\) and truth \(2,\) do not fit"),
        ([0.5, 0.5], [0, 1], r"probabilities \(2,\) and truth \(2,\) do not fit"),
        ([[0.5, 0.5]], [2], "truth holds classes 2 to 2: there are 0 to 1"),
        ([[0.5, 0.5]], [-1], "truth holds classes -1 to -1"),
        ([[0.5, 0.5], [np.nan, 0.5]], [0, 1], "probabilities of row 1"),
        ([[2.0, -1.0]], [0], "probabilities of row 0"),
        ([[0.3, 0.3]], [0], "do not sum to 1"),
    ],
)
def test_refuses_what_cannot_be_measured(
    probabilities: list[list[float]], truth: list[int], message: str, rng: Generator
) -> None:
    with pytest.raises(Invalid, match=message):
        measure(np.array(probabilities), np.array(truth), rng)
