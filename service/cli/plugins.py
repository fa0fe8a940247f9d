"""What joins the command line from elsewhere: verbs, and forms in which an adapter is handed over.

Verbs are those of the entry-point group `postil.commands`, by their names; forms those of `postil.adapters`.
"""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

import typer

from service.errors import PostilError

GROUP, FORMS = "postil.commands", "postil.adapters"
Make = Callable[[Path, Path], str]
"""Of an adapter's folder and an empty one makes the other form, and gives words about it."""


def join(app: typer.Typer) -> None:
    """Give `app` every verb of the group: a Typer app or a function. One that does not load is named, and left out."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            verb = entry.load()
        except Exception as error:  # noqa: BLE001 - whatever somebody's module raises must not stop the others
            _refuse(entry, f"{type(error).__name__}: {error}")
            continue
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=entry.name)
        elif callable(verb):
            app.command(name=entry.name)(verb)
        else:
            _refuse(entry, f"{entry.value} is neither a Typer app nor a function")


def form(name: str) -> Make:
    """What makes this form; raises PostilError where what it needs is not installed."""
    for entry in entry_points(group=FORMS, name=name):
        try:
            return cast(Make, entry.load())
        except ModuleNotFoundError as error:
            raise PostilError(f"--{name} needs {error.name}: pip install 'postil[worker]'") from None
    raise PostilError(f"--{name} is not known here: pip install 'postil[worker]'")


def _refuse(entry: EntryPoint, why: str) -> None:
    source = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
    words = " ".join(why.split())
    print(f"postil: the verb `{entry.name}`{source} does not load and is left out: {words}", file=sys.stderr)
