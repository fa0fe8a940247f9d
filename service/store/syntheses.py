"""Rows of syntheses: which synthetic texts were asked for, and what became of them."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from service import synthesis
from service.errors import Conflict, NotFound
from service.measure import intervals
from service.measure.intervals import Interval
from service.store import events, labels, selections
from service.store.database import now
from service.store.schema import annotation, label, selection
from service.store.schema import synthesis as table


class Checked(msgspec.Struct, frozen=True):
    """What people say of the texts that they were asked about."""

    asked: int
    answered: int
    agreed: Interval | None
    """The share of the answers that are the label which the text was made for."""


def begin(
    connection: Connection,
    campaign: str,
    generator: synthesis.Generator,
    per_label: int,
    seed: int,
    share: float,
) -> int:
    """A new row; its number. The caller holds the campaign's lock."""
    newest = connection.execute(select(func.max(table.c.number)).where(table.c.campaign == campaign)).scalar()
    number = 1 if newest is None else int(newest) + 1
    values = {"generator": msgspec.to_builtins(generator), "per_label": per_label, "seed": seed}
    nothing = {"state": "waiting", "verdicts": {}, "nonsense": 0, "made_at": now()}
    made = insert(table).values(campaign=campaign, number=number, checked_share=share, **values, **nothing)
    connection.execute(made)
    return number


def get(connection: Connection, campaign: str, number: int) -> Row[Any]:
    """Raises NotFound."""
    mine = and_(table.c.campaign == campaign, table.c.number == number)
    row = connection.execute(select(table).where(mine)).first()
    if row is None:
        raise NotFound(
            f"the campaign has no synthesis {number}: `postil synthesize CAMPAIGN --list` shows them"
        )
    return row


def all_of(connection: Connection, campaign: str) -> list[Row[Any]]:
    """The campaign's syntheses, oldest first."""
    query = select(table).where(table.c.campaign == campaign)
    return list(connection.execute(query.order_by(table.c.number)))


def end(connection: Connection, campaign: str, number: int, state: str, **values: Any) -> None:
    """It is done, or broken."""
    mine = and_(table.c.campaign == campaign, table.c.number == number)
    connection.execute(update(table).where(mine).values(state=state, ended_at=now(), **values))


def undo(connection: Connection, campaign: str, number: int) -> int:
    """End its labels, and ask people no more about its texts; how many labels held. The texts stay, marked.

    What people answered stays a label; who has begun a task finishes it. Raises NotFound, Conflict.
    """
    row = get(connection, campaign, number)
    if row.state == "waiting":
        raise Conflict(f"synthesis {number} is being made: undo it when it has ended")
    ended = 0
    if row.shard is not None:
        ended = labels.end_synthetic(connection, campaign, row.shard)
        begun = selections.begun(connection, campaign)
        waiting = selections.in_states(connection, campaign, selections.SERVABLE)
        leave = [one.id for one in waiting if one.shard == row.shard and one.id not in begun]
        selections.move(connection, leave, "withdrawing")
    mine = and_(table.c.campaign == campaign, table.c.number == number, table.c.undone_at.is_(None))
    if connection.execute(update(table).where(mine).values(undone_at=now())).rowcount:
        events.record(connection, campaign, "synthesis-undone", synthesis=number, labels=ended)
    return ended


def holding(connection: Connection, campaign: str) -> dict[int, int]:
    """How many synthetic labels of each shard hold now."""
    mine = and_(label.c.campaign == campaign, label.c.ended.is_(None), label.c.source == "synthetic")
    query = select(label.c.shard, func.count()).where(mine).group_by(label.c.shard)
    return {row[0]: row[1] for row in connection.execute(query)}


def checked(connection: Connection, campaign: str, shard: int) -> Checked:
    """What people said of the texts of a synthesis."""
    here = and_(selection.c.campaign == campaign, selection.c.shard == shard)
    asked = connection.execute(
        select(func.count()).where(here, selection.c.state.in_(selections.ASKED))
    ).scalar_one()
    mine = and_(label.c.campaign == campaign, label.c.shard == shard, label.c.source == "synthetic")
    made = {row.row: row.value for row in connection.execute(select(label.c.row, label.c.value).where(mine))}
    said = select(annotation.c.row, annotation.c.value).where(
        annotation.c.campaign == campaign,
        annotation.c.shard == shard,
        annotation.c.current,
        annotation.c.kind == "answer",
    )
    same = [value == made[row] for row, value in connection.execute(said) if row in made]
    return Checked(asked, len(same), intervals.share(sum(same), len(same)))
