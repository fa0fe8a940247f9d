import numpy as np
import pytest

from strategies import prob_cover, registry
from strategies.base import View
from strategies.prob_cover import cover, purity_radius

# Two clusters, of 5 points (0 to 4) and of 3 (20 to 22).
LINE = np.array([[0], [1], [2], [3], [4], [20], [21], [22]], np.float32)
CLUSTER = np.array([0, 0, 0, 0, 0, 1, 1, 1], np.int32)
NOTHING = np.empty((0, 1), np.float32)


def test_the_radius_leaves_95_percent_of_the_balls_pure() -> None:
    """20 points at 0 to 19 with one of another cluster at 19: the others reach to it at 19, 18, ... 1."""
    line = np.arange(20, dtype=np.float32)[:, None]
    cluster = np.repeat([0, 1], [19, 1]).astype(np.int32)

    # Reaches are 1 (twice: 18 and 19), 2, 3, ... A ball of radius 1 is open and pure; one of 20 may be impure,
    # but at a radius above 1 two are.
    assert purity_radius(line, cluster, np.arange(20)) == 1
    # Of 0 to 17 the least reach is 2, and 5 % of 18 balls is less than one.
    assert purity_radius(line, cluster, np.arange(18)) == 2


def test_one_cluster_is_pure_however_large_the_ball() -> None:
    assert purity_radius(LINE, np.zeros(8, np.int32), np.arange(8)) == np.inf


@pytest.mark.parametrize("seed", range(5))
def test_covers_the_most_first(seed: int) -> None:
    """Open balls of radius 2.5: 2 has 5 points within, 21 has 3 (so have 20 and 22), and then all are covered."""
    positions, gains = cover(LINE, 2.5, np.ones(8, np.bool_), 3, np.random.default_rng(seed))

    assert positions[0] == 2
    assert positions[1] in (5, 6, 7)
    assert gains == [5, 3, 0]
    assert len(set(positions)) == 3


def test_a_ball_holds_its_own_example_alone_at_radius_0() -> None:
    doubles = np.zeros((3, 2), np.float32)

    assert cover(doubles, 0, np.ones(3, np.bool_), 3, np.random.default_rng(0))[1] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_what_a_label_covers_counts_no_more(seed: int) -> None:
    """Two classes, so the clusters above; reaches 20 .. 16, 16, 17, 18 make a radius of 16: a ball is a cluster."""
    labeled = np.array([[1.5]], np.float32)
    view = View(8, embeddings=LINE, labeled_embeddings=labeled, classes=2)

    picks = registry.get("prob_cover").select(view, 2, np.random.default_rng(seed))

    assert picks.positions[0] in (5, 6, 7)
    np.testing.assert_allclose(picks.scores, [3 / 8, 0])


def test_a_sample_stands_for_a_large_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prob_cover, "SAMPLE", 100)
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [300, 200, 100])
    points = (100 * group[:, None] + rng.random((600, 2))).astype(np.float32)
    view = View(600, embeddings=points, labeled_embeddings=np.empty((0, 2), np.float32), classes=3)

    picks = registry.get("prob_cover").select(view, 3, rng)

    assert group[picks.positions].tolist() == [0, 1, 2]
    assert picks.scores.sum() == pytest.approx(1)
