"""The verb `postil predict`: what a campaign's adapter says of texts, now."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from service.client.views import Predictions

MOST_TEXTS, MOST_BYTES = 1_000, 500_000
"""Of one request; JSON takes up to twice as many bytes for the quotes in a text."""
SHOWN = 70


def predict(
    campaign: Name,
    texts: Annotated[list[str], typer.Argument(help="Texts, or - for one a line from standard input.")],
    json: AsJson = False,
) -> None:
    """What the campaign's adapter says of texts."""
    given: Iterable[str] = (line.rstrip("\r\n") for line in sys.stdin) if texts == ["-"] else texts
    every: dict[str, Any] = {}
    with connect() as api:
        for some in chunks(text for text in given if text.strip()):
            found = api.predict(campaign, some)
            if json:
                every["predictions"] = every.get("predictions", []) + found["predictions"]
                every = {**found, **every}
            else:
                for line in lines(some, found):
                    print(line)
    if json:
        print_json(every)


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """As many texts as one request takes."""
    some: list[str] = []
    size = 0
    for text in texts:
        bytes_ = len(text.encode())
        if some and (len(some) == MOST_TEXTS or size + bytes_ > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(text)
        size += bytes_
    if some:
        yield some


def lines(texts: list[str], found: "Predictions") -> list[str]:
    """For people, one a text: what is said of it, and how it begins."""
    return [
        f"{said(text, one)}\t{_short(text)}" for text, one in zip(texts, found["predictions"], strict=True)
    ]


def said(text: str, one: dict[str, Any]) -> str:
    """A prediction in words."""
    if "label" in one:
        return f"{one['label']} {one['confidence']:.0%}"
    if "labels" in one:
        sure = one["probabilities"]
        return ", ".join(f"{label} {sure[label]:.0%}" for label in one["labels"]) or "none"
    return (
        ", ".join(
            f"{_short(text[span['start'] : span['end']])!r} {span['label']} {span['confidence']:.0%}"
            for span in one["spans"]
        )
        or "none"
    )


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}…"
