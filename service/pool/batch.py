"""Lines on their way into the store: what is committed together."""

from array import array
from bisect import bisect
from collections.abc import Iterable, Iterator
from typing import Any, Self

import msgspec
import pyarrow as pa

from service.pool import text
from service.pool.lines import Line
from service.pool.packed import Packed, examples, pack
from service.records import Example


class Batch:
    """Good lines in order. What is public has a value for each, by position, once `pack` was called."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self.digests: list[bytes] = []
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
        self.chars += len(line.example.text)
        if line.example.meta:
            self.chars += len(msgspec.json.encode(line.example.meta))
        if len(self._loose) == text.PIECE:
            self.pack()

    def extend(self, lines: Packed) -> None:
        self.pack()
        self.chars += lines.chars
        self._add(lines, range(lines.first, lines.first + lines.rows))

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
        found = [line.example for line in lines]
        packed = pack(
            lines[0].number,
            [example.text for example in found],
            [example.id for example in found],
            [example.domain for example in found],
            [example.meta for example in found],
        )
        self._add(packed, [line.number for line in lines])

    def lines(self) -> Iterator[Line]:
        found = (example for piece in self._pieces for example in examples(piece))
        for at, (number, example) in enumerate(zip(self.numbers, found, strict=True)):
            yield Line(number, self.labeled.get(at, example), at in self.truncated)

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

    def _add(self, lines: Packed, numbers: Iterable[int]) -> None:
        self._starts.append(len(self.numbers))
        self._pieces.append(lines.columns)
        self.numbers.extend(numbers)
        self.digests += lines.digests
        self.id_keys += lines.id_keys

    def _cell(self, at: int, name: str) -> Any:
        piece = bisect(self._starts, at) - 1
        return self._pieces[piece][name][at - self._starts[piece]].as_py()
