"""Spans as tags of tokens, a token a line (CoNLL): BIO, a blank line behind each text.

A token is a run of letters, digits and underscores with the marks upon them, or one character that is none of these and
no white space. A text is one sentence: where sentences end is not guessed. A span tags every token that it touches; of
spans that meet in a token the longest is kept, of equally long ones the first.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from tempfile import TemporaryFile
from typing import BinaryIO

from service.answers import Span
from service.errors import Invalid
from service.export.labels import Labeled

OUTSIDE = "O"


@dataclass
class Tally:
    """What became of the spans of a file."""

    spans: int = 0
    left_out: int = 0
    """They meet a longer one in a token, or hold none."""
    widened: int = 0
    """They begin or end within a token, all of which is tagged."""


def spooled(labels: Sequence[str], pages: Iterable[list[Labeled]]) -> tuple[BinaryIO, Tally]:
    """(a temporary file at its start, what became of the spans); raises Invalid where two labels would be one tag."""
    names, tally = _names(labels), Tally()
    file: BinaryIO = TemporaryFile(prefix="postil-")  # noqa: SIM115 - closed by who reads it
    for page in pages:
        for one in page:
            tagged = tags(one.row["text"], one.row["spans"], tally)
            lines = [
                f"{token} {OUTSIDE if label is None else f'{mark}-{names[label]}'}\n"
                for token, mark, label in tagged
            ]
            file.write("".join([*lines, "\n"]).encode())
    file.seek(0)
    return file, tally


def tokens(text: str) -> list[tuple[int, int]]:
    """(start, end) of each, in order."""
    return [match.span() for match in _pattern().finditer(text)]


def tags(text: str, spans: Sequence[Span], tally: Tally) -> list[tuple[str, str, str | None]]:
    """(token, B or I, label) of each token; the label is None outside of spans."""
    found = tokens(text)
    starts, ends = [start for start, _ in found], [end for _, end in found]
    of: list[tuple[str, str | None]] = [(OUTSIDE, None)] * len(found)
    tally.spans += len(spans)
    for span in sorted(spans, key=lambda one: one["start"] - one["end"]):
        first, last = bisect_right(ends, span["start"]), bisect_left(starts, span["end"])
        if first >= last or any(label is not None for _, label in of[first:last]):
            tally.left_out += 1
            continue
        tally.widened += starts[first] < span["start"] or ends[last - 1] > span["end"]
        of[first:last] = [("B" if at == first else "I", span["label"]) for at in range(first, last)]
    return [(text[start:end], mark, label) for (start, end), (mark, label) in zip(found, of, strict=True)]


def _names(labels: Sequence[str]) -> dict[str, str]:
    """A tag ends at white space: labels have _ for it."""
    names = {label: "_".join(label.split()) for label in labels}
    for label, name in names.items():
        other = next(one for one in names if names[one] == name)
        if other != label:
            raise Invalid(
                f"{other!r} and {label!r} would both be {name!r} in CoNLL: rename one of them", "format"
            )
    return names


@cache
def _pattern() -> re.Pattern[str]:
    # Python's \w lacks combining marks, without which no word of Hindi is whole, and the joiners within words.
    marks = "".join(chr(at) for at in range(0x110000) if unicodedata.category(chr(at)).startswith("M"))
    return re.compile(rf"[\w{marks}\u200c\u200d]+|[^\w\s]")
