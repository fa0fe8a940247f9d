"""Verbs about the API's tokens; they need an admin's."""

from typing import Annotated

import typer

from service.cli.campaign import split
from service.cli.connect import connect
from service.cli.output import AsJson, moment, print_json
from service.records import Access

app = typer.Typer(help="Issue, list and revoke the API's tokens.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, or whom.")],
    access: Annotated[
        Access, typer.Option(help="Reading; changing campaigns too; issuing tokens too.")
    ] = "viewer",
    campaign: Annotated[
        list[str] | None, typer.Option(help="Campaigns it is for, with commas between; else all. Repeatable.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="How long it lasts; else until revoked.")] = None,
    json: AsJson = False,
) -> None:
    """Issue a token; it is shown this one time."""
    campaigns = None if campaign is None else split(campaign)
    with connect() as api:
        issued = api.issue_token(name=name, access=access, campaigns=campaigns, days=days)
    print_json(issued) if json else print(issued["secret"])


@app.command("list")
def list_(json: AsJson = False) -> None:
    """Every token, oldest first, without what it is."""
    with connect() as api:
        tokens = api.tokens()
    if json:
        return print_json(tokens)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "name", "access", "campaigns", "made", "expires", "revoked", box=None, pad_edge=False)
    for one in tokens:
        table.add_row(
            str(one["id"]),
            Text(one["name"]),
            one["access"],
            "all" if one["campaigns"] is None else ", ".join(one["campaigns"]),
            *(moment(one[when]) for when in ("made_at", "expires_at", "revoked_at")),
        )
    Console().print(table)


@app.command()
def revoke(id: Annotated[int, typer.Argument(metavar="ID", help="As `postil token list` shows it.")]) -> None:
    """Make a token worthless, for ever."""
    with connect() as api:
        api.revoke_token(id)
    print(f"Token {id} is revoked.")
