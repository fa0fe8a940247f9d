import numpy as np
import pytest

from strategies import clusters
from strategies.clusters import assigned, in_turns, k_means


def test_k_means_finds_the_means() -> None:
    points = np.array([[0, 0], [0, 2], [10, 0], [10, 4]], np.float16)

    cluster, centres = k_means(points, 2, np.random.default_rng(0))

    assert cluster[0] == cluster[1] != cluster[2] == cluster[3]
    np.testing.assert_allclose(centres[cluster[[0, 2]]], [[0, 1], [10, 2]])


def test_weights_draw_a_centre() -> None:
    points = np.array([[0.0], [4.0]])

    _, centres = k_means(points, 1, np.random.default_rng(0), np.array([3.0, 1.0]))

    assert centres.tolist() == [[1.0]]


def test_clusters_take_turns_by_labels_and_then_by_size() -> None:
    clusters = [(np.array([7, 8]), 1, 30), (np.array([1, 2]), 0, 10), (np.array([4]), 0, 20)]

    picks = in_turns(clusters, 4, 100, lambda members, several: members[:several])

    # Without a label: 4 of the larger, 1. With one: 7 of the larger, 2, whose cluster has got one by then.
    assert picks.positions.tolist() == [4, 1, 7, 2]
    np.testing.assert_allclose(picks.scores, [0.2, 0.1, 0.3 - 1, 0.1 - 1])


def test_a_sample_finds_the_centres_of_many_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LLOYD_CELLS", 0)
    monkeypatch.setattr(clusters, "SAMPLE", 40)
    monkeypatch.setattr(clusters, "SEEDS", 20)
    rng = np.random.default_rng(0)
    heaps = np.repeat([[0, 0], [30, 0], [0, 30]], 60, axis=0) + rng.integers(-1, 2, (180, 2))

    cluster, centres = k_means(heaps.astype(np.float16), 3, rng)

    assert [len(set(cluster[part].tolist())) for part in np.split(np.arange(180), 3)] == [1, 1, 1]
    np.testing.assert_allclose(centres[cluster[[0, 60, 120]]], [[0, 0], [30, 0], [0, 30]], atol=0.7)


def test_a_sample_of_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LLOYD_CELLS", 0)
    monkeypatch.setattr(clusters, "SAMPLE", 40)

    cluster, centres = k_means(np.ones((100, 2)), 5, np.random.default_rng(0), np.full(100, 2.0))

    assert len(set(cluster.tolist())) == 1
    assert centres[cluster[0]].tolist() == [1, 1]


def test_the_nearest_centre() -> None:
    """(1, 0) is 1 from the first centre and 2 from the second, though its product with that is greater."""
    found = assigned(np.array([[1, 0], [3, 1]], np.float16), np.array([[0, 0], [3, 0]], np.float32))

    assert found.tolist() == [0, 1]
