"""Answers: what is said of one text, for each problem.

    single_label  a label                                            "sport"
    multi_label   labels, in the campaign's order, none twice        ["sport", "law"]
    spans         {start, end, label}, in order, none twice          [{"start": 0, "end": 3, "label": "PER"}]

No label and no span at all are answers too. Offsets count Python's characters (code points) from 0, and `end` is
the first character after the span; spans may overlap.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypedDict

import msgspec

from service.errors import Invalid


class Span(TypedDict):
    start: int
    end: int
    label: str


Answer: TypeAlias = str | list[str] | list[Span]
Coded: TypeAlias = int | tuple[int, ...] | tuple[tuple[int, int, int], ...]
"""An answer in class numbers (positions among the labels): one, several in order, or (start, end, class) in order."""

FIELDS = {"single_label": "label", "multi_label": "labels", "spans": "spans"}
"""What an answer is called in uploads and exports."""
WANTED = {
    "single_label": "one of the campaign's labels",
    "multi_label": "a list of the campaign's labels, empty where none holds",
    "spans": "a list of objects {start, end, label}, empty where there is none",
}
SEPARATOR = "|"
"""Between the labels of a CSV cell."""


def parse(problem: str, given: Any) -> Answer:
    """The answer in a JSON value, as people may write it (a span also as [start, end, label]); see `check` for more.

    Raises Invalid where it has another shape.
    """
    field = FIELDS[problem]
    if problem == "single_label":
        if not isinstance(given, str):
            raise Invalid(f"{field!r} is {_short(given)}: give a string", field)
        return given
    if not isinstance(given, list):
        raise Invalid(f"{field!r} is {_short(given)}: give {WANTED[problem]}", field)
    if problem == "spans":
        return [_span(one) for one in given]
    for one in given:
        if not isinstance(one, str):
            raise Invalid(f"{field!r} holds {_short(one)}: give {WANTED[problem]}", field)
    return given


def check(problem: str, labels: Sequence[str], answer: Answer, length: int | None) -> Answer:
    """The answer as it is kept: in order and without doubles.

    Raises Invalid for a label that is none of `labels`, and for a span that is empty or, where the text's `length`
    is known, beyond the text.
    """
    field, index = FIELDS[problem], {label: at for at, label in enumerate(labels)}
    for label in _labels(answer):
        if label not in index:
            raise Invalid(f"the label {label!r} is not one of the campaign's", field)
    if isinstance(answer, str):
        return answer
    if problem == "multi_label":
        return [label for label in labels if label in answer]
    for one in spans(answer):
        if not 0 <= one["start"] < one["end"]:
            raise Invalid(
                f"the span {_short(one)} is none: start at 0 or more, and end after the start", field
            )
        if length is not None and one["end"] > length:
            raise Invalid(
                f"the span {_short(one)} ends beyond the text, which has {length:,} characters", field
            )
    once = {(one["start"], one["end"], index[one["label"]]) for one in spans(answer)}
    return [Span(start=start, end=end, label=labels[at]) for start, end, at in sorted(once)]


def spans(answer: Answer) -> list[Span]:
    """The answer to a spans problem, for the type checker."""
    return [one for one in answer if not isinstance(one, str)]


def store(answer: Answer) -> str:
    """An answer that was checked, as a column of text holds it: equal ones are stored alike."""
    return answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()


def read(problem: str, stored: str) -> Answer:
    """The answer that `store` wrote."""
    if problem == "single_label":
        return stored
    found: Answer = msgspec.json.decode(stored)
    return found


def coder(problem: str, labels: Sequence[str]) -> Callable[[str], Coded]:
    """A function from a stored answer to its class numbers."""
    index = {label: at for at, label in enumerate(labels)}

    def several_spans(stored: str) -> Coded:
        found: list[Span] = msgspec.json.decode(stored)
        return tuple((one["start"], one["end"], index[one["label"]]) for one in found)

    several = msgspec.json.Decoder(list[str])
    coders: dict[str, Callable[[str], Coded]] = {
        "single_label": index.__getitem__,
        "multi_label": lambda stored: tuple(index[label] for label in several.decode(stored)),
        "spans": several_spans,
    }
    return coders[problem]


def from_cell(problem: str, cell: str) -> Any:
    """What a CSV cell holds, for `parse`: labels with a bar between them, spans as JSON; an empty cell is none.

    Raises Invalid where it is no JSON.
    """
    if problem == "single_label":
        return cell
    if not cell:
        return []
    if problem == "multi_label":
        return cell.split(SEPARATOR)
    try:
        return msgspec.json.decode(cell)
    except msgspec.DecodeError as error:
        raise Invalid(f"'spans' is no JSON ({error}): give {WANTED[problem]}", "spans") from None


def to_cell(problem: str, answer: Answer | None) -> str:
    """The inverse of `from_cell`; '' for None."""
    if answer is None or isinstance(answer, str):
        return answer or ""
    return SEPARATOR.join(_labels(answer)) if problem == "multi_label" else store(answer)


def _span(given: Any) -> Span:
    if isinstance(given, list) and len(given) == 3:
        given = dict(zip(("start", "end", "label"), given, strict=True))
    if isinstance(given, dict):
        start, end, label = (given.get(name) for name in ("start", "end", "label"))
        if type(start) is int and type(end) is int and isinstance(label, str):
            return {"start": start, "end": end, "label": label}
    raise Invalid(
        f"'spans' holds {_short(given)}: give {{start, end, label}} or [start, end, label]", "spans"
    )


def _labels(answer: Answer) -> list[str]:
    if isinstance(answer, str):
        return [answer]
    return [one if isinstance(one, str) else one["label"] for one in answer]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"
