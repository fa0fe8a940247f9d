"""A campaign's pool: examples come in by batches, gather in SQL, and are sealed into shards.

Many that are new at once make a shard without a stop in SQL, which is where large uploads would spend their time.
Exact duplicates (equal `digest`) become aliases of the example that was first; an id names one text for ever.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from service import answers
from service.errors import Conflict, Invalid
from service.files import Files
from service.pool import index, shards, strings, text
from service.pool.batch import Batch
from service.pool.lines import Line, Rejection
from service.pool.packed import Packed
from service.records import Campaign, Example, Place
from service.store import events, labels
from service.store.schema import alias, shard, staged
from service.vocabulary import Vocabulary

Kind = Literal["pool", "test", "synthetic"]
"""Synthetic texts are put in by whole shards (`put_synthetic`): no upload has this kind."""
BATCH = 24_576
BATCH_CHARS = 16_000_000
"""A batch of long texts is stored early: an upload's memory is bounded by this."""
BATCH_S = 2.0
"""A slow sender's lines are stored after so long, though they are few, as soon as one more comes."""
APART = BATCH // 2
"""So many new examples in one batch make a shard of their own."""
ASKED_AT_ONCE = 5_000
"""Values in one query: databases have a limit."""
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
    lines: Iterable[Packed | Line | Rejection],
    receipt: Receipt,
    store: Callable[[Batch], None],
) -> None:
    """Hand the good lines on in batches; `store` commits each. Where `lines` break off, what came before is stored."""
    batch, since = Batch(), time.monotonic()

    def flush() -> None:
        nonlocal batch, since
        whole, batch = batch, Batch()
        if len(whole):
            whole.pack()
            store(whole)
        since = time.monotonic()  # the store's own time is not the sender's

    try:
        for found in lines:
            if isinstance(found, Rejection):
                receipt.reject(found)
                continue
            if isinstance(found, Packed):
                while found.rows > (room := BATCH - len(batch)):
                    first, found = found.split(room)
                    batch.extend(first)
                    flush()
                batch.extend(found)
            else:
                batch.append(found)
            if len(batch) == BATCH or batch.chars >= BATCH_CHARS or time.monotonic() - since > BATCH_S:
                flush()
    finally:
        flush()


def add(
    connection: Connection,
    files: Files,
    campaign: Campaign,
    kind: Kind,
    batch: Batch,
    receipt: Receipt,
) -> None:
    """Add one batch to the pool (or test set), and count it in `receipt`; the caller holds the campaign's lock."""
    pool = _Known(connection, files, campaign.id, kind)
    # Where a text or an id is: a place in the pool, or a position in this batch.
    by_digest: dict[bytes, Place | int] = {**pool.by_digest(batch.digests)}
    by_id: dict[bytes, Place | int] = {**pool.by_id_key(batch)}
    kept = _Kept(connection, files, campaign, kind, batch, by_digest)
    new: list[int] = []
    again: dict[int, Place | int] = {}
    other_names: list[int] = []
    told: dict[int, str] = {}
    rejected: set[int] = set()
    for at, (digest, id_) in enumerate(zip(batch.digests, batch.id_keys, strict=True)):
        where = by_digest.get(digest, at)
        try:
            if id_ is not None and by_id.get(id_, where) != where:
                raise Invalid(f"the id {batch.id(at)!r} already names another text")
            if kind == "test" or at in batch.labeled:
                told[at] = _label(campaign, batch.labeled.get(at), kept.text(where))
        except Invalid as error:
            receipt.reject(Rejection(batch.numbers[at], str(error)))
            rejected.add(at)
            continue
        if where == at:
            by_digest[digest] = at
            new.append(at)
        else:
            again[at] = where
            if id_ is not None and id_ not in by_id:
                other_names.append(at)
        if id_ is not None:
            by_id[id_] = where
    receipt.received += len(new) + len(again)
    receipt.added += len(new)
    receipt.duplicates += len(again)
    receipt.truncated += len(batch.truncated - rejected)
    put = _put_apart if len(new) >= APART else _put_into_sql
    place_of = put(connection, files, campaign.id, kind, batch, new, _in_codes(campaign, new, told))

    def place(where: Place | int) -> Place:
        return place_of(bisect_left(new, where)) if isinstance(where, int) else where

    if other_names:
        of_campaign = {"campaign": campaign.id, "kind": kind}
        rows = [of_campaign | {"ext_id": batch.id(at)} | _columns(place(again[at])) for at in other_names]
        connection.execute(insert(alias), rows)
    if kind == "pool":
        given: dict[Place, tuple[str, int]] = {}
        for at, label in told.items():
            given.setdefault(place(again.get(at, at)), (label, text.role_key(batch.text(at))))
        receipt.labels += labels.import_known(connection, campaign.id, given)


def _in_codes(campaign: Campaign, new: Sequence[int], told: Mapping[int, str]) -> list[str | None]:
    """Answers as they are kept for good: a change of labels cannot reach them."""
    words, problem = Vocabulary.of(campaign), campaign.problem
    found = [told.get(at) for at in new]
    if not words.changes:
        return found
    return [None if one is None else answers.store(words.coded(answers.read(problem, one))) for one in found]


class _Kept:
    """The texts that are stored, of a spans problem, where spans come now: offsets are theirs alone."""

    def __init__(
        self,
        connection: Connection,
        files: Files,
        campaign: Campaign,
        kind: Kind,
        batch: Batch,
        by_digest: Mapping[bytes, Place | int],
    ) -> None:
        self._batch, self._wanted = batch, campaign.problem == "spans"
        known = {by_digest.get(batch.digests[at]) for at in batch.labeled} if self._wanted else set()
        self._texts = texts(connection, files, campaign.id, [one for one in known if isinstance(one, Place)])

    def text(self, where: Place | int) -> str | None:
        if isinstance(where, Place):
            return self._texts.get(where)
        return self._batch.text(where) if self._wanted else None


def _label(campaign: Campaign, example: Example | None, kept: str | None) -> str:
    """The answer as it is stored, of an example of which something has to be known.

    `kept`: the text that is in the pool already, where that is at hand.
    """
    if example is None or example.label is None:
        raise Invalid(f"a test example needs a {answers.FIELDS[campaign.problem]!r}")
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
            found |= {Place(number, row): kept for row, kept in connection.execute(query)}
    return found


def find(
    connection: Connection,
    files: Files,
    campaign: str,
    ids: Sequence[str],
    texts: Sequence[str],
    kind: Kind = "pool",
) -> tuple[dict[str, Place], dict[str, Place]]:
    """Examples of the pool, or of another kind, by id and by text; what is not there is left out."""
    pool = _Known(connection, files, campaign, kind)
    digests = [text.digest(one) for one in texts]
    by_digest = pool.by_digest(digests)
    return pool.by_id(ids), {
        one: by_digest[key] for one, key in zip(texts, digests, strict=True) if key in by_digest
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


def put_synthetic(connection: Connection, campaign: str, content: str, rows: int) -> int:
    """Name a sealed folder of synthetic texts as a shard; its number. The caller holds the campaign's lock.

    A shard of a kind of its own: what looks at the pool (draws, strategies, auto-labels, exports of it) or at the test
    set never sees it.
    """
    return _open(connection, campaign, "synthetic", "sealed", rows, content)


def compared(connection: Connection, campaign: str, number: int, near: str, repeats: int) -> None:
    """Name the folder that says which of a shard's examples repeat others, and how many do."""
    mine = update(shard).where(shard.c.campaign == campaign, shard.c.number == number)
    connection.execute(mine.values(near=near, repeats=repeats))


def all_shards(connection: Connection, campaign: str, kind: Kind | None = "pool") -> list[Row[Any]]:
    """Rows of the table `shard`, by number; None: of every kind."""
    query = select(shard).where(shard.c.campaign == campaign)
    if kind is not None:
        query = query.where(shard.c.kind == kind)
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
        rows = all_shards(connection, campaign, kind)
        self.sealed = [
            (row.number, files.path(shards.folder(row.content))) for row in rows if row.state == "sealed"
        ]

    def by_digest(self, digests: Sequence[bytes]) -> dict[bytes, Place]:
        return self._in_sql(staged, staged.c.digest, digests) | self._in_files("digest", digests)

    def by_id(self, ids: Sequence[str]) -> dict[str, Place]:
        by_key = {shards.id_key(id_): id_ for id_ in ids}
        in_sql = self._in_sql(staged, staged.c.ext_id, ids) | self._in_sql(alias, alias.c.ext_id, ids)
        in_files = self._in_files("id", by_key)
        return in_sql | {by_key[key]: place for key, place in in_files.items()}

    def by_id_key(self, batch: Batch) -> dict[bytes, Place]:
        found = self._in_files("id", [key for key in batch.id_keys if key is not None])
        for table in (staged, alias):
            if self._any(table):
                ids = [id_ for id_ in batch.ids() if id_ is not None]
                named = self._in_sql(table, table.c.ext_id, ids)
                found |= {shards.id_key(id_): place for id_, place in named.items()}
        return found

    def _any(self, table: Table) -> bool:
        mine = (table.c.campaign == self.campaign) & (table.c.kind == self.kind)
        return self.connection.execute(select(table.c.shard).where(mine).limit(1)).first() is not None

    def _in_sql(self, table: Table, column: Any, values: Sequence[Any]) -> dict[Any, Place]:
        query = select(column, table.c.shard, table.c.row).where(
            table.c.campaign == self.campaign, table.c.kind == self.kind
        )
        found: dict[Any, Place] = {}
        for start in range(0, len(values) if self._any(table) else 0, ASKED_AT_ONCE):
            some = query.where(column.in_(values[start : start + ASKED_AT_ONCE]))
            found.update((value, Place(*place)) for value, *place in self.connection.execute(some))
        return found

    def _in_files(self, name: str, keys: Collection[bytes]) -> dict[bytes, Place]:
        asked = index.Asked(keys if self.sealed else [])
        return {
            key: Place(number, row)
            for number, folder in self.sealed
            for key, row in asked.find(folder, name).items()
        }


def _put_into_sql(
    connection: Connection,
    files: Files,
    campaign: str,
    kind: Kind,
    batch: Batch,
    new: Sequence[int],
    labels: Sequence[str | None],
) -> Callable[[int], Place]:
    """Rows at the positions `new` gather in the shard that is filling, and in the next ones; where each is now."""
    if not new:
        return [].__getitem__
    room = _Room(connection, campaign, kind)
    places = [room.next() for _ in new]
    room.close()
    examples = strings.take(batch.table(), new).to_pylist()
    role_keys = text.role_keys([example["text"] for example in examples])
    rows = [
        {
            "campaign": campaign,
            "kind": kind,
            "digest": batch.digests[at],
            "role_key": role_key,
            "label": label,
            **_columns(place),
            **example,
            "meta": None if example["meta"] is None else msgspec.json.decode(example["meta"]),
        }
        for at, place, label, example, role_key in zip(new, places, labels, examples, role_keys, strict=True)
    ]
    connection.execute(insert(staged), rows)
    return places.__getitem__


def _put_apart(
    connection: Connection,
    files: Files,
    campaign: str,
    kind: Kind,
    batch: Batch,
    new: Sequence[int],
    labels: Sequence[str | None],
) -> Callable[[int], Place]:
    """Rows at the positions `new` become a sealed shard, beside the one that is filling; where each is now."""
    examples, digests, id_keys = batch.table(), batch.digests, batch.id_keys
    if len(new) < len(batch):
        examples = strings.take(examples, new)
        digests, id_keys = [digests[at] for at in new], [id_keys[at] for at in new]
    content = shards.write(files, examples, labels, digests, id_keys)
    number = _open(connection, campaign, kind, "sealed", len(new), content)
    events.record(connection, campaign, "shard-sealed", shard=number, rows=len(new))
    return lambda row: Place(number, row)


class _Room:
    """Hands out free places in the shard that is filling, and opens the next one when it is full."""

    def __init__(self, connection: Connection, campaign: str, kind: Kind) -> None:
        self.connection, self.campaign, self.kind = connection, campaign, kind
        row = connection.execute(
            select(shard.c.number, shard.c.rows).where(
                shard.c.campaign == campaign, shard.c.kind == kind, shard.c.state == "filling"
            )
        ).first()
        self.number: int = row.number if row else _open(connection, campaign, kind, "filling")
        self.rows: int = row.rows if row else 0

    def next(self) -> Place:
        if self.rows == shards.SHARD_ROWS:
            self.close()
            self.number, self.rows = _open(self.connection, self.campaign, self.kind, "filling"), 0
        self.rows += 1
        return Place(self.number, self.rows - 1)

    def close(self) -> None:
        full = self.rows == shards.SHARD_ROWS
        self.connection.execute(
            update(shard)
            .where(shard.c.campaign == self.campaign, shard.c.number == self.number)
            .values(rows=self.rows, state="full" if full else "filling")
        )


def _open(
    connection: Connection, campaign: str, kind: Kind, state: str, rows: int = 0, content: str | None = None
) -> int:
    """A new shard's number."""
    query = select(func.max(shard.c.number)).where(shard.c.campaign == campaign)
    newest = connection.execute(query).scalar()
    number = 0 if newest is None else int(newest) + 1
    connection.execute(
        insert(shard).values(
            campaign=campaign, number=number, kind=kind, state=state, rows=rows, content=content
        )
    )
    return number


def _columns(place: Place) -> dict[str, int]:
    return {"shard": place.shard, "row": place.row}
