"""The pool as it is taken away: every example, and which other one it repeats."""

from collections.abc import Iterator
from typing import Any

from service.export import examples
from service.files import Files
from service.pool import pool, repeats
from service.records import Campaign, Place
from service.store.database import Database


def pages(database: Database, files: Files, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    """A page at a time. `repeats` and `duplication_score` (its cosine to the likest example before it) are null where
    an example's shard was not compared yet."""
    with database.reading() as connection:
        numbers = [row.number for row in pool.all_shards(connection, campaign.id)]
    for number in numbers:
        with database.reading() as connection:
            others = examples.aliases(connection, campaign.id, "pool", number)
        first, size = 0, 1
        while first < size:
            with database.reading() as connection:
                shard = pool.shard_row(connection, campaign.id, number)
                size = shard.rows
                rows = range(first, min(first + examples.PAGE, size))
                part = examples.look(connection, campaign.id, shard, rows, others)
            first = rows.stop
            leaders = likeness = None
            if shard.near is not None:
                leaders = repeats.leaders(files.path(shard.near))
                likeness = repeats.likeness(files.path(shard.near))
            yield [
                {
                    "example": str(place := Place(number, row)),
                    "id": one.id,
                    "ids": one.ids,
                    "text": one.text,
                    "domain": one.domain,
                    "meta": one.meta,
                    "repeats": None if leaders is None else _other(place, Place(*leaders[row].tolist())),
                    "duplication_score": None if likeness is None else round(float(likeness[row]), 4),
                }
                for row, one in zip(rows, examples.read(files, part), strict=True)
            ]


def _other(place: Place, leader: Place) -> str | None:
    return None if leader == place else str(leader)
