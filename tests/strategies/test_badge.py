import numpy as np
import pytest
from numpy.typing import NDArray

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
    np.testing.assert_allclose(gradients.squared_distances(0), [0, 2.5, 2 * 0.49 + 2 * 0.04])
    np.testing.assert_allclose(gradients.squared_distances(1), [2.5, 0, 2 * 0.04 + 2 * 1.44])


@pytest.mark.parametrize("seed", range(5))
def test_the_longest_gradient_first_and_doubles_last(seed: int) -> None:
    """Two examples of the longest gradient, one other: the double of the first pick has no chance before it."""
    view = View(3, probabilities=PROBABILITIES[[1, 0, 1]], embeddings=EMBEDDINGS[[1, 0, 1]])

    picks = registry.get("badge").select(view, 3, np.random.default_rng(seed))

    assert picks.positions.tolist() in ([0, 1, 2], [2, 1, 0])
    np.testing.assert_allclose(picks.scores, [1, 2 / 3, 1 / 3])


@pytest.mark.parametrize("seed", range(5))
def test_is_k_means_plus_plus_on_the_gradients(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = View(300, probabilities=rng.dirichlet(np.ones(6), 300), embeddings=rng.normal(size=(300, 10)))
    assert view.probabilities is not None
    assert view.embeddings is not None

    picks = registry.get("badge").select(view, 40, np.random.default_rng(seed))

    gradients = materialised(view.probabilities, view.embeddings)
    draw = np.random.default_rng(seed)
    expected = [int(draw.choice([np.square(gradients).sum(axis=1).argmax()]))]
    for _ in range(39):
        gaps = np.square(gradients[:, None] - gradients[None, expected]).sum(axis=2).min(axis=1)
        expected.append(int(draw.choice(300, p=gaps / gaps.sum())))
    assert picks.positions.tolist() == expected
