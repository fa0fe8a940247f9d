"""Lines on their way into the store, in columns: as objects of Python they would take four times the memory."""

from array import array
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import msgspec
import pyarrow as pa

from service.pool import shards, text
from service.pool.lines import Columns, Line
from service.records import Example


class Batch:
    """Good lines in order. What is public has a value for each, by position, once `pack` was called."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self.digests: list[bytes] = []
        self.role_keys = array("q")
        self.id_keys: list[bytes | None] = []
        self.labeled: dict[int, Example] = {}
        """Examples of which something is known, by position."""
        self.truncated: set[int] = set()
        """Positions of texts that were cut."""
        self.chars = 0
        """Size of the texts and meta, as they came."""
        self._starts: list[int] = []
        self._pieces: list[pa.RecordBatch] = []
        self._loose: list[Line] = []

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Self:
        batch = cls()
        for line in lines:
            batch.append(line)
        batch.pack()
        return batch

    def __len__(self) -> int:
        return len(self.numbers) + len(self._loose)

    def append(self, line: Line) -> None:
        self._loose.append(line)
        self.chars += len(line.example.text) + _size(line.example.meta)
        if len(self._loose) == text.PIECE:
            self.pack()

    def extend(self, lines: Columns) -> None:
        self.pack()
        self.chars += sum(map(len, lines.texts)) + sum(map(_size, lines.metas))
        numbers = range(lines.first, lines.first + len(lines))
        self._add(numbers, lines.texts, lines.ids, lines.domains, lines.metas)

    def pack(self) -> None:
        """Put what was appended last into the columns."""
        lines, self._loose = self._loose, []
        if not lines:
            return
        for at, line in enumerate(lines, len(self.numbers)):
            if line.example.label is not None:
                self.labeled[at] = line.example
            if line.truncated:
                self.truncated.add(at)
        examples = [line.example for line in lines]
        self._add(
            [line.number for line in lines],
            [example.text for example in examples],
            [example.id for example in examples],
            [example.domain for example in examples],
            [example.meta for example in examples],
        )

    def lines(self) -> Iterator[Line]:
        rows = (row for piece in self._pieces for row in piece.to_pylist())
        for at, (number, row) in enumerate(zip(self.numbers, rows, strict=True)):
            meta = None if row["meta"] is None else msgspec.json.decode(row["meta"])
            example = self.labeled.get(at) or Example(row["text"], row["ext_id"], row["domain"], meta)
            yield Line(number, example, at in self.truncated)

    def text(self, at: int) -> str:
        found: str = self._cell(at, "text")
        return found

    def id(self, at: int) -> str | None:
        found: str | None = self._cell(at, "ext_id")
        return found

    def ids(self) -> list[str]:
        return [id_ for piece in self._pieces for id_ in piece["ext_id"].to_pylist() if id_ is not None]

    def table(self) -> pa.Table:
        """Columns as in a shard, without the labels."""
        return pa.Table.from_batches(self._pieces)

    def _add(
        self,
        numbers: Sequence[int],
        texts: Sequence[str],
        ids: Sequence[str | None],
        domains: Sequence[str | None],
        metas: Sequence[dict[str, Any] | None],
    ) -> None:
        self._starts.append(len(self.numbers))
        self._pieces.append(shards.columns_of(texts, ids, domains, metas))
        self.numbers.extend(numbers)
        digests, role_keys = text.keys(texts)
        self.digests += digests
        self.role_keys.extend(role_keys)
        self.id_keys += [None if id_ is None else shards.id_key(id_) for id_ in ids]

    def _cell(self, at: int, name: str) -> Any:
        piece = bisect(self._starts, at) - 1
        return self._pieces[piece][name][at - self._starts[piece]].as_py()


def _size(meta: dict[str, Any] | None) -> int:
    return len(msgspec.json.encode(meta)) if meta else 0
