"""Examples in columns, with what is hashed of them: as objects of Python they would take four times the memory."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from service.pool import shards, text
from service.records import Example


class Packed(NamedTuple):
    """Good lines one after another, from line `first` on, of which no answer is known and no text was cut."""

    first: int
    columns: pa.RecordBatch
    """(n,) as `shards.columns_of` makes them."""
    digests: list[bytes]
    id_keys: list[bytes | None]
    chars: int
    """Size of the texts and meta."""

    @property
    def rows(self) -> int:
        return len(self.digests)

    def split(self, at: int) -> tuple["Packed", "Packed"]:
        """The first `at` lines, and the others."""
        share = self.chars * at // self.rows
        columns, digests, ids = self.columns, self.digests, self.id_keys
        return (
            Packed(self.first, columns.slice(0, at), digests[:at], ids[:at], share),
            Packed(self.first + at, columns.slice(at), digests[at:], ids[at:], self.chars - share),
        )

    def examples(self) -> Iterator[Example]:
        return examples(self.columns)


def pack(
    first: int,
    texts: Sequence[str],
    ids: Sequence[str | None],
    domains: Sequence[str | None],
    metas: Sequence[dict[str, Any] | None],
) -> Packed:
    encoded = [None if meta is None else msgspec.json.encode(meta).decode() for meta in metas]
    id_keys = [None if id_ is None else shards.id_key(id_) for id_ in ids]
    chars = sum(map(len, texts)) + sum(len(meta) for meta in encoded if meta)
    columns = shards.columns_of(texts, ids, domains, encoded)
    return Packed(first, columns, text.digests(texts), id_keys, chars)


def examples(columns: pa.RecordBatch) -> Iterator[Example]:
    """The inverse of `shards.columns_of`."""
    for row in columns.to_pylist():
        meta = None if row["meta"] is None else msgspec.json.decode(row["meta"])
        yield Example(row["text"], row["ext_id"], row["domain"], meta)
