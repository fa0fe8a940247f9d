"""What a campaign took, summed in SQL: people's seconds by the round that asked, workers' seconds by round."""

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, select

from service import teachers
from service.cost import Account, Asked, Ran
from service.lead_times import LATELY
from service.records import Campaign
from service.store import labels
from service.store.schema import annotation, encoding, round, selection, shard
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
    )


def asked(connection: Connection, campaign: str) -> list[Asked]:
    """Of each round's scores (0: none) that something was answered of, by the index `ix_annotation_seconds` alone."""
    seconds, told = annotation.c.seconds, annotation.c.lead_time
    over = and_(told > seconds, told > 0)
    query = select(
        annotation.c.round,
        func.sum(case((annotation.c.kind == "answer", 1), else_=0)).label("answers"),
        func.sum(case((annotation.c.kind == "answer", 0), else_=1)).label("others"),
        func.sum(seconds).label("seconds"),
        func.sum(seconds * seconds).label("squares"),
        func.sum(case((and_(annotation.c.kind != "deleted", func.coalesce(told, 0) <= 0), 1), else_=0)).label(
            "missing"
        ),
        func.sum(case((over, 1), else_=0)).label("capped"),
        func.sum(case((over, told - seconds), else_=0.0)).label("capped_off"),
    ).where(_counts(campaign))
    rows = connection.execute(query.group_by(annotation.c.round).order_by(annotation.c.round))
    return [Asked(*row) for row in rows]


def total(connection: Connection, campaign: str) -> tuple[float, int]:
    """(seconds of people, answers) in all."""
    return _sums(connection, select(annotation.c.seconds, annotation.c.kind).where(_counts(campaign)))


def lately(connection: Connection, campaign: str) -> tuple[float, int]:
    """The same of what came in last."""
    newest = select(annotation.c.seconds, annotation.c.kind).where(_counts(campaign))
    return _sums(
        connection, newest.order_by(annotation.c.received_at.desc(), annotation.c.id.desc()).limit(LATELY)
    )


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


def _counts(campaign: str) -> Any:
    return and_(annotation.c.campaign == campaign, annotation.c.current, annotation.c.seconds.is_not(None))


def _sums(connection: Connection, rows: Select[Any]) -> tuple[float, int]:
    some = rows.subquery()
    found = connection.execute(
        select(
            func.coalesce(func.sum(some.c.seconds), 0.0),
            func.coalesce(func.sum(case((some.c.kind == "answer", 1), else_=0)), 0),
        )
    ).one()
    return float(found[0]), int(found[1])


def _worked() -> Any:
    columns = (round.c.train_seconds, round.c.score_seconds, round.c.select_seconds)
    return sum((func.coalesce(one, 0.0) for one in columns[1:]), func.coalesce(columns[0], 0.0))
