"""Annotations on their way in: every revision of every answer is kept, and labels follow from the newest ones.

Nothing that Label Studio sends is trusted: what cannot be read is kept with the reason, and makes no label.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from service import answers
from service.answers import Answer
from service.errors import Invalid
from service.records import Campaign, Place
from service.store import events, labels, selections
from service.store.database import insert_new, now
from service.store.schema import annotation
from service.store.schema import campaign as campaign_table

DELETED = "deleted"
PACE_WINDOWS_S = (15.0, 60.0)
LATELY_S = 3600.0
"""Who answered within it is taken to be at work."""

Reader = Callable[[Any, str], Answer]
"""Turns a result, given to a text, into an answer; raises Invalid where it is none."""


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


def take(connection: Connection, campaign: Campaign, given: Iterable[Given], read: Reader) -> dict[str, int]:
    """Write new revisions down and set labels; how many were news, by kind: answer, skip, invalid, foreign."""
    once = {(one.id, one.revision): one for one in given}.values()
    news = [one for one in once if not _known(connection, campaign.id, one.id, one.revision)]
    living = selections.at(connection, campaign.id, {place for one in news if (place := _place(one))})
    counts: Counter[str] = Counter()
    touched: set[Place] = set()
    for one in news:
        place = _place(one)
        row = living.get(place) if place else None
        kind, value, problem = _judge(one, row, read)
        counts[kind] += 1
        _write(
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
            shown=row.predictions[-1] if row is not None and row.predictions else None,
            made_at=one.made_at,
        )
        if row is not None and place is not None:
            touched.add(place)
        if kind in ("invalid", "foreign"):
            events.record(
                connection, campaign.id, "annotation-refused", task=one.task, kind=kind, reason=problem
            )
    for place in sorted(touched):
        _settle(connection, campaign.id, living[place])
    if news:
        events.record(connection, campaign.id, "annotations", **counts)
    return dict(counts)


def revisions(connection: Connection, campaign: str) -> set[tuple[int, str]]:
    """(id, revision) of all annotations as they are known to be now."""
    mine = select(annotation.c.ls_id, annotation.c.revision).where(
        annotation.c.campaign == campaign, annotation.c.current
    )
    return {(row.ls_id, row.revision) for row in connection.execute(mine)}


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
    for row in gone:
        _write(
            connection,
            campaign.id,
            row.ls_id,
            revision=f"{DELETED} {row.revision}",
            task=row.task,
            shard=row.shard,
            row=row.row,
            annotator=row.annotator,
            kind=DELETED,
            made_at=row.made_at,
        )
    places = {Place(row.shard, row.row) for row in gone if row.shard is not None}
    for selected in selections.at(connection, campaign.id, places).values():
        _settle(connection, campaign.id, selected)
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


def answers_now(connection: Connection, campaign: str) -> list[Row[Any]]:
    """(shard, row, annotator, value) of every answer as it is now, the oldest first."""
    columns = annotation.c.shard, annotation.c.row, annotation.c.annotator, annotation.c.value
    mine = select(*columns).where(
        annotation.c.campaign == campaign, annotation.c.current, annotation.c.kind == "answer"
    )
    return list(connection.execute(mine.order_by(annotation.c.made_at, annotation.c.ls_id)))


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
    numbers = [func.count().filter(_within(window)) for window in PACE_WINDOWS_S]
    mine = select(*numbers).where(annotation.c.campaign == campaign, _within(max(PACE_WINDOWS_S)))
    found = connection.execute(mine).one()
    return max(float(number) / window for number, window in zip(found, PACE_WINDOWS_S, strict=True))


def _within(seconds: float) -> ColumnElement[bool]:
    """Lately, and not before a clock was put back."""
    return annotation.c.received_at.between(now() - seconds, now())


def quiet_s(connection: Connection, campaign: Campaign) -> float:
    """Seconds since the last answer, edit or deletion came in; since the campaign was made where none has."""
    last = func.coalesce(func.max(annotation.c.received_at), campaign.created_at)
    quiet = select(now() - last).where(annotation.c.campaign == campaign.id)
    return float(connection.execute(quiet).scalar_one())


def _place(one: Given) -> Place | None:
    try:
        return Place.parse(one.ext_id or "")
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
    try:
        return "answer", answers.store(read(one.result, row.text)), None
    except Invalid as error:
        return "invalid", None, str(error)


def _write(connection: Connection, campaign: str, ls_id: int, **values: Any) -> None:
    same = and_(annotation.c.campaign == campaign, annotation.c.ls_id == ls_id)
    connection.execute(update(annotation).where(same, annotation.c.current).values(current=False))
    connection.execute(
        insert_new(connection, annotation).values(
            campaign=campaign, ls_id=ls_id, received_at=now(), current=True, **values
        )
    )


def _settle(connection: Connection, campaign: str, selected: Row[Any]) -> None:
    """Label and selection of one example follow from its annotations as they are now."""
    here = and_(
        annotation.c.campaign == campaign,
        annotation.c.shard == selected.shard,
        annotation.c.row == selected.row,
        annotation.c.current,
        annotation.c.kind != DELETED,
    )
    rows = list(
        connection.execute(select(annotation).where(here).order_by(annotation.c.made_at, annotation.c.ls_id))
    )
    votes = [row.value for row in rows if row.kind == "answer"]
    finished = len(rows) >= selected.wanted
    # Most votes for the whole answer, of equals the one that was given first: until the next round, which weighs them.
    value, number = Counter(votes).most_common(1)[0] if votes else (None, 0)
    place = Place(selected.shard, selected.row)
    reason = "one answer" if len(votes) == 1 else f"{number} of {len(votes)} answers"
    labels.believe(connection, campaign, place, value, selected.role, selected.role_key, len(votes), reason)
    state = ("answered" if votes else "skipped") if finished else "open"
    waiting = selected.state in ("chosen", "withdrawing", "withdrawn")
    if selected.state != state and not (state == "open" and waiting):
        # Skips are not paid for.
        wanted = min(selected.wanted, len(votes)) if state == "answered" else selected.wanted
        selections.move(connection, [selected.id], state, wanted=wanted)
