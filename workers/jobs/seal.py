"""Write a shard that takes no more rows to files, and let SQL forget its rows."""

from service.pool import pool, shards
from service.store import events
from workers.held import Held


def run(held: Held) -> None:
    number = held.args["shard"]
    with held.context.database.transaction() as connection:
        rows = pool.staged_rows(connection, held.campaign, number)
    held.progress(0, len(rows), "writing examples to files")
    content = shards.seal(held.context.files, rows)
    with held.effects() as connection:
        pool.sealed(connection, held.campaign, number, content)
        events.record(connection, held.campaign, "shard-sealed", shard=number, rows=len(rows))
