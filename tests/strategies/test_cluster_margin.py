import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import cluster_margin, registry
from strategies.base import View

# Three far heaps of 6, 3 and 1 examples; the margins of the first two of the large one are the greatest of all.
HEAP = np.repeat([0, 1, 2], [6, 3, 1])
MARGINS = np.array([0.9, 0.8, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.3])


def view(seed: int = 0) -> View:
    points: NDArray[np.float64] = 100.0 * np.eye(3)[HEAP] + np.random.default_rng(seed).random((10, 3))
    first = 0.5 + MARGINS / 2
    return View(10, probabilities=np.stack([first, 1 - first], axis=1), embeddings=points)


@pytest.mark.parametrize("most", [2_000, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_cluster_first_round_and_round(
    seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By linkage and by k-means: one of each, and the cluster of one is used up."""
    monkeypatch.setattr(cluster_margin, "LINKAGE_ROWS", most)

    picks = registry.get("cluster_margin").select(view(seed), 3, np.random.default_rng(seed))

    assert HEAP[picks.positions].tolist() == [2, 1, 0]
    np.testing.assert_allclose(picks.scores, [1, 2 / 3, 1 / 3])


def test_only_the_smallest_margins_are_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 picks the 8 smallest margins: of the large heap 4, of the others all. Four clusters split one heap."""
    monkeypatch.setattr(cluster_margin, "FACTOR", 2)

    for seed in range(20):
        picks = registry.get("cluster_margin").select(view(), 4, np.random.default_rng(seed))
        assert not {0, 1} & set(picks.positions.tolist())


def test_goes_round_until_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_margin, "_clusters", lambda embeddings, count, rng: HEAP)

    picks = registry.get("cluster_margin").select(view(), 8, np.random.default_rng(0))

    assert HEAP[picks.positions].tolist() == [2, 1, 0, 1, 0, 1, 0, 0]
