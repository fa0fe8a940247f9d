import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import clusters, registry, typiclust
from strategies.base import Picks, View
from strategies.typiclust import typicality

NOTHING = np.empty((0, 2), np.float32)


def heap(centre: tuple[float, float], size: int) -> NDArray[np.float32]:
    """A point at the centre and size - 1 around it at distance 1: the centre is the most typical."""
    angles = 2 * np.pi * np.arange(size - 1) / (size - 1)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (np.concatenate([[[0.0, 0.0]], around]) + centre).astype(np.float32)


# Positions: 0-6 left (7 points), 7-11 right (5), 12-14 top (3); each begins with its centre.
HEAPS = np.concatenate([heap((-50, 0), 7), heap((50, 0), 5), heap((0, 80), 3)])


def select(embeddings: NDArray[np.float32], labeled: NDArray[np.float32], count: int, seed: int = 0) -> Picks:
    view = View(len(embeddings), embeddings=embeddings, labeled_embeddings=labeled)
    return registry.get("typiclust").select(view, count, np.random.default_rng(seed))


def test_typicality_is_one_over_the_mean_distance() -> None:
    on_a_line = np.array([[0.0], [1.0], [3.0]])

    np.testing.assert_allclose(typicality(on_a_line), [1 / 2, 1 / 1.5, 1 / 2.5])


def test_typicality_looks_at_twenty_neighbours() -> None:
    on_a_line = np.arange(30.0)[:, None]

    # From the end at 0 the nearest twenty lie at 1..20, whose mean is 10.5.
    assert typicality(on_a_line)[0] == pytest.approx(1 / 10.5)


def test_typicality_of_lone_and_of_identical_points() -> None:
    assert typicality(np.array([[3.0, 4.0]])).tolist() == [0.0]
    assert typicality(np.ones((3, 2))).tolist() == [np.inf] * 3


@pytest.mark.parametrize("seed", range(5))
def test_takes_the_centre_of_each_heap_largest_first(seed: int) -> None:
    picks = select(HEAPS, NOTHING, 3, seed)

    assert picks.positions.tolist() == [0, 7, 12]
    np.testing.assert_allclose(picks.scores, [7 / 15, 5 / 15, 3 / 15])


@pytest.mark.parametrize("seed", range(5))
def test_passes_over_heaps_that_have_a_label(seed: int) -> None:
    labeled = np.array([[-50.2, 0.1]], np.float32)  # of the largest heap

    # Three clusters for one label and two picks.
    picks = select(HEAPS, labeled, 2, seed)

    assert picks.positions.tolist() == [7, 12]
    np.testing.assert_allclose(picks.scores, [5 / 16, 3 / 16])


def test_goes_round_again_when_the_clusters_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typiclust, "MOST_CLUSTERS", 3)

    picks = select(HEAPS, NOTHING, 8)

    heap_of = np.repeat([0, 1, 2], [7, 5, 3])
    assert heap_of[picks.positions].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert picks.positions[:3].tolist() == [0, 7, 12]
    np.testing.assert_allclose(picks.scores[3:6], np.array([7, 5, 3]) / 15 - 1)


def test_a_sample_stands_for_a_large_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typiclust, "MOST_MEMBERS", 4)
    monkeypatch.setattr(typiclust, "MOST_CLUSTERS", 3)

    picks = select(HEAPS, NOTHING, 15)

    assert sorted(picks.positions.tolist()) == list(range(15))
    assert np.repeat([0, 1, 2], [7, 5, 3])[picks.positions[:3]].tolist() == [0, 1, 2]


def test_two_labels_weigh_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typiclust, "MOST_CLUSTERS", 3)
    labeled = np.array([[-50, 1], [-50, -1], [50, 1], [0, 81]], np.float32)

    picks = select(HEAPS, labeled, 3)

    # The right and the top heap have one label each, the left one two.
    heap_of = np.repeat([0, 1, 2], [7, 5, 3])
    assert heap_of[picks.positions].tolist() == [1, 2, 0]
    np.testing.assert_allclose(picks.scores, [6 / 19 - 1, 4 / 19 - 1, 9 / 19 - 2])


def test_mini_batches_cover_a_large_pool_as_well() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 16)) * 20
    group = np.repeat(np.arange(40), 200)
    points = (centres[group] + rng.normal(size=(8000, 16))).astype(np.float32)

    picks = select(points, np.empty((0, 16), np.float32), 40)

    # A draw at random reaches 40 * (1 - (39/40)**40) = 25 of the 40 groups.
    assert len(set(group[picks.positions].tolist())) >= 33


@pytest.mark.parametrize("seed", range(3))
def test_a_large_pool_is_clustered_without_its_labels(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(clusters, "LLOYD_CELLS", 0)
    for module in (clusters, typiclust):
        monkeypatch.setattr(module, "SAMPLE", 14)
    monkeypatch.setattr(typiclust, "MOST_CLUSTERS", 3)

    picks = select(HEAPS, np.array([[-50.2, 0.1]], np.float32), 2, seed)

    assert picks.positions.tolist() == [7, 12]
    np.testing.assert_allclose(picks.scores, [5 / 16, 3 / 16])
