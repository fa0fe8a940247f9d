"""What a campaign took, summed in SQL: people's seconds by the round that asked, workers' seconds by round."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from service import teachers
from service.cost import SUMS, Account, Asked, Ran
from service.lead_times import LATELY
from service.records import Campaign
from service.store import labels
from service.store.schema import annotation, encoding, round, selection, shard, spent
from service.store.selections import SERVABLE

WAITING = (*SERVABLE, "withdrawing")


def account(connection: Connection, campaign: Campaign) -> Account:
    """All of it."""
    known = labels.count(connection, campaign.id)
    return Account(
        asked(connection, campaign.id),
        [Ran(row.number, row.state, row.labels, row.seconds) for row in ran(connection, campaign.id)],
        waiting(connection, campaign.id),
        encoded(connection, campaign),
        known.get("train", 0) + known.get("control", 0),
        known.get("hold-out", 0),
    )


def asked(connection: Connection, campaign: str) -> list[Asked]:
    """Of each round's scores (0: none) that something was answered of."""
    columns = [spent.c[name] for name in Asked.__struct_fields__]
    query = select(*columns).where(spent.c.campaign == campaign).order_by(spent.c.round)
    return [Asked(*row) for row in connection.execute(query)]


def book(connection: Connection, campaign: str, entries: Iterable[Asked]) -> None:
    """Add to the sums of rounds; the caller holds the campaign's lock."""
    by_round: dict[int, Asked] = {}
    for one in entries:
        by_round[one.round] = by_round.get(one.round, Asked(one.round)).plus(one)
    for number, sums in by_round.items():
        here = and_(spent.c.campaign == campaign, spent.c.round == number)
        more = {name: spent.c[name] + getattr(sums, name) for name in SUMS}
        if not connection.execute(update(spent).where(here).values(more)).rowcount:
            values = msgspec.structs.asdict(sums) | {"campaign": campaign}
            connection.execute(insert(spent).values(**values))


def total(connection: Connection, campaign: str) -> tuple[float, int]:
    """(seconds of people, answers) in all."""
    query = select(func.coalesce(func.sum(spent.c.seconds), 0.0), func.coalesce(func.sum(spent.c.answers), 0))
    seconds, answers = connection.execute(query.where(spent.c.campaign == campaign)).one()
    return float(seconds), int(answers)


def lately(connection: Connection, campaign: str) -> tuple[float, int]:
    """The same of what came in last, LATELY annotations."""
    mine = and_(annotation.c.campaign == campaign, annotation.c.current, annotation.c.seconds.is_not(None))
    newest = select(annotation.c.seconds, annotation.c.kind).where(mine)
    rows = connection.execute(
        newest.order_by(annotation.c.received_at.desc(), annotation.c.id.desc()).limit(LATELY)
    ).all()
    return sum(row.seconds for row in rows), sum(row.kind == "answer" for row in rows)


def waiting(connection: Connection, campaign: str) -> dict[int, int]:
    """Answers that are to come, by the round whose scores asked for them."""
    query = select(selection.c.round, func.sum(selection.c.wanted)).where(
        selection.c.campaign == campaign, selection.c.state.in_(WAITING)
    )
    return {number: int(wanted) for number, wanted in connection.execute(query.group_by(selection.c.round))}


def ran(connection: Connection, campaign: str) -> list[Row[Any]]:
    """Of each round, oldest first: (number, state, labels, seconds)."""
    query = select(round.c.number, round.c.state, round.c.labels, _worked().label("seconds"))
    return list(connection.execute(query.where(round.c.campaign == campaign).order_by(round.c.number)))


def worked(connection: Connection, campaign: str) -> float:
    """Seconds of workers in all rounds: training, scoring, choosing."""
    query = select(func.coalesce(func.sum(_worked()), 0.0)).where(round.c.campaign == campaign)
    return float(connection.execute(query).scalar_one())


def encoded(connection: Connection, campaign: Campaign) -> float:
    """Seconds in which its shards were read, by base model and teacher: of shards that others share, too."""
    keys = [campaign.encoder or ""]
    if teachers.reads(campaign.teacher):
        keys.append(teachers.key(campaign.teacher))
    query = (
        select(func.coalesce(func.sum(encoding.c.seconds), 0.0))
        .join(shard, shard.c.content == encoding.c.content)
        .where(shard.c.campaign == campaign.id, encoding.c.encoder.in_(keys))
    )
    return float(connection.execute(query).scalar_one())


def _worked() -> Any:
    columns = (round.c.train_seconds, round.c.score_seconds, round.c.select_seconds)
    return sum((func.coalesce(one, 0.0) for one in columns[1:]), func.coalesce(columns[0], 0.0))
