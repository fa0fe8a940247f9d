"""Verbs from elsewhere: the entry-point group `postil.commands`, where a name is a verb."""

import sys
from importlib.metadata import EntryPoint, entry_points

import typer

GROUP = "postil.commands"


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


def _refuse(entry: EntryPoint, why: str) -> None:
    source = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
    words = " ".join(why.split())
    print(f"postil: the verb `{entry.name}`{source} does not load and is left out: {words}", file=sys.stderr)
