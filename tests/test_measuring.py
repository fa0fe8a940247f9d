"""Which examples a round is measured on."""

from types import SimpleNamespace
from typing import Any

from service.records import Place
from workers.jobs.train import _measuring


def test_a_holdout_example_whose_shard_is_not_encoded_waits_for_the_next_round() -> None:
    taken: list[Any] = [
        SimpleNamespace(role=role, shard=shard, row=row)
        for role, shard, row in [("hold-out", 0, 1), ("hold-out", 1, 2), ("control", 0, 3)]
    ]
    campaign: Any = SimpleNamespace(holdout_size=1)
    encoded: list[Any] = [SimpleNamespace(number=0, rows=10)]
    nobody: Any = None
    assert _measuring(nobody, campaign, taken, encoded, []) == [Place(0, 1)]
    tests: list[Any] = [SimpleNamespace(number=5, rows=2)]
    assert _measuring(nobody, campaign, taken, encoded, tests) == [Place(5, 0), Place(5, 1)]
