"""The campaign's log: what happened, for the people who watch."""

from typing import Any

from sqlalchemy import Connection, func, insert, select

from service.store.database import now
from service.store.schema import event_log


def record(connection: Connection, campaign: str, kind: str, /, **data: Any) -> None:
    """Write one event down; `data` holds plain values."""
    connection.execute(insert(event_log).values(campaign=campaign, at=now(), kind=kind, data=data))


def warn(connection: Connection, campaign: str, words: str) -> None:
    """A warning that is told once, however often it holds."""
    told = select(event_log.c.data).where(event_log.c.campaign == campaign, event_log.c.kind == "warning")
    if words not in [data.get("text") for data in connection.execute(told).scalars()]:
        record(connection, campaign, "warning", text=words)


def since(connection: Connection, campaign: str, after: int, limit: int = 200) -> list[dict[str, Any]]:
    """Events younger than number `after`, oldest first: `{id, at, kind, data}`."""
    query = select(event_log.c.id, event_log.c.at, event_log.c.kind, event_log.c.data).where(
        event_log.c.campaign == campaign, event_log.c.id > after
    )
    return [dict(row._mapping) for row in connection.execute(query.order_by(event_log.c.id).limit(limit))]


def newest(connection: Connection, campaign: str) -> int:
    """The number of the newest event; 0 where there is none."""
    query = select(func.coalesce(func.max(event_log.c.id), 0)).where(event_log.c.campaign == campaign)
    return int(connection.execute(query).scalar_one())
