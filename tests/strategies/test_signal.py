import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.signal import signal

DUPLICATION = np.array([0.0, 0.5, 0.9])


def test_before_there_is_a_model_what_repeats_least_comes_first() -> None:
    np.testing.assert_allclose(signal(View(3, duplication=DUPLICATION)), [1, 0.5, 0.1])


def test_confidence_without_repetition_and_a_bonus_for_doubt() -> None:
    """Confidences .9, .6 and .6; margins' doubts .2, .8 and .8, of which .3 of .5 are above the threshold."""
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    view = View(3, probabilities=probabilities, duplication=DUPLICATION)
    np.testing.assert_allclose(signal(view), [0.9, 0.6 * 0.5 * 1.6, 0.6 * 0.1 * 1.6])


def test_a_teachers_word_counts_in_place_of_the_learners() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    teacher = np.array([0.2, 1.0, 1.0])
    view = View(3, probabilities=probabilities, duplication=DUPLICATION, teacher=teacher)
    np.testing.assert_allclose(signal(view), [0.2, 0.5 * 1.6, 0.1 * 1.6])
    picks = registry.get("signal").select(view, 2, np.random.default_rng(0))
    assert picks.positions.tolist() == [1, 0]
    assert picks.scores == pytest.approx([0.8, 0.2])


def test_of_several_labels_the_least_sure_decides_the_bonus() -> None:
    """Decisions of .9 and .6: confidence .75 in the mean, the doubt of the second is .8."""
    view = View(1, probabilities=np.array([[0.9, 0.4]]), duplication=np.zeros(1), problem="multi_label")
    np.testing.assert_allclose(signal(view), [0.75 * 1.6])
