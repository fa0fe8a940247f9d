"""Known labels for examples of the pool: they train, and never measure."""

from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Connection, select

from service import answers
from service.errors import Invalid
from service.files import Files
from service.pool import pool, shards
from service.pool.batch import Batch
from service.pool.lines import Line, Rejection
from service.pool.pool import Receipt
from service.records import Campaign, Place
from service.store import labels
from service.store.schema import staged


def add(connection: Connection, files: Files, campaign: Campaign, batch: Batch, receipt: Receipt) -> None:
    """Import one batch; a text that is not in the pool joins it. The caller holds the campaign's lock.

    A line names its example by text, or by id alone; in the receipt an example that was there is a duplicate.
    """
    texts: list[Line] = []
    named: list[Line] = []
    for line in batch.lines():
        if line.example.label is None:
            field, wanted = answers.FIELDS[campaign.problem], answers.WANTED[campaign.problem]
            receipt.reject(Rejection(line.number, f"{field!r} is missing: give {wanted}"))
        elif line.example.text.strip():
            texts.append(line)
        elif line.example.id is None:
            receipt.reject(Rejection(line.number, f"neither 'id' nor {campaign.text_field!r} is given"))
        else:
            named.append(line)
    if texts:
        pool.add(connection, files, campaign, "pool", Batch.of(texts), receipt)
    if named:
        _add_named(connection, files, campaign, named, receipt)


def _add_named(
    connection: Connection, files: Files, campaign: Campaign, lines: Sequence[Line], receipt: Receipt
) -> None:
    ids = [line.example.id for line in lines if line.example.id is not None]
    by_id, _ = pool.find(connection, files, campaign.id, ids, [])
    texts = pool.texts(connection, files, campaign.id, by_id.values()) if campaign.problem == "spans" else {}
    given: dict[Place, str] = {}
    for line in lines:
        id_, label = line.example.id, line.example.label
        place = by_id.get(id_) if id_ is not None else None
        if place is None or label is None:
            receipt.reject(Rejection(line.number, f"the id {id_!r} is not in the pool: give its text too"))
            continue
        length = len(texts[place]) if place in texts else None
        try:
            answer = answers.check(campaign.problem, campaign.labels, label, length)
        except Invalid as error:
            receipt.reject(Rejection(line.number, str(error)))
            continue
        receipt.received += 1
        receipt.duplicates += 1
        given.setdefault(place, answers.store(answer))
    keys = _role_keys(connection, files, campaign.id, given)
    receipt.labels += labels.import_known(
        connection, campaign.id, {place: (label, keys[place]) for place, label in given.items()}
    )


def _role_keys(
    connection: Connection, files: Files, campaign: str, places: Iterable[Place]
) -> dict[Place, int]:
    by_shard: dict[int, list[int]] = {}
    for place in places:
        by_shard.setdefault(place.shard, []).append(place.row)
    keys: dict[Place, int] = {}
    for number, rows in by_shard.items():
        shard = pool.shard_row(connection, campaign, number)
        if shard.state == "sealed":
            stored = shards.role_keys(files, shard.content)[np.asarray(rows)]
            keys.update((Place(number, row), int(key)) for row, key in zip(rows, stored, strict=True))
        else:
            query = select(staged.c.row, staged.c.role_key).where(
                staged.c.campaign == campaign, staged.c.shard == number, staged.c.row.in_(rows)
            )
            keys.update((Place(number, row), key) for row, key in connection.execute(query))
    return keys
