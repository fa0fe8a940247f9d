"""The verb `postil doctor`: what is wrong with an installation, and what to do about it."""

import typer

from service.cli.output import AsJson


def doctor(json: AsJson = False) -> None:
    """Look at every part, and say what is wrong and what to do; exit status 1 where something is."""
    from service.doctor.report import report

    raise typer.Exit(report(json))
