import numpy as np
import pytest

from strategies import registry
from strategies.base import View

# Predicted: 0 0 0 0 1 1 2, margin utilities .9 .8 .7 .6 .5 .4 .1.
PROBABILITIES = np.array(
    [[0.55, 0.45, 0], [0.6, 0.4, 0], [0.65, 0.35, 0], [0.7, 0.3, 0], [0.25, 0.75, 0], [0.2, 0.8, 0], [0, 0.05, 0.95]]
)  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        # No labels: one of each by utility, again, and what is left.
        ([], [0, 4, 6, 1, 5, 2, 3]),
        # Two labels of class 0, one of class 1; open questions do not count.
        ([0, 0, 1, -1, -1], [6, 4, 0, 5, 1, 2, 3]),
    ],
)
def test_the_class_with_the_fewest_labels_and_picks_is_served_first(
    labels: list[int], order: list[int]
) -> None:
    view = View(7, probabilities=PROBABILITIES, labels=np.array(labels, np.int64))

    picks = registry.get("balanced_margin").select(view, 7, np.random.default_rng(0))

    assert picks.positions.tolist() == order
    np.testing.assert_allclose(picks.scores, 1 - np.arange(7) / 7)
