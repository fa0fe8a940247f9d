"""Folders of the file store that nothing in SQL names: what a job wrote that was then killed, or had lost its lease."""

import logging

from sqlalchemy import Connection, select

from service.files import Files
from service.pool import shards
from service.store.database import Database
from service.store.schema import encoding, job, round, score, shard

AGE_S = 6 * 3600.0
"""More than a job may take: what a running one has written, and will name at its end, is younger."""
SHARED = "names"
"""Kind of folders that SQL does not name: they are keyed by what is in them, few, and made once."""

log = logging.getLogger(__name__)


def sweep(database: Database, files: Files, age_s: float = AGE_S) -> list[str]:
    """Delete those that were last written more than `age_s` ago; their names.

    On SQLite nobody can name one meanwhile; on PostgreSQL `Files.new` makes one young that it finds there already.
    """
    old = [name for name, its_s in files.ages() if its_s > age_s and not name.startswith(f"{SHARED}/")]
    if not old:
        return []
    with database.transaction() as connection:
        kept = named(connection)
        gone = [name for name in old if name not in kept and files.age_s(name) > age_s]
        for name in gone:
            files.remove(name)
    if gone:
        log.info("deleted %d folders of files that nothing names, such as %s", len(gone), gone[0])
    return gone


def named(connection: Connection) -> set[str]:
    """Folders that rows name; one of an old round's scores may be gone."""
    contents = connection.execute(select(shard.c.content).where(shard.c.content.is_not(None))).scalars().all()
    found = {shards.folder(content) for content in contents} | {shards.roles(content) for content in contents}
    columns = (
        encoding.c.path,
        score.c.path,
        round.c.adapter,
        round.c.predictions,
        round.c.candidates,
        shard.c.near,
    )
    for column in columns:
        found.update(connection.execute(select(column).where(column.is_not(None))).scalars())
    drawn = select(job.c.campaign, job.c.result).where(job.c.kind == "map", job.c.state == "done")
    newest = {campaign: result["path"] for campaign, result in connection.execute(drawn.order_by(job.c.id))}
    found.update(newest.values())
    return found
