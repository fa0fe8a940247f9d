import numpy as np
import pytest
from scipy import sparse

from strategies import facility, registry
from strategies.base import View
from strategies.facility import cover, similarities

NOTHING = np.empty((0, 1), np.float32)


def test_similarity_falls_with_the_distance_in_units_of_the_median_one_to_a_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Points 0, 1, 3: nearest neighbours are at 1, 1 and 2, squared 1, 1, 4, the median 1."""
    monkeypatch.setattr(facility, "SCALE_NEIGHBOUR", 1)
    found = similarities(np.array([[0], [1], [3]], np.float32)).toarray()

    squared = np.array([[0, 1, 9], [1, 0, 4], [9, 4, 0]])
    np.testing.assert_allclose(found, np.exp(-3.5 * squared), rtol=1e-4)


def test_beyond_the_nearest_it_is_zero_but_the_same_from_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one neighbour each 0 has 1, 1 has 0, and 3 has 1."""
    monkeypatch.setattr(facility, "NEIGHBOURS", 1)
    monkeypatch.setattr(facility, "SCALE_NEIGHBOUR", 1)
    found = similarities(np.array([[0], [1], [3]], np.float32)).toarray()

    assert (found > 0).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    np.testing.assert_array_equal(found, found.T)


def test_doubles_are_wholly_alike() -> None:
    assert (similarities(np.ones((70, 2), np.float32)).diagonal() == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_greedily_the_greatest_gain_by_hand(seed: int) -> None:
    """Similarities .5 between 0 and 1, and .5 between 1 and 2; utilities .4, .2, .6, .7; nothing known.

    Gains: 0: .4 + .5 · .2 = .5; 1: .2 + .5 · .4 + .5 · .6 = .7; 2: .6 + .1 = .7; 3: .7. Say 3 is known. Of 1 and 2,
    1 taken leaves 0: .5 · .4 = .2 and 2: .3; 2 taken leaves 0: .4 + 0 = .4 and 1: .1 + .2 = .3.
    """
    links = np.eye(4)
    links[0, 1] = links[1, 0] = links[1, 2] = links[2, 1] = 0.5
    utilities = np.array([0.4, 0.2, 0.6, 0.7])
    positions, gains = cover(
        sparse.csr_array(links), utilities, np.array([3]), 3, np.random.default_rng(seed)
    )
    if positions[0] == 1:
        assert positions == [1, 2, 0]
        np.testing.assert_allclose(gains, [0.7, 0.3, 0.2])
    else:
        assert positions == [2, 0, 1]
        np.testing.assert_allclose(gains, [0.7, 0.4, 0.1])


@pytest.mark.parametrize("seed", range(3))
def test_what_a_label_stands_for_counts_no_more(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Two heaps of doubles; a label lies in the greater one, so the smaller one is asked for."""
    monkeypatch.setattr(facility, "SCALE_NEIGHBOUR", 1)
    points = np.repeat([0.0, 9.0], [6, 4])[:, None].astype(np.float32)
    unsure = np.full((10, 2), 0.5, np.float32)
    view = View(10, unsure, points, labeled_embeddings=points[:1])

    picks = registry.get("facility_location").select(view, 2, np.random.default_rng(seed))

    assert picks.positions[0] >= 6
    np.testing.assert_allclose(
        picks.scores, [2.0, 0.0]
    )  # four times .5, and then there is nothing more to gain


@pytest.mark.parametrize("seed", range(3))
def test_what_the_learner_is_sure_of_needs_nobody(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(facility, "SCALE_NEIGHBOUR", 1)
    points = np.repeat([0.0, 9.0], [6, 4])[:, None].astype(np.float32)
    said = np.repeat([[0.99, 0.01], [0.6, 0.4]], [6, 4], axis=0).astype(np.float32)
    view = View(10, said, points, labeled_embeddings=NOTHING)

    picks = registry.get("facility_location").select(view, 1, np.random.default_rng(seed))

    assert picks.positions[0] >= 6
    np.testing.assert_allclose(picks.scores, [1.6], rtol=1e-5)


def test_a_sample_stands_for_a_large_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facility, "SAMPLE", 100)
    rng = np.random.default_rng(0)
    view = View(
        1_000,
        rng.dirichlet(np.ones(3), 1_000).astype(np.float32),
        rng.normal(size=(1_000, 2)).astype(np.float32),
        labeled_embeddings=np.empty((0, 2), np.float32),
    )
    positions = registry.get("facility_location").select(view, 50, rng).positions
    assert len(np.unique(positions)) == 50
    assert positions.max() > 500
