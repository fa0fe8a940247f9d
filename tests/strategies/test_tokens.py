import numpy as np
import pytest

from strategies import registry
from strategies.base import View

TOKENS = np.array([[0.3, 0.5], [0.1, 0.9], [0.2, 0.1]])


@pytest.mark.parametrize(
    ("name", "order", "scores"),
    [("mnlp", [0, 2, 1], [0.3, 0.2, 0.1]), ("token_entropy", [1, 0, 2], [0.9, 0.5, 0.1])],
)
def test_each_goes_by_its_column(name: str, order: list[int], scores: list[float]) -> None:
    view = View(3, token_uncertainty=TOKENS, problem="spans")

    picks = registry.get(name).select(view, 3, np.random.default_rng(0))

    assert picks.positions.tolist() == order
    assert picks.scores.tolist() == scores
