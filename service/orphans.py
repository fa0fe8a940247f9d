"""Folders of the file store that nothing in SQL names: what a job wrote that was then killed, or had lost its lease."""

import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, select

from service.files import PASSING, Files
from service.pool import shards
from service.store.database import Database
from service.store.schema import encoding, round, score, shard

AGE_S = 6 * 3600.0
"""More than a job may take: what a running one has written, and will name at its end, is younger."""

log = logging.getLogger(__name__)


def sweep(database: Database, files: Files, age_s: float = AGE_S) -> list[str]:
    """Delete those that were last written more than `age_s` ago; their names.

    On SQLite nobody can name one meanwhile; on PostgreSQL `Files.new` makes one young that it finds there already.
    """
    old = [name for name in folders(files) if _age_s(files.path(name)) > age_s]
    if not old:
        return []
    with database.transaction() as connection:
        kept = named(connection)
        gone = [name for name in old if name not in kept and _age_s(files.path(name)) > age_s]
        for name in gone:
            shutil.rmtree(files.path(name), ignore_errors=True)
    if gone:
        log.info("deleted %d folders of files that nothing names, such as %s", len(gone), gone[0])
    return gone


def named(connection: Connection) -> set[str]:
    """Folders that rows name; one of an old round's scores may be gone."""
    contents = connection.execute(select(shard.c.content).where(shard.c.content.is_not(None))).scalars().all()
    found = {shards.folder(content) for content in contents} | {shards.roles(content) for content in contents}
    columns = (encoding.c.path, score.c.path, round.c.adapter, round.c.predictions, round.c.candidates)
    for column in columns:
        found.update(connection.execute(select(column).where(column.is_not(None))).scalars())
    return found


def folders(files: Files) -> Iterator[str]:
    """Every folder that was written as one, and those that are being written."""
    depths = {PASSING: 1, "shards": 1, "roles": 1, "encodings": 2, "adapters": 2, "predictions": 2}
    depths |= {"scores": 3, "candidates": 3}
    for kind, depth in depths.items():
        for path in files.path(kind).glob("/".join("*" * depth)):
            yield path.relative_to(files.root).as_posix()


def _age_s(folder: Path) -> float:
    try:
        return time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # it vanished, or is none
        return 0.0
