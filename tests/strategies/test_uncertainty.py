import math

import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.uncertainty import entropy, least_confidence, margin

PROBABILITIES = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.4, 0.4, 0.2]], np.float32)


def test_least_confidence() -> None:
    np.testing.assert_allclose(least_confidence(PROBABILITIES), [0.5, 0.0, 0.6], atol=1e-7)


def test_margin() -> None:
    np.testing.assert_allclose(margin(PROBABILITIES), [1 - 0.25, 1 - 1.0, 1 - 0.0], atol=1e-7)


def test_entropy() -> None:
    first = 0.5 * math.log(2) + 0.5 * math.log(4)
    third = 0.8 * math.log(2.5) + 0.2 * math.log(5)
    np.testing.assert_allclose(entropy(PROBABILITIES), [first, 0.0, third], atol=1e-7)
    assert entropy(np.full((1, 5), 0.2))[0] == pytest.approx(math.log(5))


def test_a_sure_row_has_no_negative_zero() -> None:
    assert not np.signbit(entropy(np.array([[1.0, 0.0]]))[0])


def test_one_class_leaves_no_doubt() -> None:
    certain = np.ones((2, 1), np.float32)

    assert least_confidence(certain).tolist() == [0, 0]
    assert margin(certain).tolist() == [0, 0]
    assert entropy(certain).tolist() == [0, 0]


# Rows 0 and 1 are chosen such that the three formulas disagree: row 0 wavers between two labels, row 1
# spreads over many.
DISAGREEING = np.array([[0.48, 0.47, 0.05, 0], [0.4, 0.2, 0.2, 0.2], [0.9, 0.1, 0, 0]], np.float32)


@pytest.mark.parametrize(
    ("name", "order", "best_score"),
    [
        ("least_confidence", [1, 0, 2], 0.6),
        ("margin", [0, 1, 2], 0.99),
        ("entropy", [1, 0, 2], 0.4 * math.log(2.5) + 0.6 * math.log(5)),
    ],
)
def test_strategies_choose_by_their_formula(name: str, order: list[int], best_score: float) -> None:
    picks = registry.get(name).select(View(3, probabilities=DISAGREEING), 3, np.random.default_rng(0))

    assert picks.positions.tolist() == order
    assert picks.scores[0] == pytest.approx(best_score, abs=1e-6)


def test_only_ties_are_left_to_chance() -> None:
    view = View(5, probabilities=np.array([[0.9, 0.1], *[[0.7, 0.3]] * 3, [0.5, 0.5]], np.float32))
    orders = {
        tuple(registry.get("margin").select(view, 5, np.random.default_rng(seed)).positions.tolist())
        for seed in range(60)
    }

    assert {order[0] for order in orders} == {4}
    assert {order[-1] for order in orders} == {0}
    assert {order[1:4] for order in orders} == {
        (1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1),
    }  # fmt: skip
