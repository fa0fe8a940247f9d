"""The queue's new order, on a real store: what may be on somebody's screen stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.records import Example
from service.settings import Settings
from service.store import campaigns, jobs, selections
from service.store.campaigns import NewCampaign
from service.store.database import Database
from service.store.jobs import NewJob
from tests.filling import fill, seal
from workers import selection, situation
from workers.context import Context
from workers.held import Held
from workers.jobs import rerank


def test_the_head_is_the_one_of_the_moment_that_the_order_changes(
    valkey: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given 60 open tasks whose first 20 are answered while the new order is made, then the next 20 stay as they were,
    and others behind them give way."""
    context = Context(Settings(data=str(tmp_path / "data"), database_url=database.url, redis_url=valkey))
    with database.transaction() as connection:
        new = NewCampaign("one", ["a", "b"], "none", strategy="random", random_share=0.0)
        id_ = campaigns.create(connection, new).id
        fill(connection, context.files, id_, [Example(f"text {at}") for at in range(400)])
        seal(connection, context.files, id_)
        now = situation.load(connection, context.files, campaigns.get(connection, id_), 0)
        picks = selection.batch(now, 60, "random", np.random.default_rng(0))
        selections.choose(connection, id_, 1, 0, selection.describe(context.files, now, picks, range(60)))
        rows = selections.in_states(connection, id_, ["chosen"])
        selections.opened(connection, {row.id: 100 + row.place for row in rows})
        jobs.add(connection, NewJob(id_, "rerank:0", "rerank", "cpu", {"round": 0}))
        claim = jobs.claim(connection, "cpu", "test")
    describe = selection.describe

    def meanwhile(*given: Any) -> Any:
        with database.transaction() as connection:
            head = selections.in_states(connection, id_, ["open"])[:20]
            selections.move(connection, [row.id for row in head], "answered")
        return describe(*given)

    monkeypatch.setattr(selection, "describe", meanwhile)
    assert claim is not None
    with Held(context, claim) as held:
        rerank.run(held)
    with database.reading() as connection:
        open_ = {row.task: row.place for row in selections.in_states(connection, id_, ["open"])}
        leaving = selections.in_states(connection, id_, ["withdrawing"])
        chosen = selections.in_states(connection, id_, ["chosen"])
    assert {task: place for task, place in open_.items() if task < 140} == {
        120 + at: 20 + at for at in range(20)
    }
    assert leaving
    assert min(row.place for row in leaving) >= 40
    assert len(chosen) == len(leaving)
    context.database.close()
    context.doorbell.redis.close()
