"""A job in hand, on PostgreSQL, where transactions wait for each other's rows."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from service.rounds.advance import changing
from service.settings import Settings
from service.store import campaigns, jobs
from service.store.campaigns import NewCampaign
from service.store.database import Database
from service.store.jobs import NewJob
from tests.postgresql import PostgreSQL
from workers.context import Context
from workers.held import Held

WITHIN_S = 30.0


@pytest.mark.parametrize("way", ["effects", "step"])
def test_a_job_and_the_api_change_a_campaign_at_the_same_time(
    way: str, postgresql: PostgreSQL, valkey: str, tmp_path: Path
) -> None:
    """Given the API in the middle of a change when a job comes to write, and the API then reaching for that job, then
    neither is given up for the other."""
    context = Context(Settings(data=str(tmp_path), database_url=postgresql.new(), redis_url=valkey))
    with context.database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
        jobs.add(connection, NewJob(id_, "sync", "sync", "sync"))
        claim = jobs.claim(connection, "sync", "me")
    assert claim is not None
    held = Held(context, claim)

    def write() -> None:
        with held.effects(rearm_s=60) if way == "effects" else held.step():
            pass

    job = threading.Thread(target=write)
    with changing(context.database, context.doorbell, id_) as (connection, _):
        job.start()
        wait_for_a_lock(context.database)
        jobs.hint(connection, id_, "sync")
    job.join(WITHIN_S)
    with context.database.reading() as connection:
        (found,) = jobs.unfinished(connection, id_)
    assert (found.state, found.epoch) == ("ready" if way == "effects" else "running", claim.epoch)
    if way == "effects":
        assert found.not_before < found.claimed_at + WITHIN_S  # the hint is heard
    context.database.close()
    context.doorbell.redis.close()


def wait_for_a_lock(database: Database) -> None:
    """Until some transaction waits for another's row."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        with database.reading() as connection:
            if connection.execute(waiting).scalar():
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")
