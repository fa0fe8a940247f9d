import numpy as np
import pytest

from strategies import diverse as module
from strategies import registry
from strategies.base import View
from strategies.diverse import diverse

# Two heaps on a line: the middle one of the first and the right one of the second are nearest their centres.
LINE = np.array([[0.0], [1.0], [2.0], [50.0], [52.0]])


@pytest.mark.parametrize("seed", range(5))
def test_one_of_each_cluster_nearest_its_weighted_centre(seed: int) -> None:
    """Equal weights put the first centre at 1. In the second heap weights 1 : 3 put it at 51.5, near 52."""
    utilities = np.array([0.4, 0.4, 0.4, 0.2, 0.6])

    picks = diverse(utilities, LINE, 2, np.random.default_rng(seed))

    # Best first by utility.
    assert picks.positions.tolist() == [4, 1]
    assert picks.scores.tolist() == [0.6, 0.4]


def test_weights_move_the_centre() -> None:
    """Weights 8 : 1 : 1 put the centre of 0, 1, 2 at 0.3."""
    picks = diverse(np.array([0.8, 0.1, 0.1]), LINE[:3], 1, np.random.default_rng(0))

    assert picks.positions.tolist() == [0]


def test_only_the_most_uncertain_are_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FACTOR", 1)

    picks = diverse(np.array([0.9, 0.8, 0.7, 0.1, 0.2]), LINE, 3, np.random.default_rng(0))

    assert picks.positions.tolist() == [0, 1, 2]


def test_doubles_make_room_for_the_most_uncertain_of_the_rest() -> None:
    same = np.zeros((4, 2))

    picks = diverse(np.array([0.1, 0.9, 0.5, 0.7]), same, 3, np.random.default_rng(0))

    # One cluster, whose nearest example is the first of those at its centre: the most uncertain.
    assert picks.positions.tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("name", "arrays", "scores"),
    [
        ("diverse_margin", {"probabilities": [[0.7, 0.3], [0.6, 0.4], [0.75, 0.25]]}, [0.8, 0.5]),
        ("diverse_uncertainty", {"probabilities": [[0.8, 0.6], [0.5, 0.5], [0.9, 0.1]]}, [1.0, 0.2]),
        ("diverse_mnlp", {"token_uncertainty": [[0.1, 9.0], [0.4, 0.0], [0.3, 0.0]]}, [0.4, 0.3]),
    ],
)
def test_each_has_its_utility(name: str, arrays: dict[str, list[list[float]]], scores: list[float]) -> None:
    """Two near examples, of which the second is the less sure one, and a far one."""
    view = View(3, embeddings=np.array([[0.0], [1.0], [9.0]]), **{k: np.array(v) for k, v in arrays.items()})  # type: ignore[arg-type]

    picks = registry.get(name).select(view, 2, np.random.default_rng(0))

    assert picks.positions.tolist() == [1, 2]
    np.testing.assert_allclose(picks.scores, scores)
