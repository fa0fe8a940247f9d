import math

import numpy as np

from strategies import registry
from strategies.base import View
from strategies.density import similarity

# Two alike whatever their length, one at right angles, one opposite, one of zeros.
EMBEDDINGS = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, 0.0]])


def test_similarity_is_the_mean_cosine_to_all() -> None:
    np.testing.assert_allclose(similarity(EMBEDDINGS), [1 / 5, 1 / 5, 1 / 5, -1 / 5, 0])


def test_similarity_without_the_table_of_all_pairs() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 7)) + 0.5
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    np.testing.assert_allclose(similarity(rows), (unit @ unit.T).mean(axis=1))


def test_an_outlier_gives_way() -> None:
    """Margin utilities .5, .4, .6; the mean cosines of two at 45 degrees to each other and an opposite one."""
    probabilities = np.array([[0.75, 0.25], [0.8, 0.2], [0.7, 0.3]])
    embeddings = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    view = View(3, probabilities=probabilities, embeddings=embeddings)

    picks = registry.get("density_margin").select(view, 3, np.random.default_rng(0))

    root = math.sqrt(0.5)
    assert picks.positions.tolist() == [1, 0, 2]
    np.testing.assert_allclose(
        picks.scores, [0.4 * (root + 1 - root) / 3, 0.5 * (1 + root - 1) / 3, 0], atol=1e-9
    )
