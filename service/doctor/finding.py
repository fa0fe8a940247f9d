"""Findings: what an examination says of one part of an installation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from service.doctor.site import Site

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line: what is so, and what to do about it where it is not well."""

    state: State
    what: str
    remedy: str = ""


Check = Callable[["Site"], "Iterable[Finding]"]
"""Looks at one part; nothing where there is nothing to look at, or another check says why it cannot be looked at."""


def ok(what: str) -> Finding:
    return Finding("ok", what)


def warning(what: str, remedy: str) -> Finding:
    return Finding("warning", what, remedy)


def wrong(what: str, remedy: str) -> Finding:
    return Finding("wrong", what, remedy)
