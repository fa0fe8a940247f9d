"""Rows as lines: JSON Lines and CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from service import answers
from service.export.columns import Column

FORMULA = "=", "+", "-", "@", "\t", "\r"
Pages = Iterable[Sequence[dict[str, Any]]]


def jsonl(pages: Pages) -> Iterator[bytes]:
    """An object a line."""
    encoder = msgspec.json.Encoder()
    for page in pages:
        yield encoder.encode_lines(page)


def comma_separated(problem: str, columns: Sequence[Column], pages: Pages) -> Iterator[bytes]:
    """Answers as uploads have them; other lists and objects as JSON in their cell.

    What a spreadsheet would take for a formula gets a ' in front (OWASP, CSV injection); other forms have it as it is.
    """
    yield (",".join(column.name for column in columns) + "\r\n").encode()
    for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        for row in page:
            writer.writerow([_cell(problem, column, row[column.name]) for column in columns])
        yield text.getvalue().encode()


def _cell(problem: str, column: Column, value: Any) -> Any:
    if column.kind == "answer":
        value = answers.to_cell(problem, value)
    elif isinstance(value, (list, dict)):
        return msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
