"""Load a campaign's state, decide, and write the actions down as jobs: to be called after anything happened."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, select

from service import annotations, teachers
from service.budget import Budget, budget
from service.doorbell import Doorbell
from service.pool import pool
from service.records import Campaign
from service.rounds.decide import (
    HELD,
    Action,
    Compare,
    Encode,
    EndRound,
    Plan,
    Rerank,
    Round,
    Score,
    Seal,
    Select,
    StartRescore,
    StartRound,
    State,
    Stop,
    Sync,
    Teach,
    Train,
    decide,
)
from service.store import campaigns, events, jobs, labels, rounds, selections, uploads
from service.store.database import Database, now
from service.store.schema import upload


@contextmanager
def changing(database: Database, doorbell: Doorbell, c: str) -> Iterator[tuple[Connection, Campaign]]:
    """A transaction on campaign `c` (id or name), which is brought forward at its end; then workers are woken.

    The campaign is locked before anything else is written: whoever locked a job first would wait for the campaign of
    somebody who waits for that job. Raises NotFound.
    """
    with database.transaction() as connection:
        campaign = campaigns.get(connection, c, lock=True)
        yield connection, campaign
        queues = advance(connection, campaign.id)
    doorbell.ring(queues)


def advance(connection: Connection, id_: str) -> list[str]:
    """Bring the campaign forward; the queues to ring at once the transaction is committed."""
    campaign = campaigns.get(connection, id_, lock=True)
    state = facts(connection, campaign).state()
    asked = jobs.unfinished_keys(connection, campaign.id)
    for action in decide(state):
        _act(connection, campaign, state, action, asked)
    return jobs.due(connection)


@dataclass(frozen=True)
class Facts:
    """A campaign's rows, as far as they decide what is next."""

    campaign: Campaign
    shards: list[Row[Any]]
    queue: dict[str, int]
    """Selections by state."""
    answers: dict[str, int]
    """Answers that these are to have."""
    budget: Budget
    advised: tuple[int, ...]
    """As in `State`."""
    barred: int
    """As in `State`."""
    labels: dict[str, int]
    """By role; imported ones under `import`."""
    rounds: dict[int, str]
    """State by number."""
    round: Round | None
    """The newest."""
    scored: Row[Any] | None
    """As in `rounds.scored`."""
    active: int | None
    """As in `rounds.active`."""
    encoded: frozenset[int]
    taught: frozenset[int]
    uploading: bool
    changes: int
    pace: float
    idle_s: float

    def rows(self, kind: pool.Kind, *states: str) -> int:
        """Examples in shards of these states, or of any."""
        mine = (row for row in self.shards if row.kind == kind)
        return sum(row.rows for row in mine if not states or row.state in states)

    def sealed(self, kind: pool.Kind) -> dict[int, int]:
        return {row.number: row.rows for row in self.shards if row.kind == kind and row.state == "sealed"}

    def state(self) -> State:
        campaign, sealed = self.campaign, self.sealed("pool")
        pool_rows = sum(sealed.values())
        return State(
            round_size=campaign.round_size,
            low_water=campaign.low_water,
            budget=self.budget.answers,
            paid_hours=self.budget.hours,
            paid_money=self.budget.money,
            heeds=campaign.stop_at_advice,
            stopped=self.budget.stopped,
            advised=self.advised,
            strategy=campaign.strategy,
            paused=campaign.paused,
            uploading=self.uploading,
            filling=self.rows("pool", "filling"),
            filling_tests=self.rows("test", "filling"),
            full=frozenset(row.number for row in self.shards if row.state == "full"),
            sealed=sealed,
            tests=frozenset(self.sealed("test")),
            encoded=self.encoded,
            compares=campaign.near_duplicates != "keep",
            compared=frozenset(row.number for row in self.shards if row.near is not None),
            teaches=teachers.reads(campaign.teacher),
            taught=self.taught,
            exhausted=bool(pool_rows) and campaign.exhausted_rows == pool_rows,
            batches=campaign.batches,
            asked=selections.total(self.answers, selections.ASKED),
            servable=selections.total(self.queue, selections.SERVABLE),
            barred=self.barred,
            overlap=campaign.overlap,
            labels=sum(number for role, number in self.labels.items() if role != "hold-out"),
            label_version=campaign.label_version,
            changes=self.changes,
            train_from=campaign.train_from,
            pace=self.pace,
            idle_s=self.idle_s,
            round=self.round,
            scores=None if self.scored is None else self.scored.number,
            scorer=None if self.scored is None else _scorer(self.scored),
            active=self.active,
        )


def facts(connection: Connection, campaign: Campaign) -> Facts:
    last, active = rounds.newest(connection, campaign.id), rounds.active(connection, campaign)
    answers = selections.answers(connection, campaign.id)
    return Facts(
        campaign=campaign,
        shards=pool.all_shards(connection, campaign.id, None),
        queue=selections.counts(connection, campaign.id),
        answers=answers,
        budget=budget(connection, campaign, answers),
        advised=rounds.advised(connection, campaign.id, HELD) if campaign.stop_at_advice else (),
        barred=_barred(connection, campaign.id),
        labels=labels.count(connection, campaign.id),
        rounds=rounds.states(connection, campaign.id),
        round=None if last is None else _round(connection, campaign.id, last),
        scored=rounds.scored(connection, campaign.id),
        active=None if active is None else active.number,
        encoded=frozenset(rounds.encodings(connection, campaign.id, campaign.encoder)),
        taught=_taught(connection, campaign),
        uploading=_uploading(connection, campaign.id),
        changes=labels.changes_since(connection, campaign.id, 0 if last is None else last.label_version),
        pace=annotations.pace(connection, campaign.id),
        idle_s=annotations.quiet_s(connection, campaign),
    )


def _taught(connection: Connection, campaign: Campaign) -> frozenset[int]:
    if not teachers.reads(campaign.teacher):
        return frozenset()
    return frozenset(rounds.encodings(connection, campaign.id, teachers.key(campaign.teacher)))


def _barred(connection: Connection, campaign: str) -> int:
    """See `State.barred`; who is at work is a dearer question than whether anybody has to wait for others."""
    if not selections.begun(connection, campaign):
        return 0
    return selections.answered_open(connection, campaign, annotations.annotators(connection, campaign))


def _round(connection: Connection, campaign: str, row: Row[Any]) -> Round:
    scored = frozenset(score.shard for score in rounds.scores(connection, campaign, row.number))
    return Round(
        row.number,
        row.state,
        row.label_version,
        frozenset(row.shards),
        scored,
        ranked=row.ranked_at is not None,
        scorer=_scorer(row),
    )


def _scorer(row: Row[Any]) -> int:
    return int(row.number if row.scored_by is None else row.scored_by)


def _uploading(connection: Connection, campaign: str) -> bool:
    running = and_(
        upload.c.campaign == campaign,
        upload.c.state == "running",
        upload.c.seen_at > now() - uploads.SILENT_S,
    )
    return connection.execute(select(upload.c.id).where(running).limit(1)).first() is not None


def _act(
    connection: Connection, campaign: Campaign, state: State, action: Action, asked: Collection[str]
) -> None:
    def job(key: str, kind: str, queue: str, args: object, priority: int, slot: str | None = None) -> None:
        if key in asked:  # of a large pool there are hundreds, each time
            return
        new = jobs.NewJob(
            campaign=campaign.id,
            key=key,
            kind=kind,
            queue=queue,
            args=msgspec.to_builtins(args),
            priority=priority,
            slot=slot,
            max_attempts=1 << 30 if kind == "sync" else 5,
        )
        jobs.add(connection, new)

    match action:
        case Sync():
            job("sync", "sync", "sync", action, 5, slot="sync")
        case Seal():
            numbers = pool.close_filling(connection, campaign.id) if action.close else action.shards
            for number in numbers:
                job(f"seal:{number}", "seal", "cpu", {"shard": number}, 3)
        case Encode():
            # A campaign's first shard is what its annotators wait for, the others are bulk.
            first = not state.encoded and action.shard == min(state.sealed, default=None)
            job(f"encode:{action.shard}", "encode", "gpu", action, 2 if first else 7)
        case Compare():
            job(f"compare:{action.shard}", "compare", "cpu", action, 6, slot="compare")
        case Teach():
            assert campaign.teacher is not None  # else nothing is taught
            job(f"teach:{action.shard}:{teachers.key(campaign.teacher)}", "teach", "gpu", action, 8)
        case Select():
            job(f"select:{action.batch}", "select", "cpu", action, 1, slot="select")
        case StartRound():
            _start_round(connection, campaign, action)
            _act(connection, campaign, state, Train(action.number), asked)
        case StartRescore():
            _start_rescore(connection, campaign, action)
            _act(connection, campaign, state, Plan(action.number), asked)
        case Plan():
            job(f"plan:{action.round}", "plan", "gpu", action, 1, slot="train")
        case Train():
            job(f"train:{action.round}", "train", "gpu", action, 1, slot="train")
        case Score():
            job(f"score:{action.round}:{action.shard}", "score", "gpu", action, 2)
        case EndRound():
            seconds = rounds.score_seconds(connection, campaign.id, action.number)
            rounds.change(
                connection, campaign.id, action.number, state="done", score_seconds=seconds, ended_at=now()
            )
            events.record(
                connection, campaign.id, "round-scored", round=action.number, seconds=round(seconds, 1)
            )
            _act(connection, campaign, state, Rerank(action.number), asked)
        case Stop():
            why = rounds.get(connection, campaign.id, action.round).advice
            campaigns.change(connection, campaign.id, stopped_round=action.round)
            events.record(connection, campaign.id, "stopped-as-advised", round=action.round, reason=why)
        case Rerank():
            job(f"rerank:{action.round}", "rerank", "cpu", action, 1, slot="select")


def _start_round(connection: Connection, campaign: Campaign, action: StartRound) -> None:
    known = labels.snapshot(connection, campaign.id, action.label_version)
    rounds.start(
        connection,
        campaign.id,
        action.number,
        label_version=action.label_version,
        labels=sum(row.source != "synthetic" for row in known),
        shards=list(action.shards),
        strategy=campaign.strategy,
        seed=campaign.seed,
    )
    events.record(
        connection, campaign.id, "round-started", round=action.number, label_version=action.label_version
    )


def _start_rescore(connection: Connection, campaign: Campaign, action: StartRescore) -> None:
    before = rounds.get(connection, campaign.id, action.number - 1)
    rounds.start(
        connection,
        campaign.id,
        action.number,
        label_version=before.label_version,  # what is new since still counts towards the next training
        labels=before.labels,
        shards=list(action.shards),
        strategy=campaign.strategy,
        seed=campaign.seed,
        scored_by=action.by,
    )
    events.record(connection, campaign.id, "round-started", round=action.number, by_adapter=action.by)
