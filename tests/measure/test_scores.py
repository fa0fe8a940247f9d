import numpy as np
import pytest

from service.measure import scores
from service.measure.scores import ClassMetrics

# Hits, predicted and true of three classes; the last one neither occurs nor is predicted.
COUNTS = np.array([[2, 3, 4], [0, 1, 0], [0, 0, 0]], np.float64)


def test_precision_recall_and_f1_by_hand() -> None:
    assert scores.per_class(COUNTS) == [
        ClassMetrics(precision=2 / 3, recall=2 / 4, f1=4 / 7, support=4),
        ClassMetrics(0.0, 0.0, 0.0, 0),
        ClassMetrics(0.0, 0.0, 0.0, 0),
    ]


def test_f1_is_the_harmonic_mean() -> None:
    precision, recall = 2 / 3, 2 / 4
    f1 = scores.f1(*COUNTS[0].reshape(3, 1))
    assert f1[0] == pytest.approx(2 * precision * recall / (precision + recall))


def test_macro_f1_is_over_the_classes_that_occur() -> None:
    assert scores.macro_f1(COUNTS) == pytest.approx(4 / 7)
    assert np.isnan(scores.macro_f1(COUNTS[1:]))
    two = np.stack([COUNTS, np.array([[1, 1, 1], [1, 1, 1], [0, 5, 5]])])
    assert scores.macro_f1(two) == pytest.approx([4 / 7, 2 / 3])


def test_bins_are_closed_on_the_right() -> None:
    edges = np.array([0.0, 1 / 15, 1 / 15 + 1e-6, 9 / 15, 14 / 15, 1.0])
    assert scores.bins(edges).tolist() == [0, 0, 1, 8, 13, 14]
