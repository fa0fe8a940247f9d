"""From an upload's bytes to examples: JSONL, CSV or Parquet, line by line, in constant memory.

A bad line is yielded as a Rejection with its number and reason, and the next line is read. Whether an answer's labels
and offsets fit the campaign and the text is not looked at here.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from service import answers
from service.answers import Answer
from service.errors import Invalid
from service.pool import parquet
from service.records import Example

MAX_LINE_BYTES = 1 << 20
MAX_TEXT_CHARS = 50_000
MAX_ID_CHARS = 500


class Line(msgspec.Struct, frozen=True):
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
    for number, found in _objects(chunks, form, text_field, text_required):
        if isinstance(found, str):
            yield Rejection(number, found)
            continue
        try:
            if form == "csv":
                found = _from_cells(found, text_field, problem)
            elif form == "parquet":
                found = _from_columns(found, text_field)
            example, truncated = _example(found, text_field, text_required, problem)
        except Invalid as error:
            yield Rejection(number, str(error))
        else:
            yield Line(number, example, truncated)


def _objects(
    chunks: Iterable[bytes], form: str, text_field: str, text_required: bool
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(number, fields, or why there are none)."""
    if form == "parquet":
        return enumerate(parquet.rows(chunks), 1)
    lines = _lines(chunks)
    return _csv_objects(lines, text_field, text_required) if form == "csv" else _json_objects(lines)


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """(number, line without its end); None for a line that is too long, whose bytes are dropped as they come."""
    held, number, too_long = b"", 0, False
    for chunk in chunks:
        *whole, rest = (held + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield number, None if too_long or len(line) > MAX_LINE_BYTES else line.removesuffix(b"\r")
            too_long = False
        held = rest
        if len(held) > MAX_LINE_BYTES:
            held, too_long = b"", True
    if held or too_long:
        yield number + 1, None if too_long else held.removesuffix(b"\r")


_TOO_LONG = f"longer than {MAX_LINE_BYTES:,} bytes: split the text, or leave the line out"


def _json_objects(lines: Iterable[tuple[int, bytes | None]]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for number, line in lines:
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
    if len(set(header)) < len(header):
        raise Invalid(f"line 1: the CSV header names a column twice: {', '.join(header)}", "body")
    if text_field not in header and (text_required or "id" not in header):
        raise Invalid(
            f"line 1: the CSV header has no column {text_field!r}; it has {', '.join(header)}", "body"
        )
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
        if any("\udc80" <= character <= "\udcff" for cell in record for character in cell):
            yield number, f"not UTF-8, or {_TOO_LONG}"
        elif len(record) != len(header):
            yield number, f"{len(record)} cells where the header has {len(header)}"
        else:
            yield number, dict(zip(header, record, strict=True))


def _from_cells(cells: dict[str, str], text_field: str, problem: str) -> dict[str, Any]:
    """An empty cell is missing, but for several labels or spans it says that there are none."""
    known, field = {"id", "domain", text_field, *answers.FIELDS.values()}, answers.FIELDS[problem]
    meta = {name: cell for name, cell in cells.items() if name not in known and cell != ""}
    found: dict[str, Any] = {name: cell for name, cell in cells.items() if name in known and cell != ""}
    if cells.get(field) is not None and (cells[field] or problem != "single_label"):
        found[field] = answers.from_cell(problem, cells[field])
    return found | ({"meta": meta} if meta else {})


def _from_columns(row: dict[str, Any], text_field: str) -> dict[str, Any]:
    """Columns that say nothing to Postil are `meta`, beside what a column of that name has."""
    known = {"id", "domain", "meta", text_field, *answers.FIELDS.values()}
    rest = {name: value for name, value in row.items() if name not in known and value is not None}
    found = {name: value for name, value in row.items() if name in known}
    meta = found.get("meta")
    return found | ({"meta": rest | (meta if isinstance(meta, dict) else {})} if rest else {})


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
