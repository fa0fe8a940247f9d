import numpy as np

from strategies import registry
from strategies.base import View
from strategies.rare import rare_uncertainty

# 4 p (1 - p): 1 and 0; 0 and 1; .64 and .64.
PROBABILITIES = np.array([[0.5, 0.0], [1.0, 0.5], [0.2, 0.8]], np.float32)


def test_by_hand() -> None:
    """Of the first label there are 3 texts, weight 1 / 4; of the second none, weight 1."""
    found = rare_uncertainty(PROBABILITIES, np.array([3, 0]))
    np.testing.assert_allclose(found, [0.25, 1.0, 0.8], rtol=1e-6)


def test_the_rare_label_comes_first() -> None:
    view = View(
        3,
        probabilities=PROBABILITIES,
        embeddings=np.eye(3, dtype=np.float32),
        label_sets=np.array([[1, 0], [1, 0], [1, 0]], np.bool_),
        problem="multi_label",
    )
    picks = registry.get("rare_uncertainty").select(view, 3, np.random.default_rng(0))
    assert picks.positions.tolist() == [1, 2, 0]
    np.testing.assert_allclose(picks.scores, [1.0, 0.8, 0.25], rtol=1e-6)


def test_without_an_answer_all_labels_count_alike() -> None:
    view = View(
        3,
        probabilities=PROBABILITIES,
        embeddings=np.eye(3, dtype=np.float32),
        label_sets=np.empty((0, 2), np.bool_),
        problem="multi_label",
    )
    picks = registry.get("rare_uncertainty").select(view, 1, np.random.default_rng(0))
    assert picks.positions.tolist() == [2]
