"""Annotations as they are taken away: every revision of every answer that people gave."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from service import answers
from service.export import examples
from service.records import Campaign, Place
from service.store.database import Database
from service.store.schema import annotation, selection
from service.vocabulary import Vocabulary

UNCLEAR = "the labels have changed since, and this answer fits more than one of them"


def pages(database: Database, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    """In the order in which they came in, a page at a time."""
    after, words = 0, Vocabulary.of(campaign)
    while True:
        with database.reading() as connection:
            query = select(annotation).where(annotation.c.campaign == campaign.id, annotation.c.id > after)
            rows = connection.execute(query.order_by(annotation.c.id).limit(examples.PAGE)).all()
            names = _names(connection, campaign.id, {row.shard for row in rows}, {row.row for row in rows})
        if not rows:
            return
        after = rows[-1].id
        yield [
            {
                "annotation": row.ls_id,
                "revision": row.revision,
                "current": row.current,
                "kind": row.kind,
                "id": None
                if row.shard is None
                else names.get(place := Place(row.shard, row.row), str(place)),
                "task": row.task,
                "annotator": row.annotator,
                answers.FIELDS[campaign.problem]: (
                    said := None if row.value is None else words.read(row.value)
                ),
                "problem": UNCLEAR if row.value is not None and said is None else row.problem,
                "result": row.result,
                "shown": None if row.shown is None else words.shown(row.shown),
                "lead_time": row.lead_time,
                "made_at": row.made_at,
                "received_at": row.received_at,
            }
            for row in rows
        ]


def _names(
    connection: Connection, campaign: str, numbers: set[int | None], rows: set[int | None]
) -> dict[Place, str]:
    """Ids that the user gave to examples that were asked."""
    query = select(selection.c.shard, selection.c.row, selection.c.ext_id).where(
        selection.c.campaign == campaign,
        selection.c.ext_id.is_not(None),
        selection.c.shard.in_(numbers - {None}),
        selection.c.row.in_(rows - {None}),
    )
    return {Place(number, row): ext_id for number, row, ext_id in connection.execute(query)}
