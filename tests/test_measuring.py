"""Which examples a round is measured on."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from service.records import Place
from workers.material import _measuring
from workers.situation import CONTROL, HOLD_OUT, TRAIN, Pool, zones


def pool(rows: int, leaders: dict[int, int]) -> Pool:
    """Shards 0 and 1 of so many rows each; some follow others."""
    leader = np.arange(2 * rows)
    leader[list(leaders)] = list(leaders.values())
    keys = np.random.default_rng(0).integers(2**62, size=2 * rows)
    return Pool({0: "a", 1: "b"}, np.repeat([0, 1], rows), np.tile(np.arange(rows), 2), keys, leader)


def test_a_holdout_example_whose_shard_is_not_encoded_waits_for_the_next_round() -> None:
    taken: list[Any] = [
        SimpleNamespace(role=role, shard=shard, row=row)
        for role, shard, row in [("hold-out", 0, 1), ("hold-out", 1, 2), ("control", 0, 3)]
    ]
    campaign: Any = SimpleNamespace(holdout_size=1)
    encoded: dict[int, Any] = {0: None}
    whole = pool(10, {})
    assert _measuring(campaign, taken, whole, encoded, []) == [Place(0, 1)]
    tests: list[Any] = [SimpleNamespace(number=5, rows=2)]
    assert _measuring(campaign, taken, whole, encoded, tests) == [Place(5, 0), Place(5, 1)]


def test_who_is_drawn_next_measures() -> None:
    campaign: Any = SimpleNamespace(holdout_size=3, seed=1, random_share=1.0)
    whole = pool(10, {})
    first = _measuring(campaign, [], whole, {0: None}, [])
    assert len(first) == 3
    assert {place.shard for place in first} == {0}
    assert first[0] == Place(0, int(np.argmin(whole.draws(1, 1.0)[:10])))


def test_near_duplicates_share_a_zone_and_each_is_as_likely_to_be_drawn() -> None:
    """Given 20,000 examples in kinds of one to five, then zones are those of the leaders, and below any draw within a
    zone there are as many of those who follow as of those who lead, in proportion."""
    rows, share = 10_000, 0.1
    leaders = {at: at - at % 5 for at in range(10_000) if at % 5}
    whole = pool(rows, leaders)
    drawn = whole.draws(3, 2 * share)
    zone = zones(drawn, 2 * share, 1)
    assert (zone == zone[whole.leaders]).all()
    for which, low, high in ((HOLD_OUT, 0, share), (CONTROL, share, 2 * share), (TRAIN, 2 * share, 1)):
        for among in (whole.leading, ~whole.leading):
            inside = (drawn[among & (zone == which)] - low) / (high - low)
            assert inside.min() >= 0
            assert inside.max() < 1
            assert inside.mean() == pytest.approx(0.5, abs=0.04)
