"""Selections: which examples were put into the queue, by whom, why, and what became of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from service.records import Place, Role
from service.store.database import now
from service.store.schema import annotation, label, selection

UNASKED = "unasked"
"""The strategy of what nobody was asked about, and somebody answered in a project of their own."""
ASKED = ("chosen", "open", "withdrawing", "answered")
SERVABLE = ("chosen", "open")
_given = and_(annotation.c.current, annotation.c.kind != "deleted")
_same_example = and_(
    annotation.c.campaign == selection.c.campaign,
    annotation.c.shard == selection.c.shard,
    annotation.c.row == selection.c.row,
)
_same_task = and_(_same_example, or_(selection.c.void == 0, annotation.c.task == selection.c.task))
"""What was asked anew has a task of its own, which was answered by nobody yet."""


class Chosen(msgspec.Struct, frozen=True):
    """One example on its way into the queue; `prediction` is what annotators will see, by the campaign's problem:

    {round, label, confidence}, {round, labels, confidences: {label: probability}}, or
    {round, spans: [{start, end, label, confidence}]}; labels are codes (`service.vocabulary`).
    """

    place: Place
    rank: int
    role: Role
    strategy: str
    score: float
    reason: str
    text: str
    ext_id: str | None
    domain: str | None
    role_key: int
    prediction: dict[str, Any] | None


def choose(
    connection: Connection, campaign: str, batch: int, round_: int, chosen: Sequence[Chosen], wanted: int = 1
) -> None:
    """Write a batch down, in state "chosen"; each is to have `wanted` answers."""
    if not chosen:
        return
    at = connection.execute(select(now())).scalar_one()
    connection.execute(
        insert(selection),
        [
            {
                "campaign": campaign,
                "shard": one.place.shard,
                "row": one.place.row,
                "batch": batch,
                "round": round_,
                "strategy": one.strategy,
                "score": one.score,
                "role": one.role,
                "reason": one.reason,
                "place": one.rank,
                "state": "chosen",
                "wanted": wanted,
                "text": one.text,
                "ext_id": one.ext_id,
                "domain": one.domain,
                "role_key": one.role_key,
                "predictions": [one.prediction] if one.prediction else [],
                "chosen_at": at,
            }
            for one in chosen
        ],
    )


def in_states(connection: Connection, campaign: str, states: Iterable[str]) -> list[Row[Any]]:
    """Selections in these states, in the queue's order."""
    query = select(selection).where(selection.c.campaign == campaign, selection.c.state.in_(list(states)))
    return list(connection.execute(query.order_by(selection.c.place, selection.c.id)))


def taken(connection: Connection, campaign: str) -> list[Row[Any]]:
    """(shard, row, role, role_key, strategy) of every example that was asked for, or answered unasked, and not taken
    back."""
    columns = selection.c.shard, selection.c.row, selection.c.role, selection.c.role_key, selection.c.strategy
    query = select(*columns)
    return list(
        connection.execute(query.where(selection.c.campaign == campaign, selection.c.state != "withdrawn"))
    )


def ever(connection: Connection, campaign: str) -> list[Row[Any]]:
    """(shard, row, void) of every example that was ever chosen, whatever became of it."""
    query = select(selection.c.shard, selection.c.row, selection.c.void)
    return list(connection.execute(query.where(selection.c.campaign == campaign).distinct()))


def put_unasked(connection: Connection, campaign: str, given: Mapping[Place, tuple[Chosen, int]]) -> None:
    """Write down examples that somebody answered or skipped without being asked, each with its task.

    They cost no budget, are credited to no round, and stay skipped until an answer is read (`annotations.settle`).
    """
    choose(connection, campaign, 0, 0, [one for one, _ in given.values()], wanted=0)
    for place, row in at(connection, campaign, given).items():
        move(connection, [row.id], "skipped", task=given[place][1])


def free_unasked(connection: Connection, campaign: str) -> int:
    """Give back to the pool what was answered unasked and has neither answer nor skip any more; how many."""
    given = select(annotation.c.id).where(_same_example, _given).correlate(selection)
    bare = and_(
        selection.c.campaign == campaign,
        selection.c.strategy == UNASKED,
        selection.c.state.in_(("answered", "skipped")),
        ~given.exists(),
    )
    gone = update(selection).where(bare).values(state="withdrawn", closed_at=now())
    return connection.execute(gone).rowcount


def of_tasks(connection: Connection, campaign: str, first: int, last: int) -> list[Row[Any]]:
    """(id, task, state) of the selections that have a task with an id above `first`, up to `last`, and are not
    withdrawn."""
    query = select(selection.c.id, selection.c.task, selection.c.state).where(
        selection.c.campaign == campaign,
        selection.c.state != "withdrawn",
        selection.c.task > first,
        selection.c.task <= last,
    )
    return list(connection.execute(query))


def key(row: Row[Any]) -> str:
    """`data.ext_id` of a selection's task: its example, and where that was asked anew a number, another each time."""
    return f"{Place(row.shard, row.row)}.{row.void}" if row.void else str(Place(row.shard, row.row))


def example(key: str) -> Place:
    """Which example a task with this `key` is about; ValueError for anything else."""
    place, anew, number = key.partition(".")
    if anew:
        int(number)
    return Place.parse(place)


def at(connection: Connection, campaign: str, places: Iterable[Place]) -> dict[Place, Row[Any]]:
    """The living selection of each example, else the newest that was withdrawn, where there is any."""
    wanted = set(places)
    query = select(selection).where(
        selection.c.campaign == campaign,
        selection.c.shard.in_({place.shard for place in wanted}),
        selection.c.row.in_({place.row for place in wanted}),
    )
    rows = connection.execute(query.order_by(selection.c.state != "withdrawn", selection.c.id))
    found = {Place(row.shard, row.row): row for row in rows}
    return {place: row for place, row in found.items() if place in wanted}


def move(connection: Connection, ids: Iterable[int], state: str, **values: Any) -> None:
    """Put selections into a state."""
    times = {"open": {"closed_at": None}, "chosen": {}, "withdrawing": {}}.get(state, {"closed_at": now()})
    connection.execute(
        update(selection).where(selection.c.id.in_(list(ids))).values(state=state, **times, **values)
    )


def opened(connection: Connection, tasks: Mapping[int, int]) -> None:
    """Chosen selections are in Label Studio now: {selection id: task id}."""
    for id_, task in tasks.items():
        connection.execute(
            update(selection)
            .where(selection.c.id == id_)
            .values(task=task, opened_at=func.coalesce(selection.c.opened_at, now()))
        )
        connection.execute(
            update(selection).where(selection.c.id == id_, selection.c.state == "chosen").values(state="open")
        )


def rank(
    connection: Connection, id_: int, place: int, prediction: dict[str, Any] | None, known: list[Any]
) -> None:
    """Give an open task its new place and pre-annotation; what was shown before is kept."""
    shown = [*known, prediction] if prediction else known
    connection.execute(update(selection).where(selection.c.id == id_).values(place=place, predictions=shown))


def counts(connection: Connection, campaign: str) -> dict[str, int]:
    """How many there are in each state."""
    query = select(selection.c.state, func.count().label("number")).where(selection.c.campaign == campaign)
    return {row.state: row.number for row in connection.execute(query.group_by(selection.c.state))}


def tasks(connection: Connection, campaign: str) -> dict[tuple[int, int], int]:
    """{(shard, row): task} of every example that has one."""
    query = select(selection.c.shard, selection.c.row, selection.c.task).where(
        selection.c.campaign == campaign, selection.c.task.is_not(None), selection.c.state != "withdrawn"
    )
    return {(shard, row): task for shard, row, task in connection.execute(query).all()}


def answers(connection: Connection, campaign: str) -> dict[str, int]:
    """How many answers the selections in each state are to have, and had that are void."""
    query = select(selection.c.state, func.sum(selection.c.wanted + selection.c.void).label("number"))
    rows = connection.execute(query.where(selection.c.campaign == campaign).group_by(selection.c.state))
    return {row.state: int(row.number) for row in rows}


def answered_open(connection: Connection, campaign: str, annotators: Iterable[int]) -> int:
    """How many of the tasks that wait for more answers one of these people cannot be served: of who has the most.

    Label Studio shows nobody what they answered or skipped.
    """
    theirs = (
        select(func.count(selection.c.id.distinct()).label("number"))
        .join(annotation, _same_task)
        .where(
            selection.c.campaign == campaign,
            selection.c.state.in_(SERVABLE),
            _given,
            annotation.c.annotator.in_(list(annotators)),
        )
        .group_by(annotation.c.annotator)
    )
    return max(connection.execute(theirs).scalars(), default=0)


def begun(connection: Connection, campaign: str) -> set[int]:
    """Ids of the selections that wait for answers and have some."""
    query = (
        select(selection.c.id)
        .join(annotation, _same_example)
        .where(
            selection.c.campaign == campaign,
            selection.c.state.in_(SERVABLE),
            _given,
        )
        .distinct()
    )
    return set(connection.execute(query).scalars())


def ask_again(connection: Connection, campaign: str, place: Place, rank: int, reason: str) -> bool:
    """Have an answered example answered once more, by somebody else; False where that is not its state any more."""
    here = and_(
        selection.c.campaign == campaign,
        selection.c.shard == place.shard,
        selection.c.row == place.row,
        selection.c.state == "answered",
    )
    given = select(func.count()).where(_same_task, _given)
    wanted = given.correlate(selection).scalar_subquery() + 1
    news = {"state": "chosen", "wanted": wanted, "place": rank, "closed_at": None}
    return bool(connection.execute(update(selection).where(here).values(**news, reason=reason)).rowcount)


def asked_again(connection: Connection, campaign: str, overlap: int) -> list[Row[Any]]:
    """(shard, row, state) of what is or was to have more answers than the campaign's `overlap`."""
    query = select(selection.c.shard, selection.c.row, selection.c.state)
    more = selection.c.state.in_(ASKED) & (selection.c.wanted > overlap)
    return list(connection.execute(query.where(selection.c.campaign == campaign, more)))


def ask_no_more(connection: Connection, ids: Iterable[int]) -> None:
    """Be content with the answers that there are, where one more was to come.

    Of answers and skips there are one fewer than were wanted.
    """
    connection.execute(
        update(selection)
        .where(selection.c.id.in_(list(ids)))
        .values(state="answered", wanted=selection.c.wanted - 1, closed_at=now())
    )


def ask_anew(connection: Connection, id_: int, place: int, wanted: int, void: int, reason: str) -> None:
    """Have an example asked from the start, by a task of its own, which may go to whoever answered it before.

    `void` of its answers cannot be read any more; they stay paid for.
    """
    connection.execute(
        update(selection)
        .where(selection.c.id == id_)
        .values(
            state="chosen",
            task=None,
            place=place,
            wanted=wanted,
            void=void,
            reason=reason,
            opened_at=None,
            closed_at=None,
        )
    )


def let_wait(connection: Connection, ids: Iterable[int]) -> None:
    """The budget has no room for what was to be asked anew: it has void answers and no label, until there is."""
    connection.execute(
        update(selection)
        .where(selection.c.id.in_(list(ids)))
        .values(state="answered", wanted=0, closed_at=now())
    )


def wake(connection: Connection, campaign: str, wanted: int, most: int) -> int:
    """Up to `most` of those that wait for room are to be asked anew, to have `wanted` answers; how many."""
    labeled = select(label.c.version).where(
        label.c.campaign == selection.c.campaign,
        label.c.shard == selection.c.shard,
        label.c.row == selection.c.row,
        label.c.ended.is_(None),
    )
    waits = and_(
        selection.c.campaign == campaign,
        selection.c.state == "answered",
        selection.c.wanted == 0,
        selection.c.void > 0,
        ~labeled.exists(),
    )
    some = select(selection.c.id).where(waits).order_by(selection.c.place, selection.c.id).limit(max(0, most))
    ids = list(connection.execute(some).scalars())
    if ids:
        move(connection, ids, "chosen", wanted=wanted)
    return len(ids)


def unclear(connection: Connection, campaign: str, role: Role) -> int:
    """How many examples of the role a change of labels left without one, and nobody has answered or skipped since."""
    query = select(func.count()).where(
        selection.c.campaign == campaign,
        selection.c.role == role,
        selection.c.void > 0,
        or_(
            selection.c.state.in_(("chosen", "open", "withdrawing")),
            and_(selection.c.state == "answered", selection.c.wanted == 0),
        ),
    )
    return connection.execute(query).scalar_one()


def total(numbers: Mapping[str, int], states: Iterable[str]) -> int:
    """Of numbers by state, as `counts` has them, those of these states together."""
    return sum(numbers.get(state, 0) for state in states)
