"""A campaign's pool: examples come in by batches, gather in SQL, and are sealed into shards.

Exact duplicates (equal `digest`) become aliases of the example that was first; an id names one text for ever.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from service import answers
from service.errors import Conflict, Invalid
from service.files import Files
from service.pool import index, shards
from service.pool.lines import Line, Rejection
from service.pool.text import digest, role_key
from service.records import Campaign, Example, Place
from service.store import labels
from service.store.schema import alias, shard, staged

Kind = Literal["pool", "test"]
BATCH = 5_000
BATCH_CHARS = 16_000_000
"""A batch of long texts is stored early: an upload's memory is bounded by this."""
BATCH_S = 2.0
"""A slow sender's lines are stored after so long, though they are few, as soon as one more comes."""
ERRORS_KEPT = 100


class Receipt(msgspec.Struct):
    """What became of an upload's lines: received = added + duplicates + rejected. Truncated ones are added."""

    received: int = 0
    added: int = 0
    duplicates: int = 0
    truncated: int = 0
    rejected: int = 0
    labels: int = 0
    errors: list[Rejection] = msgspec.field(default_factory=list)

    def reject(self, rejection: Rejection) -> None:
        self.received += 1
        self.rejected += 1
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(rejection)


def ingest(
    lines: Iterable[Line | Rejection],
    receipt: Receipt,
    store: Callable[[Sequence[Line]], None],
) -> None:
    """Hand the good lines on in batches; `store` commits each. Where `lines` break off, what came before is stored."""
    batch: list[Line] = []
    held, since = 0, time.monotonic()

    def flush() -> None:
        nonlocal batch, held, since
        whole, batch, held = batch, [], 0
        if whole:
            store(whole)
        since = time.monotonic()  # the store's own time is not the sender's

    try:
        for line in lines:
            if isinstance(line, Rejection):
                receipt.reject(line)
                continue
            batch.append(line)
            held += len(line.example.text) + (len(repr(line.example.meta)) if line.example.meta else 0)
            if len(batch) == BATCH or held >= BATCH_CHARS or time.monotonic() - since > BATCH_S:
                flush()
    finally:
        flush()


def add(
    connection: Connection,
    files: Files,
    campaign: Campaign,
    kind: Kind,
    lines: Sequence[Line],
    receipt: Receipt,
) -> None:
    """Add one batch to the pool (or test set), and count it in `receipt`; the caller holds the campaign's lock."""
    pool = _Known(connection, files, campaign.id, kind)
    digests = [digest(line.example.text) for line in lines]
    by_digest = pool.by_digest(digests)
    by_id = pool.by_id([line.example.id for line in lines if line.example.id is not None])
    kept = _texts_with_spans(
        connection, files, campaign, kind, lines, [by_digest.get(key) for key in digests]
    )
    room = _Room(connection, campaign.id, kind)
    new: list[dict[str, Any]] = []
    aliases: list[dict[str, Any]] = []
    given: dict[Place, tuple[str, int]] = {}
    for line, key in zip(lines, digests, strict=True):
        example = line.example
        place = by_digest.get(key)
        try:
            label = _label(campaign, example, kind, None if place is None else kept.get(place))
            if example.id is not None and by_id.get(example.id, place) != place:
                raise Invalid(f"the id {example.id!r} already names another text")
        except Invalid as error:
            receipt.reject(Rejection(line.number, str(error)))
            continue
        receipt.received += 1
        receipt.truncated += line.truncated
        role = role_key(example.text)
        if place is None:
            place = room.next()
            receipt.added += 1
            new.append(
                {
                    "campaign": campaign.id,
                    "shard": place.shard,
                    "row": place.row,
                    "kind": kind,
                    "digest": key,
                    "role_key": role,
                    "text": example.text,
                    "ext_id": example.id,
                    "domain": example.domain,
                    "meta": example.meta,
                    "label": label,
                }
            )
            by_digest[key] = place
            kept[place] = example.text
        else:
            receipt.duplicates += 1
            if example.id is not None and example.id not in by_id:
                aliases.append(
                    {
                        "campaign": campaign.id,
                        "kind": kind,
                        "ext_id": example.id,
                        "shard": place.shard,
                        "row": place.row,
                    }
                )
        if example.id is not None:
            by_id[example.id] = place
        if label is not None and kind == "pool":
            given.setdefault(place, (label, role))
    if new:
        connection.execute(insert(staged), new)
    if aliases:
        connection.execute(insert(alias), aliases)
    room.close()
    receipt.labels += labels.import_known(connection, campaign.id, given)


def _texts_with_spans(
    connection: Connection,
    files: Files,
    campaign: Campaign,
    kind: Kind,
    lines: Sequence[Line],
    places: Sequence[Place | None],
) -> dict[Place, str]:
    """The stored texts of examples that are known, for which spans come now."""
    if campaign.problem != "spans" or kind != "pool":
        return {}
    labeled = {place for place, line in zip(places, lines, strict=True) if line.example.label is not None}
    return texts(connection, files, campaign.id, [place for place in labeled if place is not None])


def _label(campaign: Campaign, example: Example, kind: Kind, kept: str | None) -> str | None:
    """The example's answer as it is stored. `kept`: the text that is in the pool already, where that is at hand."""
    if example.label is None:
        if kind == "test":
            raise Invalid(f"a test example needs a {answers.FIELDS[campaign.problem]!r}")
        return None
    answer = answers.check(campaign.problem, campaign.labels, example.label, len(example.text))
    if campaign.problem == "spans" and kept not in (None, example.text):
        raise Invalid(
            "the text is in the pool already, with other white space or in another Unicode form, so these offsets are "
            "not its own: give the text as it was sent first"
        )
    return answers.store(answer)


def texts(connection: Connection, files: Files, campaign: str, places: Iterable[Place]) -> dict[Place, str]:
    """The texts of examples, sealed or not."""
    by_shard: dict[int, list[int]] = {}
    for place in places:
        by_shard.setdefault(place.shard, []).append(place.row)
    found: dict[Place, str] = {}
    for number, rows in by_shard.items():
        sealed_or_not = shard_row(connection, campaign, number)
        if sealed_or_not.state == "sealed":
            examples = shards.examples(files, sealed_or_not.content, rows)
            found |= {Place(number, row): one["text"] for row, one in zip(rows, examples, strict=True)}
        else:
            query = select(staged.c.row, staged.c.text).where(
                staged.c.campaign == campaign, staged.c.shard == number, staged.c.row.in_(rows)
            )
            found |= {Place(number, row): text for row, text in connection.execute(query)}
    return found


def find(
    connection: Connection, files: Files, campaign: str, ids: Sequence[str], texts: Sequence[str]
) -> tuple[dict[str, Place], dict[str, Place]]:
    """Pool examples by id and by text; what is not in the pool is left out."""
    pool = _Known(connection, files, campaign, "pool")
    digests = [digest(text) for text in texts]
    by_digest = pool.by_digest(digests)
    return pool.by_id(ids), {
        text: by_digest[key] for text, key in zip(texts, digests, strict=True) if key in by_digest
    }


def close_filling(connection: Connection, campaign: str) -> list[int]:
    """Take no more rows into the shards that are filling; the numbers of all that wait to be sealed."""
    connection.execute(
        update(shard)
        .where(shard.c.campaign == campaign, shard.c.state == "filling", shard.c.rows > 0)
        .values(state="full")
    )
    query = select(shard.c.number).where(shard.c.campaign == campaign, shard.c.state == "full")
    return list(connection.execute(query.order_by(shard.c.number)).scalars())


def staged_rows(connection: Connection, campaign: str, number: int) -> list[shards.Row]:
    """The rows of a shard that is not sealed yet, in order."""
    query = (
        select(
            staged.c.text,
            staged.c.digest,
            staged.c.role_key,
            staged.c.ext_id,
            staged.c.domain,
            staged.c.meta,
            staged.c.label,
        )
        .where(staged.c.campaign == campaign, staged.c.shard == number)
        .order_by(staged.c.row)
    )
    return [shards.Row(*row) for row in connection.execute(query)]


def sealed(connection: Connection, campaign: str, number: int, content: str) -> None:
    """Name the sealed folder in place of the rows in SQL."""
    changed = connection.execute(
        update(shard)
        .where(shard.c.campaign == campaign, shard.c.number == number, shard.c.state == "full")
        .values(state="sealed", content=content)
    )
    if changed.rowcount != 1:
        raise Conflict(f"shard {number} of campaign {campaign} is not waiting to be sealed")
    connection.execute(delete(staged).where(staged.c.campaign == campaign, staged.c.shard == number))


def all_shards(connection: Connection, campaign: str, kind: Kind = "pool") -> list[Row[Any]]:
    """Rows of the table `shard`, by number."""
    query = select(shard).where(shard.c.campaign == campaign, shard.c.kind == kind)
    return list(connection.execute(query.order_by(shard.c.number)))


def shard_row(connection: Connection, campaign: str, number: int) -> Row[Any]:
    """The row of one shard."""
    return connection.execute(
        select(shard).where(shard.c.campaign == campaign, shard.c.number == number)
    ).one()


def size(connection: Connection, campaign: str, kind: Kind = "pool") -> int:
    """Examples, sealed or not."""
    query = select(func.coalesce(func.sum(shard.c.rows), 0))
    return int(
        connection.execute(query.where(shard.c.campaign == campaign, shard.c.kind == kind)).scalar_one()
    )


class _Known:
    """Look-ups of what a pool holds already: in SQL for rows not sealed, in each shard's index for the rest."""

    def __init__(self, connection: Connection, files: Files, campaign: str, kind: Kind) -> None:
        self.connection, self.campaign, self.kind = connection, campaign, kind
        self.sealed = [
            (row.number, files.path(shards.folder(row.content)))
            for row in all_shards(connection, campaign, kind)
            if row.state == "sealed"
        ]

    def by_digest(self, digests: Sequence[bytes]) -> dict[bytes, Place]:
        return self._in_sql(staged.c.digest, digests) | self._in_files("digest", digests, digests)

    def by_id(self, ids: Sequence[str]) -> dict[str, Place]:
        named = select(alias.c.ext_id, alias.c.shard, alias.c.row).where(
            alias.c.campaign == self.campaign, alias.c.kind == self.kind, alias.c.ext_id.in_(ids)
        )
        aliases = {id_: Place(number, row) for id_, number, row in self.connection.execute(named)}
        hashes = [shards.id_key(id_) for id_ in ids]
        return self._in_sql(staged.c.ext_id, ids) | aliases | self._in_files("id", ids, hashes)

    def _in_sql(self, column: Any, values: Sequence[Any]) -> dict[Any, Place]:
        query = select(column, staged.c.shard, staged.c.row).where(
            staged.c.campaign == self.campaign, staged.c.kind == self.kind, column.in_(values)
        )
        return {value: Place(number, row) for value, number, row in self.connection.execute(query)}

    def _in_files(self, name: str, values: Sequence[Any], keys: Sequence[bytes]) -> dict[Any, Place]:
        found: dict[Any, Place] = {}
        for number, folder in self.sealed:
            rows = index.look_up(folder, name, keys)
            found.update((values[at], Place(number, int(rows[at]))) for at in (rows >= 0).nonzero()[0])
        return found


class _Room:
    """Hands out free places in the shard that is filling, and opens the next one when it is full."""

    def __init__(self, connection: Connection, campaign: str, kind: Kind) -> None:
        self.connection, self.campaign, self.kind = connection, campaign, kind
        row = connection.execute(
            select(shard.c.number, shard.c.rows).where(
                shard.c.campaign == campaign, shard.c.kind == kind, shard.c.state == "filling"
            )
        ).first()
        self.number: int = row.number if row else self._open()
        self.rows: int = row.rows if row else 0

    def next(self) -> Place:
        if self.rows == shards.SHARD_ROWS:
            self.close()
            self.number, self.rows = self._open(), 0
        self.rows += 1
        return Place(self.number, self.rows - 1)

    def close(self) -> None:
        full = self.rows == shards.SHARD_ROWS
        self.connection.execute(
            update(shard)
            .where(shard.c.campaign == self.campaign, shard.c.number == self.number)
            .values(rows=self.rows, state="full" if full else "filling")
        )

    def _open(self) -> int:
        newest = self.connection.execute(
            select(func.max(shard.c.number)).where(shard.c.campaign == self.campaign)
        ).scalar()
        number = 0 if newest is None else int(newest) + 1
        self.connection.execute(
            insert(shard).values(
                campaign=self.campaign, number=number, kind=self.kind, state="filling", rows=0
            )
        )
        return number
