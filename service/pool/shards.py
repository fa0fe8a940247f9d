"""Sealed shards: up to 65,536 examples in one folder, named by what is in it."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from service.files import Files
from service.pool import index

SHARD_ROWS = 65_536

_SCHEMA = pa.schema(
    [
        ("text", pa.large_string()),
        ("ext_id", pa.string()),
        ("domain", pa.string()),
        ("meta", pa.string()),
        ("label", pa.string()),
    ]
)


class Row(msgspec.Struct, frozen=True):
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
    table = pa.table(
        {
            "text": [row.text for row in rows],
            "ext_id": [row.ext_id for row in rows],
            "domain": [row.domain for row in rows],
            "meta": [None if row.meta is None else msgspec.json.encode(row.meta).decode() for row in rows],
            "label": [row.label for row in rows],
        },
        schema=_SCHEMA,
    )
    content = hashlib.blake2b(digest_size=16)
    for row in rows:
        content.update(msgspec.json.encode([row.text, row.ext_id, row.domain, row.meta, row.label]))
    key = content.hexdigest()
    with files.new(folder(key)) as target:
        pq.write_table(table, target / "examples.parquet", compression="zstd")
        np.save(target / "role_keys.npy", np.asarray([row.role_key for row in rows], dtype=np.int64))
        index.write(target, "digest", [row.digest for row in rows], range(len(rows)))
        named = [(id_key(row.ext_id), at) for at, row in enumerate(rows) if row.ext_id is not None]
        index.write(target, "id", [key for key, _ in named], [at for _, at in named])
    return key


def folder(content: str) -> str:
    return f"shards/{content}"


def id_key(ext_id: str) -> bytes:
    return hashlib.blake2b(ext_id.encode(), digest_size=16).digest()


def role_keys(files: Files, content: str) -> NDArray[np.int64]:
    """(rows,) int64."""
    return np.asarray(np.load(files.path(folder(content)) / "role_keys.npy"))


def columns(files: Files, content: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """Whole columns, each a list aligned with the shard's rows; `meta` as the JSON text that is stored."""
    table = pq.read_table(files.path(folder(content)) / "examples.parquet", columns=list(names))
    return {name: table.column(name).to_pylist() for name in names}


def examples(files: Files, content: str, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Some examples: `{text, ext_id, domain, meta, label}` each, in the order asked for."""
    table = pq.read_table(files.path(folder(content)) / "examples.parquet")
    found: list[dict[str, Any]] = table.take(pa.array(rows, type=pa.int64())).to_pylist()
    return found
