"""From an upload's bytes to examples: JSONL, CSV or Parquet, line by line, in constant memory.

A bad line is yielded as a Rejection with its number and reason, and the next line is read. Whether an answer's labels
and offsets fit the campaign and the text is not looked at here.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple

import msgspec

from service import answers
from service.answers import Answer
from service.errors import Invalid
from service.pool import packed, parquet
from service.pool.packed import Packed
from service.records import Example

MAX_LINE_BYTES = 1 << 20
MAX_TEXT_CHARS = 50_000
MAX_ID_CHARS = 500
TOLD_COLUMNS = 20
"""So many of a CSV's are named where its header is wrong."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """A good line. `truncated`: the text was longer than MAX_TEXT_CHARS and is cut there."""

    number: int
    example: Example
    truncated: bool


class Rejection(msgspec.Struct, frozen=True):
    """A line that cannot be used, and why. Lines are counted from 1, a CSV's header included; of Parquet, rows."""

    line: int
    reason: str


def read(
    chunks: Iterable[bytes],
    form: str,
    text_field: str,
    text_required: bool = True,
    problem: str = "single_label",
) -> Iterator[Line | Rejection]:
    """Examples out of `chunks`; `form` is "jsonl", "csv" or "parquet", `problem` that of the campaign."""
    for found in read_many(chunks, form, text_field, text_required, problem):
        if isinstance(found, Packed):
            for number, example in enumerate(found.examples(), found.first):
                yield Line(number, example, False)
        else:
            yield found


def read_many(
    chunks: Iterable[bytes],
    form: str,
    text_field: str,
    text_required: bool = True,
    problem: str = "single_label",
    packing: "Packing | None" = None,
) -> Iterator[Packed | Line | Rejection]:
    """As `read`; many lines at once where nothing about them is special.

    `packing` is `pack` for each block in turn, where that is done elsewhere. An empty chunk says that no more has come
    for now: what was held for other processes is waited for.
    """
    known = _known(text_field)
    for number, found in _objects(chunks, form, text_field, text_required, packing or _pack_each):
        if isinstance(found, Packed):
            yield found
            continue
        if isinstance(found, str):
            yield Rejection(number, found)
            continue
        try:
            if form == "csv":
                found = _from_cells(found, known, problem)
            example, truncated = _example(found, text_field, text_required, problem)
        except Invalid as error:
            yield Rejection(number, str(error))
        else:
            yield Line(number, example, truncated)


def _objects(
    chunks: Iterable[bytes], form: str, text_field: str, text_required: bool, packing: "Packing"
) -> Iterator[tuple[int, dict[str, Any] | Packed | str]]:
    """(number, fields, or many lines, or why there is none)."""
    if form == "parquet":
        chunks = parquet.as_json_lines(chunks, _known(text_field) | {"meta"})
    blocks = _blocks(chunks)
    if form == "csv":
        return _csv_objects(_lines(blocks), text_field, text_required)
    return _json_objects(packing(text_field, blocks))


def _known(text_field: str) -> set[str]:
    """Columns that mean something by their names."""
    return {"id", "domain", text_field, *answers.FIELDS.values()}


class Block(NamedTuple):
    """Whole lines as they came; the last line of all may lack its end.

    `raw` is None for one that is too long, and empty where no more has come for now.
    """

    first: int
    lines: int
    raw: bytes | None


Packing = Callable[[str, Iterable[Block]], Iterator[tuple[Block, Packed | None]]]
"""(text field, blocks) -> each block in turn, with what `pack` says of it."""


def _blocks(chunks: Iterable[bytes]) -> Iterator[Block]:
    """The bytes of a line that is too long are dropped as they come."""
    held, number, too_long = b"", 1, False
    for chunk in chunks:
        if not chunk:
            yield Block(number, 0, b"")
        start, end = 0, chunk.rfind(b"\n") + 1
        if too_long and end:
            start, number, too_long = chunk.index(b"\n") + 1, number + 1, False
            yield Block(number - 1, 1, None)
        if raw := held + chunk[start:end] if end else b"":
            block = Block(number, raw.count(b"\n"), raw)
            yield block
            number, held = number + block.lines, b""
        held = b"" if too_long else held + chunk[end:]
        if len(held) > MAX_LINE_BYTES:
            held, too_long = b"", True
    if held or too_long:
        yield Block(number, 1, None if too_long else held)


def _lines(blocks: Iterable[Block]) -> Iterator[tuple[int, bytes | None]]:
    """(number, line without its end); None for a line that is too long."""
    for block in blocks:
        lines = [None] if block.raw is None else block.raw.removesuffix(b"\n").split(b"\n")[: block.lines]
        for number, line in enumerate(lines, block.first):
            yield number, None if line is None or len(line) > MAX_LINE_BYTES else line.removesuffix(b"\r")


_TOO_LONG = f"longer than {MAX_LINE_BYTES:,} bytes: split the text, or leave the line out"


def _json_objects(
    blocks: Iterable[tuple[Block, Packed | None]],
) -> Iterator[tuple[int, dict[str, Any] | Packed | str]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for block, found in blocks:
        if found is not None:
            yield block.first, found
            continue
        for number, line in _lines([block]):
            if line is None:
                yield number, _TOO_LONG
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                yield number, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield number, f"not a JSON object: {error}"


def _pack_each(text_field: str, blocks: Iterable[Block]) -> Iterator[tuple[Block, Packed | None]]:
    return ((block, pack(text_field, block)) for block in blocks)


def pack(text_field: str, block: Block) -> Packed | None:
    """All lines of a block at once; None where they have to be read one by one, to tell what is with which."""
    raw, decoder = block.raw, _decoder(text_field)
    if decoder is None or not raw or len(raw) > MAX_LINE_BYTES:
        return None
    if not raw.startswith(b"{") or raw.count(b"}\n{") != block.lines - 1:
        return None  # not each line has one object to itself
    try:
        if not raw.isascii():
            raw.decode()  # in fields that nobody asks for, too
        fields = decoder.decode_lines(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(fields) != block.lines or [
        one for one in fields if not (one.label is one.labels is one.spans is None)
    ]:
        return None
    texts, ids = [one.text for one in fields], [one.id for one in fields]
    domains, metas = [one.domain for one in fields], [one.meta for one in fields]
    if not (
        {*map(type, texts)} == {str}
        and {*map(type, ids)} | {*map(type, domains)} <= {str, NoneType}
        and {*map(type, metas)} <= {dict, NoneType}
        and all(map(str.strip, texts))
        and max(map(len, texts)) <= MAX_TEXT_CHARS
        and "" not in ids
        and max(len(id_ or "") for id_ in ids) <= MAX_ID_CHARS
        and not any("\0" in "".join(filter(None, values)) for values in (texts, ids, domains))
    ):
        return None
    return packed.pack(block.first, texts, ids, domains, metas)


@lru_cache(maxsize=16)
def _decoder(text_field: str) -> msgspec.json.Decoder[Any] | None:
    """Of what is looked at of an object; its `text` has the campaign's name. None where that is another field's."""
    others = ("id", "domain", "meta", *answers.FIELDS.values())
    if text_field in others:
        return None
    fields = [(name, Any, None) for name in ("text", *others)]
    return msgspec.json.Decoder(msgspec.defstruct("Fields", fields, rename={"text": text_field}, gc=False))


def _csv_objects(
    lines: Iterable[tuple[int, bytes | None]], text_field: str, text_required: bool
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    number = 0

    def decoded() -> Iterator[str]:
        nonlocal number
        for number, line in lines:  # noqa: B007 - the numbers of records are those of their last lines
            # A line that is too long or not UTF-8 spoils its own record, not the file.
            yield ("\udcff" if line is None else line.decode("utf-8", "surrogateescape")) + "\n"

    reader = csv.reader(decoded(), strict=True)
    try:
        header = [name.removeprefix("\ufeff").strip() for name in next(reader, [])]
    except csv.Error as error:
        raise Invalid(f"line 1: the CSV header cannot be read: {error}", "body") from None
    if any(_unreadable(name) for name in header):
        raise Invalid(f"line 1: the CSV header is not UTF-8, or {_TOO_LONG}", "body")
    if len(set(header)) < len(header):
        raise Invalid(f"line 1: the CSV header names a column twice: {_some(header)}", "body")
    if text_field not in header and (text_required or "id" not in header):
        raise Invalid(f"line 1: the CSV header has no column {text_field!r}; it has {_some(header)}", "body")
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"not a CSV record: {error}"
            continue
        if not record:
            continue
        if any(_unreadable(cell) for cell in record):
            yield number, f"not UTF-8, or {_TOO_LONG}"
        elif len(record) != len(header):
            yield number, f"{len(record)} cells where the header has {len(header)}"
        else:
            yield number, dict(zip(header, record, strict=True))


def _some(header: list[str]) -> str:
    more = len(header) - TOLD_COLUMNS
    return ", ".join(header[:TOLD_COLUMNS]) + (f" and {more:,} more" if more > 0 else "")


def _unreadable(cell: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in cell)


def _from_cells(cells: dict[str, str], known: set[str], problem: str) -> dict[str, Any]:
    """An empty cell is missing, but for several labels or spans it says that there are none."""
    field = answers.FIELDS[problem]
    found: dict[str, Any] = {name: cell for name, cell in cells.items() if cell != ""}
    if cells.get(field) is not None and (cells[field] or problem != "single_label"):
        found[field] = answers.from_cell(problem, cells[field])
    return parquet.with_meta(found, known)


def _example(
    found: dict[str, Any], text_field: str, text_required: bool, problem: str
) -> tuple[Example, bool]:
    text = found.get(text_field, "" if not text_required else None)
    if not isinstance(text, str):
        raise Invalid(f"{text_field!r} is {_kind(text)}: give the text as a string")
    if text_required and not text.strip():
        raise Invalid(f"{text_field!r} is empty")
    if "\x00" in text:
        raise Invalid(f"{text_field!r} holds a NUL character")
    id_ = found.get("id")
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)
    if id_ is not None and (not isinstance(id_, str) or not 0 < len(id_) <= MAX_ID_CHARS or "\x00" in id_):
        raise Invalid(
            f"'id' is {_kind(id_)}: give a string of 1 to {MAX_ID_CHARS} characters, or a whole number"
        )
    domain = found.get("domain")
    if domain is not None and (not isinstance(domain, str) or "\x00" in domain):
        raise Invalid(f"'domain' is {_kind(domain)}: give a string")
    meta = found.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise Invalid(f"'meta' is {_kind(meta)}: give an object")
    cut = text[:MAX_TEXT_CHARS]
    return Example(cut, id_, domain, meta, _answer(found, problem)), len(cut) < len(text)


def _answer(found: dict[str, Any], problem: str) -> Answer | None:
    field = answers.FIELDS[problem]
    if found.get(field) is not None:
        return answers.parse(problem, found[field])
    other = next((name for name in answers.FIELDS.values() if found.get(name) is not None), None)
    if other is not None:
        raise Invalid(
            f"{other!r} is given, but this campaign's problem is {problem}: give {field!r}, {answers.WANTED[problem]}"
        )
    return None


def _kind(value: Any) -> str:
    kinds = {str: "a string that cannot be used", bool: "a boolean", int: "a number", float: "a number"}
    return "missing" if value is None else kinds.get(type(value), "an array or object")
