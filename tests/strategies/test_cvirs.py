import math

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import registry
from strategies.base import View
from strategies.cvirs import distinct, inconsistency, rank_score


def sets(*rows: str) -> NDArray[np.bool_]:
    return np.array([[bit == "1" for bit in row] for row in rows])


def test_rank_score_is_a_borda_count() -> None:
    """Ranks by |2p - 1|, of label 0: 1 2 3; of label 1: 3 and 1.5 twice."""
    probabilities = np.array([[0.5, 0.9], [0.6, 0.4], [0.1, 0.6]])

    np.testing.assert_allclose(rank_score(probabilities), [(2 + 0) / 4, (1 + 1.5) / 4, (0 + 1.5) / 4])


def test_a_lone_example_is_the_least_sure() -> None:
    assert rank_score(np.array([[0.9, 0.1]])).tolist() == [1]


@pytest.mark.parametrize(
    ("predicted", "given", "distance"),
    [
        ("1100", "1100", 0),
        ("1111", "1111", 0),
        ("1100", "0011", 1),  # different in every label, though each tells the other
        ("1100", "1010", 1),  # independent: H(Y, Z) = 2 ln 2 = H(Y) + H(Z)
        ("1111", "1100", 1),  # H(Y) = 0, H(Z) = H(Y, Z) = ln 2
    ],
)
def test_the_distance_of_two_sets(predicted: str, given: str, distance: float) -> None:
    assert inconsistency(sets(predicted), sets(given))[0] == pytest.approx(distance)


def test_the_distance_is_of_entropies() -> None:
    """1100 and 1000 agree on one 1, two 0s, and differ in one."""
    joint = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
    one, other = math.log(2), 0.25 * math.log(4) + 0.75 * math.log(4 / 3)

    found = inconsistency(sets("1100"), sets("1000"))[0]

    assert found == pytest.approx((2 * joint - one - other) / joint)


def test_inconsistency_is_the_mean_over_what_was_answered() -> None:
    answered = sets("1100", "1100", "1100", "0011")

    np.testing.assert_allclose(
        inconsistency(sets("1100", "0011", "1100"), answered), [1 / 4, 3 / 4, 1 / 4], atol=1e-12
    )
    assert inconsistency(sets("10"), np.empty((0, 2), np.bool_)).tolist() == [1]


def test_chooses_by_the_product() -> None:
    """Both labels least sure in 0, whose set was given; 1 is second by ranks and its set is new."""
    probabilities = np.array([[0.55, 0.45], [0.4, 0.6], [0.9, 0.1]])
    view = View(3, probabilities=probabilities, label_sets=sets("10"), problem="multi_label")

    picks = registry.get("cvirs").select(view, 3, np.random.default_rng(0))

    assert picks.positions[0] == 1
    np.testing.assert_allclose(picks.scores, [0.5, 0, 0], atol=1e-12)


@pytest.mark.parametrize("classes", [1, 8, 9, 70])
def test_sets_are_told_apart_by_every_label(classes: int) -> None:
    sets = np.random.default_rng(0).random((300, classes)) < 0.05

    first, place = distinct(sets)

    assert (sets[first][place] == sets).all()
    assert len(first) == len(np.unique(sets, axis=0))
