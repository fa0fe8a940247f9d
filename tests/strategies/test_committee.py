import math

import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.committee import mutual_information, variation_ratio

LN2 = math.log(2)
# Two passes over four examples: sure and opposite, unsure and agreed, half sure and opposite, sure and agreed.
COMMITTEE = np.array([[[1, 0], [0.5, 0.5], [0.75, 0.25], [1, 0]], [[0, 1], [0.5, 0.5], [0.25, 0.75], [1, 0]]])
HALF_SURE = LN2 - (0.75 * math.log(4 / 3) + 0.25 * math.log(4))


def test_mutual_information_is_disagreement_and_not_doubt() -> None:
    np.testing.assert_allclose(mutual_information(COMMITTEE), [LN2, 0, HALF_SURE, 0], atol=1e-12)


def test_bald_chooses_by_it() -> None:
    picks = registry.get("bald").select(View(4, committee=COMMITTEE), 2, np.random.default_rng(0))

    assert picks.positions.tolist() == [0, 2]
    np.testing.assert_allclose(picks.scores, [LN2, HALF_SURE])


def test_variation_ratio_counts_votes() -> None:
    # Votes of five passes: 0 0 1 2 2; 0 0 0 0 1; all 1.
    votes = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 1], [2, 0, 1], [2, 1, 1]])
    committee = 0.1 + 0.7 * np.eye(3)[votes]  # (5, 3, 3)

    np.testing.assert_allclose(variation_ratio(committee), [3 / 5, 1 / 5, 0])


@pytest.mark.parametrize("seed", range(5))
def test_equal_votes_go_by_the_mean(seed: int) -> None:
    """All agree, on 0.9, 0.6, 0.7; the last one is voted on."""
    committee = np.array(
        [[[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2]], [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0, 1]]]
    )

    picks = registry.get("variation_ratio").select(
        View(4, committee=committee), 4, np.random.default_rng(seed)
    )

    assert picks.positions.tolist() == [3, 1, 2, 0]
    assert picks.scores.tolist() == [0.5, 0, 0, 0]
