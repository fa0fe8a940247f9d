"""Annotations on their way in: every revision of every answer is kept, and labels follow from the newest ones.

Nothing that Label Studio sends is trusted: what cannot be read is kept with the reason, and makes no label.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from service import answers
from service.answers import Answer
from service.cost import Asked
from service.errors import Invalid
from service.lead_times import LATELY, LeadTimes
from service.records import Campaign, Place
from service.store import campaigns, costs, events, labels, selections
from service.store.database import insert_new, now
from service.store.schema import annotation
from service.store.schema import campaign as campaign_table
from service.vocabulary import Vocabulary

DELETED = "deleted"
ASKED_ANEW = "asked anew: the labels have changed, and the answer before fits more than one of them"
PACE_WINDOWS_S = (15.0, 60.0)
LATELY_S = 3600.0
"""Who answered within it is taken to be at work."""

Reader = Callable[[Any, str], Answer]
"""Turns a result, given to a text, into an answer in codes (`service.vocabulary`); raises Invalid where it is none."""


class Given(msgspec.Struct, frozen=True):
    """One annotation as Label Studio has it now."""

    id: int
    task: int
    ext_id: str | None
    """`data.ext_id` of its task: which example it is about."""
    result: Any
    skipped: bool
    annotator: int | None
    made_at: str
    revision: str
    """`updated_at`: it changes with every edit."""
    lead_time: float | None
    received_at: float | None = None
    """Where that is not now: of an answer that was there long before the campaign."""
    problem: str | None = None
    """Why it is no answer, whatever it says."""


def take(connection: Connection, campaign: Campaign, given: Iterable[Given], read: Reader) -> dict[str, int]:
    """Write new revisions down and set labels; how many were news, by kind: answer, skip, invalid, foreign.

    The caller holds the campaign's lock, here and below.
    """
    once = {(one.id, one.revision): one for one in given}.values()
    news = [one for one in once if not _known(connection, campaign.id, one.id, one.revision)]
    times = LeadTimes(_lead_times(connection, campaign.id) if news else ())
    living = selections.at(connection, campaign.id, {place for one in news if (place := _place(one))})
    counts: Counter[str] = Counter()
    touched: set[Place] = set()
    entries: list[Asked] = []
    for one in news:
        place = _place(one)
        row = living.get(place) if place else None
        kind, value, problem = _judge(one, row, read)
        counts[kind] += 1
        entries += _write(
            connection,
            campaign.id,
            one.id,
            revision=one.revision,
            task=one.task,
            shard=row.shard if row else None,
            row=row.row if row else None,
            annotator=one.annotator,
            kind=kind,
            value=value,
            problem=problem,
            result=one.result,
            lead_time=one.lead_time,
            seconds=None if row is None else times.counted(one.lead_time),
            round=None if row is None else row.round,
            shown=row.predictions[-1] if row is not None and row.predictions and not row.void else None,
            made_at=one.made_at,
            **({} if one.received_at is None else {"received_at": one.received_at}),
        )
        if row is not None and place is not None:
            touched.add(place)
        if kind in ("invalid", "foreign"):
            events.record(
                connection, campaign.id, "annotation-refused", task=one.task, kind=kind, reason=problem
            )
    costs.book(connection, campaign.id, entries)
    settle(connection, campaign.id, touched)
    if news:
        events.record(connection, campaign.id, "annotations", **counts)
    return dict(counts)


def revisions(
    connection: Connection, campaign: str, tasks: Iterable[int] | None = None
) -> set[tuple[int, str]]:
    """(id, revision) of all annotations as they are known to be now; or of those of some tasks."""
    mine = select(annotation.c.ls_id, annotation.c.revision).where(
        annotation.c.campaign == campaign, annotation.c.current
    )
    if tasks is not None:
        mine = mine.where(annotation.c.task.in_(list(tasks)))
    return {(row.ls_id, row.revision) for row in connection.execute(mine)}


def tasks_between(connection: Connection, campaign: str, first: int, last: int) -> set[int]:
    """Tasks with an annotation, of those with an id above `first`, up to `last`."""
    mine = select(annotation.c.task).where(
        annotation.c.campaign == campaign,
        annotation.c.current,
        annotation.c.kind != DELETED,
        annotation.c.task > first,
        annotation.c.task <= last,
    )
    return set(connection.execute(mine.distinct()).scalars())


def forget(
    connection: Connection, campaign: Campaign, present: set[int], tasks: Iterable[int] | None = None
) -> int:
    """Write down that annotations are gone which Label Studio has no more; how many. Their labels follow.

    `present`: ids of all annotations that are there; of all tasks, or of `tasks` alone.
    """
    mine = select(annotation).where(
        annotation.c.campaign == campaign.id, annotation.c.current, annotation.c.kind != DELETED
    )
    if tasks is not None:
        mine = mine.where(annotation.c.task.in_(list(tasks)))
    gone = [row for row in connection.execute(mine) if row.ls_id not in present]
    entries: list[Asked] = []
    for row in gone:
        entries += _write(
            connection,
            campaign.id,
            row.ls_id,
            revision=f"{DELETED} {row.revision}",
            task=row.task,
            shard=row.shard,
            row=row.row,
            annotator=row.annotator,
            kind=DELETED,
            seconds=row.seconds,  # it took its time all the same
            round=row.round,
            made_at=row.made_at,
        )
    costs.book(connection, campaign.id, entries)
    settle(connection, campaign.id, {Place(row.shard, row.row) for row in gone if row.shard is not None})
    if gone:
        events.record(connection, campaign.id, "annotations-deleted", count=len(gone))
    return len(gone)


def lose_tasks(
    connection: Connection, campaign: Campaign, pushed: Iterable[Row[Any]], present: set[int]
) -> int:
    """Take back selections whose task was deleted in Label Studio; their examples may be asked again.

    `pushed`: selections as they stood before Label Studio was asked which tasks are `present`.
    """
    gone = [row for row in pushed if row.task is not None and row.task not in present]
    selections.move(connection, [row.id for row in gone], "withdrawn")
    if gone:
        reopen_pool(connection, campaign.id)
        events.record(connection, campaign.id, "tasks-deleted", count=len(gone))
    return len(gone)


def reopen_pool(connection: Connection, campaign: str) -> None:
    """Examples went back to the pool: it is not used up any more."""
    connection.execute(
        update(campaign_table).where(campaign_table.c.id == campaign).values(exhausted_rows=None)
    )


class Answered(msgspec.Struct, frozen=True):
    """What somebody says of an example, in today's labels, as `answers.store` writes it."""

    shard: int
    row: int
    annotator: int | None
    value: str


def answers_now(connection: Connection, campaign: Campaign) -> list[Answered]:
    """Every answer as it is now, the oldest first; without those that may mean any of several labels since a change."""
    columns = annotation.c.shard, annotation.c.row, annotation.c.annotator, annotation.c.value
    mine = select(*columns).where(
        annotation.c.campaign == campaign.id, annotation.c.current, annotation.c.kind == "answer"
    )
    rows = connection.execute(mine.order_by(annotation.c.made_at, annotation.c.ls_id)).all()
    words = Vocabulary.of(campaign)
    read = ((row, words.renewed(row.value)) for row in rows)
    return [Answered(row.shard, row.row, row.annotator, value) for row, value in read if value is not None]


def mark(connection: Connection, campaign: str) -> tuple[int, int]:
    """(how many annotations there ever were, the newest): it changes with each that comes, is edited or deleted."""
    query = select(func.count(), func.coalesce(func.max(annotation.c.id), 0))
    number, newest = connection.execute(query.where(annotation.c.campaign == campaign)).one()
    return number, newest


def numbers(connection: Connection, campaign: str) -> dict[Place, int]:
    """How many answered or skipped each example."""
    query = select(annotation.c.shard, annotation.c.row, func.count()).where(
        annotation.c.campaign == campaign,
        annotation.c.current,
        annotation.c.kind != DELETED,
        annotation.c.shard.is_not(None),
    )
    rows = connection.execute(query.group_by(annotation.c.shard, annotation.c.row))
    return {Place(shard, row): number for shard, row, number in rows}


def counts(connection: Connection, campaign: str) -> dict[str, int]:
    """How many annotations there are now, by kind; `deleted` are those that are no more."""
    query = select(annotation.c.kind, func.count().label("number")).where(
        annotation.c.campaign == campaign, annotation.c.current
    )
    return {row.kind: row.number for row in connection.execute(query.group_by(annotation.c.kind))}


def annotators(connection: Connection, campaign: str, within_s: float = LATELY_S) -> set[int]:
    """Who answered lately."""
    recent = and_(annotation.c.campaign == campaign, _within(within_s))
    found = connection.execute(select(annotation.c.annotator).where(recent).distinct()).scalars()
    return {one for one in found if one is not None}


def pace(connection: Connection, campaign: str) -> float:
    """Answers a second, lately: the larger of two windows."""
    return paces(connection, annotation.c.campaign == campaign).get(campaign, 0.0)


def paces(connection: Connection, *where: ColumnElement[bool]) -> dict[str, float]:
    """The `pace` of each campaign that has one."""
    numbers = [func.count().filter(_within(window)) for window in PACE_WINDOWS_S]
    lately = select(annotation.c.campaign, *numbers).where(*where, _within(max(PACE_WINDOWS_S)))
    return {
        campaign: max(float(number) / window for number, window in zip(found, PACE_WINDOWS_S, strict=True))
        for campaign, *found in connection.execute(lately.group_by(annotation.c.campaign))
    }


def _within(seconds: float) -> ColumnElement[bool]:
    """Lately, and not before a clock was put back."""
    return annotation.c.received_at.between(now() - seconds, now())


def quiet_s(connection: Connection, campaign: Campaign) -> float:
    """Seconds since the last answer, edit or deletion came in; since the campaign was made where none has."""
    last = select(now(), func.max(annotation.c.received_at)).where(annotation.c.campaign == campaign.id)
    at, received = connection.execute(last).one()
    # Answers of an adopted project may be older than the campaign.
    return float(at) - max(campaign.created_at, received or 0.0)


def _lead_times(connection: Connection, campaign: str) -> list[float]:
    """The newest LATELY that were told, oldest first."""
    told = select(annotation.c.lead_time).where(
        annotation.c.campaign == campaign, annotation.c.lead_time > 0, annotation.c.kind != DELETED
    )
    newest = told.order_by(annotation.c.received_at.desc(), annotation.c.id.desc()).limit(LATELY)
    return list(connection.execute(newest).scalars())[::-1]


def _place(one: Given) -> Place | None:
    try:
        return selections.example(one.ext_id or "")
    except ValueError:
        return None


def _known(connection: Connection, campaign: str, ls_id: int, revision: str) -> bool:
    same = and_(
        annotation.c.campaign == campaign, annotation.c.ls_id == ls_id, annotation.c.revision == revision
    )
    return connection.execute(select(annotation.c.id).where(same)).first() is not None


def _judge(one: Given, row: Row[Any] | None, read: Reader) -> tuple[str, str | None, str | None]:
    """(kind, answer as it is stored, what is wrong)."""
    if row is None:
        return (
            "foreign",
            None,
            f"task {one.task} is not of this campaign's making (data.ext_id {one.ext_id!r})",
        )
    if one.skipped:
        return "skip", None, None
    if one.problem is not None:
        return "invalid", None, one.problem
    try:
        return "answer", answers.store(read(one.result, row.text)), None
    except Invalid as error:
        return "invalid", None, str(error)


def _write(connection: Connection, campaign: str, ls_id: int, **values: Any) -> list[Asked]:
    """A new revision; what it adds to the costs, less what the one before it did."""
    same = and_(annotation.c.campaign == campaign, annotation.c.ls_id == ls_id)
    columns = (annotation.c.round, annotation.c.kind, annotation.c.seconds, annotation.c.lead_time)
    before = connection.execute(
        update(annotation).where(same, annotation.c.current).values(current=False).returning(*columns)
    ).all()
    added = connection.execute(
        insert_new(connection, annotation)
        .values(**{"received_at": now(), "campaign": campaign, "ls_id": ls_id, "current": True} | values)
        .returning(*columns)
    ).all()
    entries = [Asked.entry(*row) for row in added if row.seconds is not None]
    return entries + [
        Asked(row.round).plus(Asked.entry(*row), -1) for row in before if row.seconds is not None
    ]


def settle(connection: Connection, campaign: str, places: Collection[Place]) -> int:
    """Labels and selections of examples follow from their annotations as they are now; how many are asked anew.

    Those are examples whose answers may all mean any of several labels since a change.
    """
    if not places:
        return 0
    now_ = campaigns.get(connection, campaign)
    words, found = Vocabulary.of(now_), selections.at(connection, campaign, places)
    return sum(_settle(connection, now_, words, found[place]) for place in sorted(found))


def _settle(connection: Connection, campaign: Campaign, words: Vocabulary, selected: Row[Any]) -> bool:
    """Of one example; whether it is asked anew."""
    here = and_(
        annotation.c.campaign == campaign.id,
        annotation.c.shard == selected.shard,
        annotation.c.row == selected.row,
        annotation.c.current,
        annotation.c.kind != DELETED,
    )
    rows = list(
        connection.execute(select(annotation).where(here).order_by(annotation.c.made_at, annotation.c.ls_id))
    )
    said = [words.renewed(row.value) if row.kind == "answer" else None for row in rows]
    votes = [value for value in said if value is not None]
    unclear = [row for row, value in zip(rows, said, strict=True) if row.kind == "answer" and value is None]
    # Where an example was asked anew, what became unclear before counts no more.
    given = [
        row
        for row, value in zip(rows, said, strict=True)
        if value is not None or not selected.void or row.task == selected.task
    ]
    finished = len(given) >= selected.wanted
    # Most votes for the whole answer, of equals the one that was given first: until the next round, which weighs them.
    value, number = Counter(votes).most_common(1)[0] if votes else (None, 0)
    place = Place(selected.shard, selected.row)
    reason = "one answer" if len(votes) == 1 else f"{number} of {len(votes)} answers"
    labels.believe(
        connection, campaign.id, place, value, selected.role, selected.role_key, len(votes), reason
    )
    if finished and not votes and any(row in given for row in unclear):
        rank = campaigns.count_up(connection, campaign.id, "place")
        void = max(selected.void + 1, len(unclear))
        selections.ask_anew(connection, selected.id, rank, campaign.overlap, void, ASKED_ANEW)
        return True
    state = ("answered" if votes else "skipped") if finished else "open"
    waiting = selected.state in ("chosen", "withdrawing", "withdrawn")
    if not selected.wanted and not votes:
        return False  # it waits until there is room to ask it anew
    if selected.state != state and not (state == "open" and waiting):
        # Skips are not paid for.
        wanted = min(selected.wanted, len(votes)) if state == "answered" else selected.wanted
        selections.move(connection, [selected.id], state, wanted=wanted)
    return False
