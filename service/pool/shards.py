"""Sealed shards: up to 65,536 examples in one folder, named by what is in it."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from service.files import Files
from service.pool import index, strings, text

SHARD_ROWS = 65_536
GROUP_ROWS = 8_192
"""Of a shard's file: so many rows are in memory twice while it is written."""

_SCHEMA = pa.schema([(name, strings.TYPE) for name in ("text", "ext_id", "domain", "meta", "label")])
ROLE_KEYS = "role_keys.npy"
_UNLABELED = pa.schema(list(_SCHEMA)[:-1])
_DICTIONARIES = ["domain", "label"]
"""Columns whose values come again and again."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One example on its way into a shard."""

    text: str
    digest: bytes
    role_key: int
    ext_id: str | None
    domain: str | None
    meta: dict[str, Any] | None
    label: str | None


def seal(files: Files, rows: Sequence[Row]) -> str:
    """Write the shard; its content key. Rows with equal contents in equal order share one folder."""
    examples = columns_of(
        [row.text for row in rows],
        [row.ext_id for row in rows],
        [row.domain for row in rows],
        [None if row.meta is None else msgspec.json.encode(row.meta).decode() for row in rows],
    )
    return write(
        files,
        pa.Table.from_batches([examples]),
        [row.label for row in rows],
        [row.digest for row in rows],
        [None if row.ext_id is None else id_key(row.ext_id) for row in rows],
        [row.role_key for row in rows],
    )


def columns_of(
    texts: Sequence[str],
    ids: Sequence[str | None],
    domains: Sequence[str | None],
    metas: Sequence[str | None],
) -> pa.RecordBatch:
    """Examples as a shard has them, without their labels; `metas` as JSON."""
    columns = [strings.column(values) for values in (texts, ids, domains, metas)]
    return pa.RecordBatch.from_arrays(columns, schema=_UNLABELED)


def write(
    files: Files,
    examples: pa.Table,
    labels: Sequence[str | None],
    digests: Sequence[bytes],
    id_keys: Sequence[bytes | None],
    role_keys: Sequence[int] | None = None,
) -> str:
    """As `seal`, of `examples` as `columns_of` makes them; role keys that are not known are left to who needs them."""
    label = pa.chunked_array([strings.column(labels)])
    table = examples.append_column(_SCHEMA.field("label"), label)
    content = hashlib.blake2b(digest_size=16)
    for column in table.itercolumns():
        strings.hashed(column, content)
    key = content.hexdigest()
    with files.new(folder(key)) as target:
        pq.write_table(
            table,
            target / "examples.parquet",
            row_group_size=GROUP_ROWS,
            compression="zstd",
            use_dictionary=_DICTIONARIES,
        )
        if role_keys is not None:
            np.save(target / ROLE_KEYS, np.asarray(role_keys, dtype=np.int64))
        index.write(target, "digest", digests, range(len(digests)))
        named = [at for at, id_ in enumerate(id_keys) if id_ is not None]
        index.write(target, "id", [id_ for id_ in id_keys if id_ is not None], named)
    return key


def folder(content: str) -> str:
    return f"shards/{content}"


def roles(content: str) -> str:
    """Folder of the role keys that were not known when the shard was written."""
    return f"roles/{content}"


def id_key(ext_id: str) -> bytes:
    """16 bytes."""
    return hashlib.blake2b(ext_id.encode(), digest_size=16).digest()


def role_keys(files: Files, content: str) -> NDArray[np.int64]:
    """(rows,) int64; computed where nobody asked for them before."""
    name = folder(content)
    if not (files.path(name) / ROLE_KEYS).exists():
        name = roles(content)
        if not files.exists(name):
            texts = columns(files, content, ["text"])["text"]
            with files.new(name) as target:
                np.save(target / ROLE_KEYS, np.asarray(text.role_keys(texts), dtype=np.int64))
    return np.asarray(np.load(files.path(name) / ROLE_KEYS))


def columns(files: Files, content: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """Whole columns, each a list aligned with the shard's rows; `meta` as the JSON text that is stored."""
    table = pq.read_table(files.path(folder(content)) / "examples.parquet", columns=list(names))
    return {name: table.column(name).to_pylist() for name in names}


def of_domain(files: Files, content: str, domain: str | None) -> NDArray[np.bool_]:
    """(rows,) which are of the domain; None: which have none."""
    column = pq.read_table(files.path(folder(content)) / "examples.parquet", columns=["domain"])["domain"]
    found = pc.is_null(column) if domain is None else pc.fill_null(pc.equal(column, domain), False)
    return np.asarray(found.to_numpy())


def pages(files: Files, content: str, size: int) -> Iterator[list[dict[str, Any]]]:
    """All examples, at most `size` at a time, as `examples` has them, but with `meta` read."""
    with pq.ParquetFile(files.path(folder(content)) / "examples.parquet") as file:
        for batch in file.iter_batches(size):
            yield [with_meta(one) for one in batch.to_pylist()]


def with_meta(example: dict[str, Any]) -> dict[str, Any]:
    """The example with `meta` read from the JSON that is stored."""
    return example | {"meta": None if example["meta"] is None else msgspec.json.decode(example["meta"])}


def examples(files: Files, content: str, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Some examples: `{text, ext_id, domain, meta, label}` each, in the order asked for.

    Only the row groups that they are in are read.
    """
    at = np.asarray(rows, dtype=np.int64)
    with pq.ParquetFile(files.path(folder(content)) / "examples.parquet") as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        of = np.searchsorted(ends, at, side="right")
        groups, where = np.unique(of, return_inverse=True)
        if not len(groups):
            return []
        read = file.read_row_groups(groups.tolist())
        starts = np.cumsum([0, *(sizes[group] for group in groups)])[:-1]
        begins = ends[groups] - [sizes[group] for group in groups]
        inside = at - begins[where] + starts[where]
    found: list[dict[str, Any]] = strings.take(read, inside).to_pylist()
    return found
