"""Which examples a round is measured on."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from service.records import Place
from workers.jobs.train import _measuring
from workers.situation import Pool


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


def test_who_is_drawn_next_measures_and_no_near_duplicate_is_drawn() -> None:
    campaign: Any = SimpleNamespace(holdout_size=3, seed=1, random_share=1.0)
    whole = pool(10, {})
    first = _measuring(campaign, [], whole, {0: None}, [])
    assert len(first) == 3
    assert {place.shard for place in first} == {0}
    lowest = int(np.argmin(whole.draws(1)[:10]))
    assert first[0] == Place(0, lowest)
    other = (lowest + 1) % 10
    repeating = pool(10, {lowest: other})
    assert Place(0, lowest) not in _measuring(campaign, [], repeating, {0: None}, [])
    assert repeating.draws(1)[lowest] == repeating.draws(1)[other]
