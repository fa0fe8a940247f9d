"""What is kept no longer, on a real store."""

from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from service import orphans, retention
from service.errors import NotFound
from service.files import Files
from service.records import Example
from service.retention import KEPT_EVENTS
from service.rounds.advance import advance
from service.settings import Settings
from service.store import campaigns, events, jobs, uploads
from service.store.campaigns import NewCampaign
from service.store.database import Database, now
from service.store.jobs import NewJob
from service.store.schema import encoding, event_log, job, metadata, upload
from tests.filling import fill, seal
from tests.http.conftest import Served, filled, filled_once, served  # noqa: F401 - fixtures
from workers import door
from workers.context import Context
from workers.held import Held


def test_a_campaign_is_deleted_whole(served: Served, filled: str, tmp_path: Path) -> None:  # noqa: F811
    """Given two campaigns with the same texts, one with all that there can be, then of the deleted one no row stays,
    and the file store keeps what the other one names."""
    from tests.http.conftest import fill as fill_all

    api, other = served.api, fill_all(served, "the same texts")
    gone = fill_all(served, "to be deleted")
    with api.database.transaction() as connection:
        before = orphans.named(connection)
        assert retention.delete_campaign(connection, "to be deleted") == gone
        after = orphans.named(connection)
        for table in metadata.tables.values():
            if "campaign" in table.c:
                rows = select(func.count()).where(table.c.campaign == gone)
                assert connection.execute(rows).scalar_one() == 0, table.name
        with pytest.raises(NotFound):
            retention.delete_campaign(connection, gone)
    assert {name.split("/")[1] for name in before - after} == {gone}
    assert served.http.get(f"/v1/campaigns/{other}/curve").json()["points"]


def test_what_is_old_goes(database: Database) -> None:
    with database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
        advance(connection, id_)
        for key in ("old", "young", "at work"):
            jobs.add(connection, NewJob(id_, key, "seal", "cpu"))
            made = uploads.begin(connection, id_, "pool", key)
            if key != "at work":
                uploads.end(connection, made.id, "done", {"added": 1})
        ended = job.c.key.in_(["old", "young"])
        connection.execute(update(job).where(ended).values(state="done", ended_at=now()))
        for _ in range(KEPT_EVENTS + 5):
            events.record(connection, id_, "warning", text="old")
        long_ago = now() - 91 * 86_400
        connection.execute(update(event_log).values(at=long_ago))
        connection.execute(update(job).where(job.c.key == "old").values(ended_at=long_ago))
        connection.execute(
            update(upload).where(upload.c.key.in_(["old", "at work"])).values(seen_at=long_ago)
        )

    assert retention.prune(database, 0) == 0
    assert retention.prune(database, 90) == 1 + 1 + 5
    assert retention.prune(database, 90) == 0

    with database.reading() as connection:
        keys = set(connection.execute(select(job.c.key).where(job.c.campaign == id_)).scalars())
        assert {"young", "at work", "sync"} <= keys
        assert "old" not in keys
        assert {row.key for row in uploads.all_of(connection, id_)} == {"young", "at work"}
        assert len(events.since(connection, id_, 0, limit=1_000)) == KEPT_EVENTS


def test_encodings_go_with_the_last_shard_that_they_are_of(database: Database, tmp_path: Path) -> None:
    files = Files(tmp_path / "files")

    def paths() -> set[str]:
        with database.reading() as connection:
            return set(connection.execute(select(encoding.c.path)).scalars())

    with database.transaction() as connection:
        for name in ("one", "other"):
            id_ = campaigns.create(connection, NewCampaign(name, ["a", "b"], "none")).id
            fill(connection, files, id_, [Example(f"text {at}") for at in range(20)])
            seal(connection, files, id_)
        (content,) = {name.split("/")[1] for name in orphans.named(connection) if name.startswith("shards/")}
        values = {"encoder": "e", "rows": 20, "truncated": 0, "unknown_share": 0.0, "seconds": 1.0}
        connection.execute(insert(encoding).values(content=content, path="encodings/e/1", **values))
    for name in ("one", "other"):
        retention.prune(database, 90)
        assert paths() == {"encodings/e/1"}
        with database.transaction() as connection:
            retention.delete_campaign(connection, name)
    retention.prune(database, 90)
    assert paths() == set()


@pytest.mark.parametrize("end", ["effects", "fails"])
def test_a_job_of_a_deleted_campaign_ends(
    tmp_path: Path, valkey: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Given a campaign that is deleted while a worker has its job in hand, then the worker does the next one."""
    context = Context(Settings(data=str(tmp_path), redis_url=valkey))
    context.database.upgrade()
    with context.database.transaction() as connection:
        for name in ("one", "other"):
            id_ = campaigns.create(connection, NewCampaign(name, ["a", "b"], "none")).id
            jobs.add(connection, NewJob(id_, "seal:0", "seal", "cpu"))
    done: list[str] = []

    class Handler:
        @staticmethod
        def run(held: Held) -> None:
            with context.database.transaction() as connection:
                if campaigns.get(connection, held.campaign).name == "one":
                    retention.delete_campaign(connection, "one")
            if end == "fails":
                raise ValueError("at fault")
            with held.effects():
                done.append(held.campaign)

    monkeypatch.setattr(door, "_handler", lambda kind: Handler)
    assert door.work(context, "cpu")
    assert door.work(context, "cpu")
    assert not door.work(context, "cpu")
    assert done == ([id_] if end == "effects" else [])
    context.database.close()
    context.doorbell.redis.close()
