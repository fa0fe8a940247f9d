"""Server-sent events, as the API sends them.

The format is that of the HTML standard, 9.2.6, without `retry` and without lone carriage returns.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """`id` is the number in the campaign's log; None for what is not in it (progress, status)."""

    kind: str
    data: dict[str, Any]
    id: int | None = None


def read(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events in a stream's bytes, however it was cut into chunks. One without its end is dropped."""
    fields: dict[str, str] = {}
    for line in _lines(chunks):
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{value}" if name == "data" and "data" in fields else value
            continue
        if "data" in fields:
            number = fields.get("id")
            data = json.loads(fields["data"])
            yield Event(fields.get("event", "message"), data, int(number) if number else None)
        fields = {}


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    # By bytes: str.splitlines would also split at U+2028, which may stand in JSON as it is.
    held = b""
    for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode()
