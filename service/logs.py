"""Logs: a line for each thing that happened, for people or as JSON, with the request or the job that it belongs to."""

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from service.errors import Invalid

Form = Literal["text", "json"]
QUIET = ("rq.worker", "httpx", "alembic")
"""Loggers of libraries that tell of every step."""

facts_here: ContextVar[Mapping[str, str]] = ContextVar("facts", default=MappingProxyType({}))


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """Every line that is logged within the block, in threads of the pool too, has these facts."""
    before = facts_here.set({**facts_here.get(), **facts})
    try:
        yield
    finally:
        facts_here.reset(before)


def begin(form: str) -> None:
    """Log to standard error from now on; raises Invalid for a form that there is not."""
    if form not in get_args(Form):
        raise Invalid(f"POSTIL_LOG is {form!r}: choose one of {', '.join(get_args(Form))}", "POSTIL_LOG")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Words())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class Words(logging.Formatter):
    """2026-11-26 14:05:00,123 WARNING service.doorbell: nobody was woken [request 1f3a]"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in facts_here.get().items())
        return super().formatMessage(record) + (f" [{facts}]" if facts else "")


class Json(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, error where there was one, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = "".join(traceback.format_exception(*record.exc_info)).strip()
        return msgspec.json.encode({**line, **facts_here.get()}).decode()
