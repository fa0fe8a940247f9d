import math

import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.cal import contrast


def test_contrast_is_the_mean_divergence_of_the_neighbours() -> None:
    """Two labeled examples, so both are neighbours: KL((.5, .5) ‖ p) and KL((1, 0) ‖ p) of p = (.25, .75)."""
    found = contrast(
        np.array([[0.25, 0.75]]), np.zeros((1, 2)), np.array([[0.5, 0.5], [1.0, 0.0]]), np.ones((2, 2))
    )

    of_half = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert found[0] == pytest.approx((of_half + math.log(4)) / 2)


def test_ten_neighbours_are_asked() -> None:
    """Ten at 1 agree with the candidate, those farther off do not."""
    labeled = np.repeat([1.0, 5.0], [10, 30])[:, None]
    opinions = np.repeat([[0.5, 0.5], [1.0, 0.0]], [10, 30], axis=0)

    assert contrast(np.array([[0.5, 0.5]]), np.zeros((1, 1)), opinions, labeled)[0] == pytest.approx(
        0, abs=1e-9
    )
    # From the other side the ten nearest are among the thirty: KL((1, 0) ‖ (.5, .5)) = ln 2.
    assert contrast(np.array([[0.5, 0.5]]), np.full((1, 1), 9.0), opinions, labeled)[0] == pytest.approx(
        math.log(2)
    )


def test_chooses_what_its_neighbours_contradict() -> None:
    view = View(
        3,
        probabilities=np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]], np.float32),
        embeddings=np.zeros((3, 2), np.float32),
        labeled_probabilities=np.array([[0.9, 0.1]], np.float32),
        labeled_embeddings=np.zeros((1, 2), np.float32),
    )

    picks = registry.get("cal").select(view, 3, np.random.default_rng(0))

    assert picks.positions.tolist() == [1, 2, 0]
    of_half = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    np.testing.assert_allclose(picks.scores, [0.8 * math.log(9), of_half, 0], atol=1e-6)


def test_a_probability_of_0_is_a_small_one() -> None:
    found = contrast(np.array([[0.0, 1.0]]), np.zeros((1, 1)), np.array([[1.0, 0.0]]), np.zeros((1, 1)))

    assert found[0] == pytest.approx(-math.log(1e-12))
