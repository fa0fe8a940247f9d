"""Names that verbs take, and how a shell completes them: by asking the API what there is."""

from typing import Annotated

import typer


def campaigns(incomplete: str) -> list[str]:
    """Names of campaigns that begin so; none where the API cannot be asked."""
    from service.cli.connect import connect
    from service.errors import PostilError

    try:
        with connect() as api:
            names = [one["name"] for one in api.campaigns()]
    except PostilError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def strategies(incomplete: str) -> list[tuple[str, str]]:
    """(name, what it chooses) of strategies whose names begin so; none where the API cannot be asked."""
    from service.cli.connect import connect
    from service.errors import PostilError

    try:
        with connect() as api:
            found = api.strategies()
    except PostilError:
        return []
    return [(one["name"], one["summary"]) for one in found if one["name"].startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Name or id.", autocompletion=campaigns)]
Strategy = Annotated[
    str | None,
    typer.Option(help="How examples are chosen, such as margin or random.", autocompletion=strategies),
]
