import math

import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.power import power


def test_is_the_logarithm_and_gumbel_noise() -> None:
    utilities = np.array([0.2, 0.1, 0.0])

    picks = power(utilities, 3, np.random.default_rng(5))

    noise = np.random.default_rng(5).gumbel(size=3)
    keys = [math.log(0.2) + noise[0], math.log(0.1) + noise[1]]
    order = [0, 1] if keys[0] > keys[1] else [1, 0]
    assert picks.positions.tolist() == [*order, 2]  # what is sure comes last
    np.testing.assert_allclose(picks.scores[:2], sorted(keys, reverse=True))
    assert picks.scores[2] < -700


def test_the_chance_is_in_proportion_to_the_utility() -> None:
    """Utilities 3 : 1, so the first comes first in 3 of 4 draws; the deviation of 4,000 is 0.7 %."""
    firsts = [int(power(np.array([0.6, 0.2]), 1, np.random.default_rng(s)).positions[0]) for s in range(4000)]

    assert np.mean(np.array(firsts) == 0) == pytest.approx(0.75, abs=0.025)


@pytest.mark.parametrize(
    ("name", "utility"),
    [
        ("power_margin", 0.5),
        ("power_entropy", math.log(4) - 0.75 * math.log(3)),
        ("power_bald", 0.5 * math.log(2)),
    ],
)
def test_each_has_its_utility(name: str, utility: float) -> None:
    """One example of (.75, .25). Of the committee two passes are sure and opposite, two are torn: ln 2 - ln 2 / 2."""
    committee = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.5, 0.5]], [[0.5, 0.5]]])
    view = View(1, probabilities=np.array([[0.75, 0.25]]), committee=committee)

    picks = registry.get(name).select(view, 1, np.random.default_rng(1))

    assert picks.scores[0] == pytest.approx(math.log(utility) + np.random.default_rng(1).gumbel())
