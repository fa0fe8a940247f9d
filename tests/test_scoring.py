"""Which examples a round scores, on a real store and real shards."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.pool import pool
from service.records import Campaign, Example
from service.settings import Settings
from service.store import campaigns, jobs, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.database import Database
from service.store.jobs import NewJob
from tests.filling import encode, fill, seal
from workers import scoring, selection, situation
from workers.candidates import Probe
from workers.context import Context
from workers.held import Held
from workers.situation import Situation

UNSURE = Probe("spans", np.eye(2, 1, dtype=np.float32), np.zeros(1, np.float32))
"""Guesses the first number of an embedding, which is here the row's share of its shard."""


def word(number: int) -> str:
    """Texts that differ in numbers alone count as near: this one has none."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


@dataclass
class World:
    context: Context
    id: str

    def add(self, count: int, name: str) -> None:
        """Post, seal and encode so many texts."""
        files = self.context.files
        with self.context.database.transaction() as connection:
            fill(connection, files, self.id, [Example(f"{name} {word(at)}") for at in range(count)])
            for number in seal(connection, files, self.id):
                row = pool.shard_row(connection, self.id, number)
                share = np.linspace(0, 1, row.rows)
                encode(connection, files, self.id, number, np.stack([share, 1 - share], axis=1))

    def look(self) -> tuple[Campaign, Situation]:
        with self.context.database.reading() as connection:
            campaign = campaigns.get(connection, self.id)
            return campaign, situation.load(connection, self.context.files, campaign, 0)

    def ask(self, count: int) -> NDArray[np.int64]:
        """Put so many into the queue; their positions."""
        _, now = self.look()
        picks = selection.batch(now, count, "random", np.random.default_rng(0))
        chosen = selection.describe(self.context.files, now, picks, range(count))
        with self.context.database.transaction() as connection:
            selections.choose(connection, self.id, 1, 0, chosen)
        return np.array([pick.position for pick in picks if pick.role != "hold-out"])

    def plan(self, number: int, count: int) -> tuple[str, list[int], int]:
        campaign, _ = self.look()
        with self.context.database.transaction() as connection:
            encoded = list(rounds.encodings(connection, self.id, "tiny"))
            rounds.start(
                connection,
                self.id,
                number,
                label_version=0,
                labels=0,
                shards=encoded,
                strategy="auto",
                seed=1,
            )
            jobs.add(connection, NewJob(self.id, f"train:{number}", "train", "gpu", {"round": number}))
            claim = jobs.claim(connection, "gpu", "test")
            round_ = rounds.get(connection, self.id, number)
        assert claim is not None
        planned = scoring.plan(Held(self.context, claim), campaign, round_, count, lambda: UNSURE)
        with self.context.database.transaction() as connection:
            rounds.change(connection, self.id, number, candidates=planned[0], shards=planned[1])
        return planned


@pytest.fixture
def world(valkey: str, database: Database, tmp_path: Path) -> Iterator[World]:
    context = Context(Settings(data=str(tmp_path / "data"), database_url=database.url, redis_url=valkey))
    with database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none", seed=4)).id
        campaigns.change(connection, id_, encoder="tiny")
    yield World(context, id_)
    context.database.close()
    context.doorbell.redis.close()


def test_all_that_may_train_is_scored_where_there_is_time(world: World) -> None:
    world.add(60, "one")
    asked = world.ask(20)
    folder, shards, count = world.plan(1, 1_000)
    rows = scoring.rows(world.context.files, folder, 0)
    _, now = world.look()
    assert shards == [0]
    assert count == len(rows)
    assert set(asked) <= set(rows)
    assert not now.near[rows].any(), "what measures or is like it is not scored"
    assert len(rows) >= 40


def test_candidates_out_of_several_shards_and_what_was_scored_is_remembered(world: World) -> None:
    world.add(300, "one")
    world.add(200, "two")
    asked = world.ask(20)
    folder, shards, count = world.plan(1, 120)
    files = world.context.files
    assert count == 120
    assert shards == [0, 1]
    first, second = (scoring.rows(files, folder, number) for number in shards)
    assert {at for at in asked if at < 300} <= set(first)
    assert np.median(first) > 200, "most are what the probe is unsure of"
    world.add(100, "three")
    again, shards, count = world.plan(2, 120)
    assert count == 120
    last = np.load(files.path(again) / scoring.LAST)
    assert len(last) == 600
    assert set(np.unique(last)) == {0, 1, 2}
    kept = np.concatenate([first, 300 + second])
    assert set(np.flatnonzero(last == 1)) <= set(kept), "an earlier round is remembered by shard and row"
