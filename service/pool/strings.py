"""Columns of strings for pyarrow, made of their bytes.

Its own conversion of lists loads pandas where that is installed, which is a third of all the memory that the API needs.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TYPE = pa.large_string()


def column(values: Sequence[str | None]) -> pa.Array:
    """(n,) of TYPE; None is null."""
    nulls = values.count(None)
    if nulls == len(values):
        return pa.nulls(nulls, TYPE)
    present = [value or "" for value in values] if nulls else values
    data = "".join(present)  # type: ignore[arg-type]
    lengths = [len(one) for one in (present if data.isascii() else map(str.encode, present))]  # type: ignore[arg-type]
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    known = np.packbits([value is not None for value in values], bitorder="little") if nulls else None
    buffers = [None if part is None else pa.py_buffer(part) for part in (known, offsets, data.encode())]
    return pa.Array.from_buffers(TYPE, len(values), buffers)


def take(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """Some rows, in the order asked for."""
    indices = pa.py_buffer(np.asarray(rows, dtype=np.int64))
    return table.take(pa.Array.from_buffers(pa.int64(), len(rows), [None, indices]))


def hashed(column: pa.ChunkedArray, into: hashlib.blake2b) -> None:
    """Take in every cell of a column of TYPE, whatever its chunks are: what is null, all lengths, all bytes."""
    for chunk in column.chunks:
        into.update(_known(chunk).data)
    for chunk in column.chunks:
        into.update(np.diff(_offsets(chunk)).data)
    for chunk in column.chunks:
        ends = _offsets(chunk)
        into.update(memoryview(chunk.buffers()[2] or b"")[ends[0] : ends[-1]])


def _known(chunk: pa.Array) -> NDArray[np.uint8]:
    bits = chunk.buffers()[0]
    if bits is None:
        return np.ones(len(chunk), dtype=np.uint8)
    unpacked = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little")
    return unpacked[chunk.offset : chunk.offset + len(chunk)]


def _offsets(chunk: pa.Array) -> NDArray[np.int64]:
    return np.frombuffer(chunk.buffers()[1], dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
