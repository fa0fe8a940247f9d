import numpy as np
import pytest

from strategies import registry
from strategies.base import View

# A cluster of three with its mean at 1, one of five with its mean at 102.
LINE = np.array([[0.0], [1.0], [2.0], [100], [101], [102], [103], [104]], np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_takes_the_middle_of_each_cluster_the_largest_first(seed: int) -> None:
    picks = registry.get("kmeans").select(View(8, embeddings=LINE), 2, np.random.default_rng(seed))

    assert picks.positions.tolist() == [5, 1]
    np.testing.assert_allclose(picks.scores, [5 / 8, 3 / 8])


def test_doubles_share_a_cluster() -> None:
    doubles = np.array([[0.0], [0.0], [0.0], [9.0]], np.float32)

    picks = registry.get("kmeans").select(View(4, embeddings=doubles), 4, np.random.default_rng(0))

    # Two clusters only: both give one, then the larger goes on.
    assert picks.positions[1] == 3
    np.testing.assert_allclose(picks.scores, [3 / 4, 1 / 4, 3 / 4 - 1, 3 / 4 - 2])
