"""What is kept no longer: a campaign that somebody deletes, and what old work leaves behind that nobody asks for."""

import logging

from sqlalchemy import Connection, delete, func, select

from service.store import campaigns
from service.store.database import Database, now
from service.store.schema import campaign, encoding, event_log, job, metadata, shard, upload

KEPT_EVENTS = 200
"""The newest of a campaign stay, however old."""
_PARTS = [table for table in metadata.tables.values() if "campaign" in table.c]

log = logging.getLogger(__name__)


def delete_campaign(connection: Connection, c: str) -> str:
    """Delete campaign `c` (id or name) with all its rows; its id. Its files are orphans from then on.

    Its project in Label Studio stays, with all that people did there. Raises NotFound.
    """
    id_ = campaigns.get(connection, c, lock=True).id
    for table in _PARTS:
        connection.execute(delete(table).where(table.c.campaign == id_))
    connection.execute(delete(campaign).where(campaign.c.id == id_))
    return id_


def prune(database: Database, days: int) -> int:
    """Delete jobs and uploads that ended more than `days` ago, older events, encodings of shards that are no more.

    How many rows. 0 days: only those encodings. Labels, annotations, rounds and all that they name stay. The key of
    an upload that was pruned is unknown again.
    """
    seconds = days * 86_400.0
    newest = (
        select(
            func.row_number()
            .over(partition_by=event_log.c.campaign, order_by=event_log.c.id.desc())
            .label("n")
        )
        .add_columns(event_log.c.id)
        .subquery()
    )
    stay = select(newest.c.id).where(newest.c.n <= KEPT_EVENTS)
    gone = [
        delete(encoding).where(
            encoding.c.content.not_in(select(shard.c.content).where(shard.c.content.is_not(None)))
        )
    ]
    if days:
        gone += [
            delete(job).where(job.c.state.in_(["done", "failed"]), job.c.ended_at < now() - seconds),
            delete(upload).where(upload.c.state.in_(["done", "broken"]), upload.c.seen_at < now() - seconds),
            delete(event_log).where(event_log.c.at < now() - seconds, event_log.c.id.not_in(stay)),
        ]
    rows = 0
    for statement in gone:
        with database.transaction() as connection:
            rows += connection.execute(statement).rowcount
    if rows:
        log.info("deleted %d rows that are older than %d days or that nothing needs", rows, days)
    return rows
