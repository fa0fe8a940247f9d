"""Jobs on a real SQLite file: who gets what, who loses it, and that every effect happens once."""

import random
import threading
import time

import pytest
from sqlalchemy import Connection, insert, select, update

from service.errors import LeaseLost
from service.store import campaigns, events, jobs
from service.store.campaigns import NewCampaign
from service.store.database import Database, clock, now
from service.store.jobs import Claim, NewJob
from service.store.schema import event_log, job


def a_campaign(connection: Connection, name: str = "one") -> str:
    return campaigns.create(connection, NewCampaign(name=name, labels=["a", "b"], model="m")).id


def a_job(campaign: str, key: str, **more: object) -> NewJob:
    return NewJob(**({"campaign": campaign, "key": key, "kind": "seal", "queue": "cpu"} | more))  # type: ignore[arg-type]


def claimed(connection: Connection, queue: str = "cpu") -> Claim:
    claim = jobs.claim(connection, queue, "me")
    assert claim is not None
    return claim


def expire(connection: Connection, claim: Claim) -> None:
    connection.execute(update(job).where(job.c.id == claim.id).values(lease_until=now() - 1))


def row(connection: Connection, claim: Claim) -> dict[str, object]:
    return dict(connection.execute(select(job).where(job.c.id == claim.id)).one()._mapping)


def test_the_same_work_is_written_down_once(connection: Connection) -> None:
    campaign = a_campaign(connection)
    assert jobs.add(connection, a_job(campaign, "seal:1"))
    assert not jobs.add(connection, a_job(campaign, "seal:1"))


def test_a_slot_holds_one_unfinished_job(connection: Connection) -> None:
    campaign, other = a_campaign(connection), a_campaign(connection, "two")
    assert jobs.add(connection, a_job(campaign, "select:1", slot="select"))
    assert not jobs.add(connection, a_job(campaign, "select:2", slot="select"))
    assert jobs.add(connection, a_job(other, "select:1", slot="select"))
    first = claimed(connection)
    assert not jobs.add(connection, a_job(campaign, "select:2", slot="select"))
    jobs.finish(connection, first)
    assert jobs.add(connection, a_job(first.campaign, "select:2", slot="select"))


def test_claims_go_by_priority_then_by_the_campaigns_turn(connection: Connection) -> None:
    one, two = a_campaign(connection), a_campaign(connection, "two")
    for key in ("a", "b"):
        jobs.add(connection, a_job(one, key))
    jobs.add(connection, a_job(two, "c"))
    jobs.add(connection, a_job(two, "urgent", priority=1))
    taken = []
    for _ in range(4):
        taken.append(claimed(connection))
        time.sleep(0.002)  # SQLite's clock counts milliseconds, and whose turn it is goes by it
    assert [claim.campaign for claim in taken] == [two, one, two, one]
    assert jobs.claim(connection, "cpu", "me") is None
    assert jobs.claim(connection, "gpu", "me") is None


def test_workers_are_told_again_after_a_clock_was_put_back(connection: Connection) -> None:
    jobs.add(connection, a_job(a_campaign(connection), "k"))
    assert jobs.due(connection) == ["cpu"]
    assert jobs.due(connection) == []
    connection.execute(update(job).values(pushed_at=now() + 3600))
    assert jobs.due(connection) == ["cpu"]


def test_a_clock_that_is_put_back_makes_nobody_wait(connection: Connection) -> None:
    """Given one job that is due, and one whose lease ends, an hour ahead, then the first is claimed, and the second is
    when its worker has been silent for a lease."""
    campaign = a_campaign(connection)
    for key in ("silent", "waiting"):
        jobs.add(connection, a_job(campaign, key))
    silent = claimed(connection)
    connection.execute(update(job).values(not_before=now() + 3600, lease_until=now() + 3600))
    assert jobs.claim(connection, "cpu", "me") is None
    assert jobs.expire(connection) == 0
    assert claimed(connection).id != silent.id
    assert clock(connection) < row(connection, silent)["lease_until"] <= clock(connection) + jobs.LEASE_S


def test_a_zombie_can_neither_renew_nor_finish(connection: Connection) -> None:
    jobs.add(connection, a_job(a_campaign(connection), "k"))
    zombie = claimed(connection)
    jobs.renew(connection, zombie, {"done": 1})
    expire(connection, zombie)
    heir = claimed(connection)
    assert (heir.id, heir.epoch, heir.attempts) == (zombie.id, 2, 2)
    with pytest.raises(LeaseLost):
        jobs.renew(connection, zombie)
    with pytest.raises(LeaseLost):
        jobs.finish(connection, zombie)
    jobs.finish(connection, heir, {"rows": 3})
    assert row(connection, heir)["result"] == {"rows": 3}


def test_due_rings_once_for_each_job_and_again_for_silent_workers(connection: Connection) -> None:
    campaign = a_campaign(connection)
    jobs.add(connection, a_job(campaign, "a"))
    jobs.add(connection, a_job(campaign, "b"))
    assert jobs.due(connection) == ["cpu", "cpu"]
    assert jobs.due(connection) == []
    first = claimed(connection)
    expire(connection, first)
    assert (jobs.expire(connection), jobs.expire(connection)) == (1, 0)
    assert jobs.due(connection) == ["cpu"]
    assert row(connection, first)["state"] == "ready"
    with pytest.raises(LeaseLost):
        jobs.finish(connection, first)


def test_a_job_whose_workers_keep_dying_fails(connection: Connection) -> None:
    jobs.add(connection, a_job(a_campaign(connection), "deadly", max_attempts=2))
    for _ in range(2):
        claim = claimed(connection)
        expire(connection, claim)
        assert jobs.expire(connection) == 1
    assert row(connection, claim)["state"] == "failed"


def test_failures_are_retried_later_and_end(connection: Connection) -> None:
    campaign = a_campaign(connection)
    jobs.add(connection, a_job(campaign, "k", max_attempts=2))
    first = claimed(connection)
    assert not jobs.fail(connection, first, "boom")
    assert jobs.claim(connection, "cpu", "me") is None
    connection.execute(update(job).values(not_before=now()))
    assert jobs.fail(connection, claimed(connection), "boom again")
    assert row(connection, first)["error"] == "boom again"
    assert not jobs.add(connection, a_job(campaign, "k"))
    connection.execute(update(job).values(ended_at=now() - jobs.FAILED_REST_S - 1))
    assert jobs.add(connection, a_job(campaign, "k", args={"as": "asked now"}))
    again = claimed(connection)
    assert (again.id, again.args) == (first.id, {"as": "asked now"})


def test_a_coming_back_job_comes_back(connection: Connection) -> None:
    campaign = a_campaign(connection)
    jobs.add(connection, a_job(campaign, "sync", kind="sync", queue="sync"))
    turn = claimed(connection, "sync")
    jobs.rearm(connection, turn, 60)
    assert jobs.claim(connection, "sync", "me") is None
    jobs.hint(connection, campaign, "sync")
    assert jobs.due(connection) == ["sync"]
    again = claimed(connection, "sync")
    assert (again.id, again.epoch, again.attempts) == (turn.id, 2, 1)


def test_a_hint_in_the_midst_of_a_turn_is_not_lost(connection: Connection) -> None:
    campaign = a_campaign(connection)
    jobs.add(connection, a_job(campaign, "sync", kind="sync", queue="sync"))
    turn = claimed(connection, "sync")
    time.sleep(0.005)
    jobs.hint(connection, campaign, "sync")
    jobs.rearm(connection, turn, 60)
    wait_s = connection.execute(select(job.c.not_before - now())).scalar_one()
    assert wait_s <= jobs.HINT_S


def test_every_effect_happens_once_whatever_workers_do(database: Database) -> None:
    """Given six workers that crash, freeze past their lease and come back, then each job's effect is there once."""
    with database.transaction() as connection:
        campaign = a_campaign(connection)
        for number in range(60):
            jobs.add(connection, a_job(campaign, f"k{number}", max_attempts=1000))
    rng = random.Random(7)
    fates = [rng.random() for _ in range(10_000)]
    finished = threading.Event()

    def worker(name: str) -> None:
        while not finished.is_set():
            with database.transaction() as connection:
                claim = jobs.claim(connection, "cpu", name, lease_s=0.05)
            if claim is None:
                time.sleep(0.01)
                continue
            fate = fates.pop()
            if fate < 0.2:
                continue  # dies
            if fate < 0.4:
                time.sleep(0.08)  # freezes past its lease
            try:
                with database.transaction() as connection:
                    connection.execute(
                        insert(event_log).values(
                            campaign=campaign, at=now(), kind="effect", data={"job": claim.id}
                        )
                    )
                    jobs.finish(connection, claim)
            except LeaseLost:
                pass

    threads = [threading.Thread(target=worker, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    try:
        while True:
            with database.transaction() as connection:
                jobs.expire(connection)
                jobs.due(connection)
                if not jobs.unfinished(connection, campaign):
                    break
            time.sleep(0.02)
    finally:
        finished.set()
        for thread in threads:
            thread.join()
    with database.transaction() as connection:
        effects = [event["data"]["job"] for event in events.since(connection, campaign, 0)]
    assert sorted(effects) == sorted(set(effects))
    assert len(effects) == 60
