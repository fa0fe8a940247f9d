"""Jobs: a row, a claim with a lease and an epoch, effects committed together with the job's end.

Redis only wakes workers; all that is true of a job stands here. A worker that lost its lease learns of it at
its next renewal or commit, and whatever it wrote under its epoch is never named by anyone.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select, update

from service.errors import LeaseLost
from service.store.database import insert_new, now
from service.store.schema import job

LEASE_S = 30.0
RING_AGAIN_S = 30.0
RETRY_BASE_S = 2.0
RETRY_CAP_S = 60.0
FAILED_REST_S = 300.0
HINT_S = 0.5
LONGEST_WAIT_S = 120.0
"""No job is made to wait for longer."""


class NewJob(msgspec.Struct, frozen=True):
    """Work to be done once. `key` is its natural key within the campaign."""

    campaign: str
    key: str
    kind: str
    queue: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    slot: str | None = None
    priority: int = 5
    max_attempts: int = 5


class Claim(msgspec.Struct, frozen=True):
    """A job that is ours while its lease is renewed."""

    id: int
    campaign: str
    kind: str
    epoch: int
    attempts: int
    args: dict[str, Any]


def add(connection: Connection, new: NewJob) -> bool:
    """Write the job down; False where its key is known already or its slot is taken.

    A job that failed for good is tried anew, as it is asked for now, when it is asked for again after FAILED_REST_S.
    """
    values = {
        "campaign": new.campaign,
        "key": new.key,
        "kind": new.kind,
        "queue": new.queue,
        "slot": f"{new.campaign}:{new.slot}" if new.slot else None,
        "priority": new.priority,
        "args": new.args,
        "state": "ready",
        "epoch": 0,
        "attempts": 0,
        "max_attempts": new.max_attempts,
        "not_before": now(),
        "made_at": now(),
    }
    if (
        connection.execute(insert_new(connection, job).values(**values).returning(job.c.id)).first()
        is not None
    ):
        return True
    failed = and_(job.c.campaign == new.campaign, job.c.key == new.key, job.c.state == "failed")
    again = update(job).where(failed, ~job.c.ended_at.between(now() - FAILED_REST_S, now()))
    return bool(
        connection.execute(
            again.values(state="ready", attempts=0, args=new.args, not_before=now(), pushed_at=None)
        ).rowcount
    )


def ask(connection: Connection, campaign: str, kind: str, queue: str) -> Row[Any]:
    """Have a job done that people ask for, one at a time: the new one, or the one that is not done yet."""
    before = of_kind(connection, campaign, kind)
    number = 1 + int(before[-1].key.partition(":")[2]) if before else 1
    add(connection, NewJob(campaign, f"{kind}:{number}", kind, queue, slot=kind, priority=8))
    return of_kind(connection, campaign, kind)[-1]


def claim(connection: Connection, queue: str, owner: str, lease_s: float = LEASE_S) -> Claim | None:
    """Take the best ready job of a queue: by priority, then the campaign that was served longest ago, then age."""
    served = (
        select(job.c.campaign, func.max(job.c.claimed_at).label("at"))
        .where(job.c.queue == queue)
        .group_by(job.c.campaign)
        .subquery("served")
    )
    claimable = and_(
        job.c.not_before <= now(),
        or_(job.c.state == "ready", and_(job.c.state == "running", job.c.lease_until < now())),
    )
    best = (
        select(job.c.id)
        .join(served, served.c.campaign == job.c.campaign)
        .where(job.c.queue == queue, claimable)
        .order_by(job.c.priority, func.coalesce(served.c.at, 0), job.c.not_before, job.c.id)
        .limit(1)
        .with_for_update(of=job, skip_locked=True)
    )
    while (id_ := connection.execute(best).scalar()) is not None:
        taken = connection.execute(
            update(job)
            .where(job.c.id == id_, claimable)
            .values(
                state="running",
                epoch=job.c.epoch + 1,
                attempts=job.c.attempts + 1,
                claimed_at=now(),
                lease_until=now() + lease_s,
                owner=owner,
                progress=None,
            )
            .returning(job.c.id, job.c.campaign, job.c.kind, job.c.epoch, job.c.attempts, job.c.args)
        ).one_or_none()
        if taken is not None:
            return Claim(*taken)
    return None


def renew(connection: Connection, held: Claim, progress: Any = None, lease_s: float = LEASE_S) -> None:
    """Hold on to the job, and say how far it is; raises LeaseLost."""
    _owned(connection, held, lease_until=now() + lease_s, progress=progress)


def finish(connection: Connection, held: Claim, result: Any = None) -> None:
    """End the job; call it in the transaction that writes its effects. Raises LeaseLost."""
    _owned(connection, held, state="done", result=result, ended_at=now(), lease_until=now(), error=None)


def rearm(connection: Connection, held: Claim, in_s: float, error: str | None = None) -> None:
    """End this turn of a job that comes back for ever; raises LeaseLost.

    A hint that came while it ran has set `not_before` later than the claim: then it is due almost at once.
    """
    hinted = job.c.not_before > job.c.claimed_at
    _owned(
        connection,
        held,
        state="ready",
        not_before=case((hinted, now() + min(in_s, HINT_S)), else_=now() + in_s),
        attempts=0 if error is None else job.c.attempts,
        lease_until=now(),
        progress=None,
        pushed_at=None,
        error=error,
    )


def fail(connection: Connection, held: Claim, error: str, final: bool = False) -> bool:
    """The attempt failed: ready again after a while, or failed for good. True where it is for good.

    Raises LeaseLost.
    """
    row = connection.execute(select(job.c.max_attempts).where(job.c.id == held.id)).one()
    over = final or held.attempts >= row.max_attempts
    wait_s = min(RETRY_CAP_S, RETRY_BASE_S * 2 ** (held.attempts - 1))
    _owned(
        connection,
        held,
        state="failed" if over else "ready",
        error=error,
        not_before=now() + wait_s,
        lease_until=now(),
        pushed_at=None,
        ended_at=now() if over else None,
    )
    return over


def hint(connection: Connection, campaign: str, key: str) -> None:
    """Make a coming-back job due now."""
    connection.execute(
        update(job)
        .where(job.c.campaign == campaign, job.c.key == key, job.c.state.in_(["ready", "running"]))
        .values(not_before=now(), pushed_at=None)
    )


def expire(connection: Connection) -> int:
    """Make jobs ready whose worker fell silent, or failed where they used up their attempts; how many those were.

    Times further ahead than any job waits were written before a clock was put back: those are from now on.
    """
    ahead = and_(job.c.state == "ready", job.c.not_before > now() + LONGEST_WAIT_S)
    connection.execute(update(job).where(_free(ahead)).values(not_before=now()))
    leased = and_(job.c.state == "running", job.c.lease_until > now() + 2 * LEASE_S)
    connection.execute(update(job).where(_free(leased)).values(lease_until=now() + LEASE_S))
    expired = and_(job.c.state == "running", job.c.lease_until < now())
    spent = job.c.attempts >= job.c.max_attempts
    again = connection.execute(
        update(job)
        .where(_free(expired, ~spent))
        .values(state="ready", epoch=job.c.epoch + 1, pushed_at=None, error="the worker fell silent")
    ).rowcount
    over = connection.execute(
        update(job)
        .where(_free(expired, spent))
        .values(
            state="failed",
            epoch=job.c.epoch + 1,
            ended_at=now(),
            error="the worker fell silent too often: see the worker's log",
        )
    ).rowcount
    return again + over


def due(connection: Connection) -> list[str]:
    """The queue of every job that is due and that nobody was told of since; marks them as told."""
    untold = or_(job.c.pushed_at.is_(None), ~job.c.pushed_at.between(now() - RING_AGAIN_S, now()))
    told = connection.execute(
        update(job)
        .where(_free(job.c.state == "ready", job.c.not_before <= now(), untold))
        .values(pushed_at=now())
        .returning(job.c.queue)
    )
    return list(told.scalars())


def unfinished(connection: Connection, campaign: str) -> list[Row[Any]]:
    """The campaign's ready and running jobs, oldest first."""
    query = select(job).where(job.c.campaign == campaign, job.c.state.in_(["ready", "running"]))
    return list(connection.execute(query.order_by(job.c.id)))


def of_kind(connection: Connection, campaign: str, kind: str) -> list[Row[Any]]:
    """The campaign's jobs of a kind, ended ones too, oldest first."""
    query = select(job).where(job.c.campaign == campaign, job.c.kind == kind)
    return list(connection.execute(query.order_by(job.c.id)))


def unfinished_keys(connection: Connection, campaign: str) -> set[str]:
    """Keys of the campaign's ready and running jobs: asking for one of them again adds nothing."""
    mine = and_(job.c.campaign == campaign, job.c.state.in_(["ready", "running"]))
    return set(connection.execute(select(job.c.key).where(mine)).scalars())


def _free(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Those of these jobs that nobody is just changing: waiting for many of them would end in deadlocks."""
    return job.c.id.in_(select(job.c.id).where(*conditions).with_for_update(skip_locked=True))


def _owned(connection: Connection, held: Claim, **values: Any) -> None:
    mine = and_(job.c.id == held.id, job.c.epoch == held.epoch, job.c.state == "running")
    if connection.execute(update(job).where(mine).values(**values)).rowcount != 1:
        raise LeaseLost(f"job {held.id} ({held.kind}) belongs to another worker since epoch {held.epoch}")
