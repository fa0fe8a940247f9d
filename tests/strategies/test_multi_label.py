import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.multi_label import max_uncertainty, mean_uncertainty

# 1 - |2p - 1| of each label: 1 0 0.5; 0.6 0.6 0.6; 0 0 0.
PROBABILITIES = np.array([[0.5, 1.0, 0.25], [0.3, 0.7, 0.3], [0.0, 1.0, 1.0]])


def test_mean_and_maximum() -> None:
    np.testing.assert_allclose(mean_uncertainty(PROBABILITIES), [0.5, 0.6, 0])
    np.testing.assert_allclose(max_uncertainty(PROBABILITIES), [1, 0.6, 0])


@pytest.mark.parametrize(("name", "order"), [("mean_uncertainty", [1, 0, 2]), ("max_uncertainty", [0, 1, 2])])
def test_strategies_choose_by_their_formula(name: str, order: list[int]) -> None:
    picks = registry.get(name).select(View(3, probabilities=PROBABILITIES), 3, np.random.default_rng(0))

    assert picks.positions.tolist() == order
