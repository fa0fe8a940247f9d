import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from strategies import registry
from strategies.badge import Gradients
from strategies.base import View

# Errors p - onehot: (-.5, .5), (-.5, .5), (.2, -.2); gradients (-.5, 0, .5, 0), (0, -1, 0, 1), (.2, .2, -.2, -.2).
PROBABILITIES = np.array([[0.5, 0.5], [0.5, 0.5], [0.2, 0.8]])
EMBEDDINGS = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])


def materialised(
    probabilities: NDArray[np.floating], embeddings: NDArray[np.floating]
) -> NDArray[np.float64]:
    errors = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    return (errors[:, :, None] * embeddings[:, None, :]).reshape(len(errors), -1)


def test_lengths_and_distances_of_gradients() -> None:
    gradients = Gradients(PROBABILITIES, EMBEDDINGS)

    np.testing.assert_allclose(gradients.squares, [0.5, 2.0, 0.16])
    rows = np.arange(3)
    np.testing.assert_allclose(gradients.to_nearest(rows, [0]), [0, 2.5, 2 * 0.49 + 2 * 0.04], atol=1e-12)
    np.testing.assert_allclose(gradients.to_nearest(rows, [1]), [2.5, 0, 2 * 0.04 + 2 * 1.44], atol=1e-12)
    np.testing.assert_allclose(gradients.to_nearest(rows[1:], [0, 2]), [2.5, 0], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_longest_gradient_first_and_doubles_last(seed: int) -> None:
    """Two examples of the longest gradient, one other: the double of the first pick has no chance before it."""
    view = View(3, probabilities=PROBABILITIES[[1, 0, 1]], embeddings=EMBEDDINGS[[1, 0, 1]])

    picks = registry.get("badge").select(view, 3, np.random.default_rng(seed))

    assert picks.positions.tolist() in ([0, 1, 2], [2, 1, 0])
    np.testing.assert_allclose(picks.scores, [1, 2 / 3, 1 / 3])


def test_is_k_means_plus_plus_on_the_gradients() -> None:
    """After the longest of 8 gradients the next two come as often as k-means++ says, which takes pairs in turn."""
    rng = np.random.default_rng(1)
    probabilities, points = rng.dirichlet(np.ones(3), 8), rng.normal(size=(8, 4))
    gradients = materialised(probabilities, points)
    apart = np.square(gradients[:, None] - gradients).sum(axis=2)
    first = int(np.square(gradients).sum(axis=1).argmax())
    expected = np.zeros((8, 8))
    for second in range(8):
        gaps = np.minimum(apart[first], apart[second])
        if second != first:
            expected[second] = apart[first, second] / apart[first].sum() * gaps / gaps.sum()

    times, found = 3_000, np.zeros((8, 8))
    for seed in range(times):
        view = View(8, probabilities=probabilities, embeddings=points)
        picks = registry.get("badge").select(view, 3, np.random.default_rng(seed)).positions
        assert picks[0] == first
        found[picks[1], picks[2]] += 1

    sure = expected * times > 5
    chi = (np.square(found - expected * times)[sure] / (expected * times)[sure]).sum()
    assert chi < stats.chi2.ppf(0.999, sure.sum() - 1)


def test_every_double_comes_in_the_end() -> None:
    """Of 5,000 examples with three gradients all are taken, each once, and one of each gradient first."""
    which = np.arange(5_000) % 3
    view = View(5_000, probabilities=PROBABILITIES[which], embeddings=EMBEDDINGS[which])

    picks = registry.get("badge").select(view, 5_000, np.random.default_rng(0)).positions

    assert sorted(picks.tolist()) == list(range(5_000))
    assert set(which[picks[:3]].tolist()) == {0, 1, 2}
