"""Rows as Parquet: lists and spans are nested columns, what has any shape is JSON in a string."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from service.export.columns import Column
from service.export.lines import Pages

GROUP_ROWS = 5_000
GROUP_BYTES = 1 << 25
"""So many rows, or so much JSON, make a row group: what is in memory at a time."""
_SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]))
_ANSWERS = {"single_label": pa.string(), "multi_label": pa.list_(pa.string()), "spans": _SPANS}
_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "number": pa.int64(),
    "numbers": pa.list_(pa.int64()),
    "real": pa.float64(),
    "flag": pa.bool_(),
    "time": _TIME,
    "json": pa.string(),
}


class Sink(io.RawIOBase):
    """A file to write to, of which is taken what was written so far."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held


def schema(problem: str, columns: Sequence[Column]) -> pa.Schema:
    """The types of an export's columns."""
    types = _TYPES | {"answer": _ANSWERS[problem]}
    return pa.schema([(column.name, types[column.kind]) for column in columns])


def stream(problem: str, columns: Sequence[Column], pages: Pages) -> Iterator[bytes]:
    """A Parquet file, in pieces: one for each row group."""
    sink = Sink()
    for _ in write(sink, problem, columns, pages):
        yield sink.take()
    yield sink.take()


def write(sink: Any, problem: str, columns: Sequence[Column], pages: Pages) -> Iterator[int]:
    """Write the file to `sink`, which has `write`; after each row group, its size in Arrow's memory."""
    wanted = schema(problem, columns)
    with pq.ParquetWriter(sink, wanted, compression="zstd") as writer:
        for lines in _groups(columns, pages):
            table = _table(lines, wanted)
            writer.write_table(table)
            yield table.nbytes


def _groups(columns: Sequence[Column], pages: Pages) -> Iterator[bytes]:
    """JSON Lines of a row group each: objects of any shape as text, times as microseconds."""
    shapeless = [column.name for column in columns if column.kind == "json"]
    times = [column.name for column in columns if column.kind == "time"]
    encoder = msgspec.json.Encoder()
    lines, rows = bytearray(), 0
    for page in pages:
        for row in page:
            changed = {
                name: None if row[name] is None else encoder.encode(row[name]).decode() for name in shapeless
            }
            changed |= {name: None if row[name] is None else round(row[name] * 1e6) for name in times}
            lines += encoder.encode(row | changed) + b"\n"
            rows += 1
            if rows == GROUP_ROWS or len(lines) >= GROUP_BYTES:
                yield bytes(lines)
                lines, rows = bytearray(), 0
    if rows:
        yield bytes(lines)


def _table(lines: bytes, wanted: pa.Schema) -> pa.Table:
    # By way of JSON, since pyarrow's conversion of Python's values loads pandas (see service.pool.strings).
    told = pa.schema([(one.name, pa.int64() if one.type == _TIME else one.type) for one in wanted])
    table = pyarrow.json.read_json(
        pa.BufferReader(lines),
        pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines)),
        pyarrow.json.ParseOptions(explicit_schema=told, unexpected_field_behavior="error"),
    )
    return table.cast(wanted)
