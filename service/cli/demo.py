"""The verb that shows it all at work."""

from typing import Annotated

import typer

ROUNDS = 3


def demo(
    exit: Annotated[
        bool,
        typer.Option("--exit", help="Stop after the rounds, and write summary.json into the demo's folder."),
    ] = False,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds that the scripted annotator labels for.")
    ] = ROUNDS,
    pool: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Your own texts (JSONL, CSV or Parquet); you label them yourself."),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="The labels of your own texts: a,b,c.")] = None,
    annotators: Annotated[int, typer.Option(min=1, help="Scripted annotators at work at once.")] = 1,
) -> None:
    """Run everything on real text, with a scripted annotator that answers in Label Studio; Ctrl-C stops it.

    The texts are openings of docstrings in Python's standard library, to be sorted by topic.
    """
    from rich.console import Console

    from service.cli.campaign import split
    from service.cli.session import Asked, run
    from service.errors import Invalid
    from service.settings import Settings

    if (pool is None) != (labels is None):
        raise Invalid("--pool and --labels belong together: postil demo --pool texts.jsonl --labels a,b,c")
    asked = Asked(exit, rounds, annotators, pool, split([labels]) if labels else [])
    raise typer.Exit(run(Settings.read(), asked, Console()))
