from itertools import combinations

import numpy as np
import pytest

from strategies import k_center, registry
from strategies.base import View

NOTHING = np.empty((0, 1), np.float32)


def test_takes_the_farthest_again_and_again() -> None:
    """On a line with a label at 0: 10 is farthest, then 5 (5 from both), then 2 (2 from 0; 8 is 2 from 10)."""
    line = np.array([[1.0], [2.0], [5.0], [9.0], [10.0]])
    view = View(5, embeddings=line, labeled_embeddings=np.array([[0.0]]))

    picks = registry.get("k_center").select(view, 3, np.random.default_rng(0))

    assert picks.positions.tolist() == [4, 2, 1]
    np.testing.assert_allclose(picks.scores, [10, 5, 2])


@pytest.mark.parametrize("seed", range(8))
def test_the_first_of_all_counts_as_much_as_the_second(seed: int) -> None:
    view = View(2, embeddings=np.array([[1.0], [4.0]]), labeled_embeddings=NOTHING)

    picks = registry.get("k_center").select(view, 2, np.random.default_rng(seed))

    assert sorted(picks.positions.tolist()) == [0, 1]
    assert picks.scores.tolist() == [3, 3]


@pytest.mark.parametrize("seed", range(10))
def test_the_radius_is_at_most_twice_the_least_there_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, labeled = rng.normal(size=(12, 2)), rng.normal(size=(2, 2))

    def radius(chosen: tuple[int, ...]) -> float:
        centres = np.concatenate([labeled, points[list(chosen)]])
        return float(np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1).max())

    view = View(12, embeddings=points, labeled_embeddings=labeled)
    picks = registry.get("k_center").select(view, 3, rng)

    assert (
        radius(tuple(picks.positions)) <= 2 * min(radius(some) for some in combinations(range(12), 3)) + 1e-9
    )


@pytest.mark.parametrize("labeled", [0, 3])
def test_old_distances_change_nothing(labeled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a handful looked at at a time it takes what comparing all with each pick takes."""
    monkeypatch.setattr(k_center, "LOOKED_AT", 7)
    rng = np.random.default_rng(0)
    points, known = rng.normal(size=(400, 3)), rng.normal(size=(labeled, 3))

    picks = registry.get("k_center").select(View(400, embeddings=points, labeled_embeddings=known), 50, rng)

    chosen = picks.positions[:1].tolist() if not labeled else []
    for _ in range(50 - len(chosen)):
        centres = np.concatenate([known, points[chosen]])
        chosen.append(int(np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1).argmax()))
    assert picks.positions.tolist() == chosen
