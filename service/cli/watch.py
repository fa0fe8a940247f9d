"""Verbs that look on."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from service.cli.board import Board
    from service.client import Client
    from service.client.events import Event
    from service.client.views import Groups

LONGEST_WAIT_S = 5.0


def watch(
    campaign: Name,
    once: Annotated[bool, typer.Option("--once", help="Show it as it is now, and end.")] = False,
    json: AsJson = False,
) -> None:
    """Follow a campaign as it happens; Ctrl-C ends it. With --json one event a line."""
    from rich.console import Console

    with connect() as api:
        board = look(api, campaign)
        if once and json:
            return print_json(
                {"campaign": board.campaign, "rounds": board.rounds, **board.curve}
                | {"jobs": board.jobs, "events": list(board.log)}
            )
        if once:
            return Console().print(board.render())
        try:
            if json:
                _print_lines(api, campaign, board)
            else:
                _live(api, campaign, board, Console())
        except KeyboardInterrupt:
            return


def curve(
    campaign: Name,
    groups: Annotated[bool, typer.Option("--groups", help="By domain and class, the weakest first.")] = False,
    json: AsJson = False,
) -> None:
    """What each round of labeling bought: accuracy or F1 by labels, with 95 % intervals; and what to expect."""
    with connect() as api:
        if groups:
            return _groups(api.groups(campaign), json)
        found = api.curve(campaign)
    if json:
        return print_json(found)
    if not found["points"]:
        return print("There is no round yet: the first one begins when enough labels have come.")
    from rich.console import Console

    from service.cli.board import curve_table
    from service.cli.output import say
    from service.cli.signs import signs

    console = Console()
    console.print(curve_table(found["points"]))
    for words in signs(found):
        say(console, words)


def _groups(found: "Groups", json: bool) -> None:
    if json:
        return print_json(found)
    if found["weakest"] is None:
        return print("There is no round yet: the first one begins when enough labels have come.")
    from rich.console import Console

    from service.cli.board import classes_table, domains_table
    from service.cli.output import say

    console = Console()
    if found["domains"]:
        console.print(domains_table(found["domains"], found["headline"]))
    if found["classes"]:
        console.print(classes_table(found["classes"]))
    for what, weak in (("domain", found["weakest"]["domain"]), ("class", found["weakest"]["class"])):
        if weak is not None and weak["reason"]:
            say(console, f"No weakest {what} is named: {weak['reason']}.")


def look(api: "Client", campaign: str) -> "Board":
    """The campaign as it is now."""
    from service.cli.board import Board

    log = api.log(campaign)  # first: what happens after it is told by the stream
    found = api.campaign(campaign)
    measured = api.rounds(campaign), api.curve(campaign)
    return Board(found, *measured, api.jobs(campaign), log, api.cost(campaign))


def _live(api: "Client", campaign: str, board: "Board", console: "Console") -> None:
    from rich.live import Live

    from service.cli.board import log_line

    if not console.is_terminal:  # a file or a pipe gets the log, line by line
        console.print(board.render())
        for event in _follow(api, campaign, board):
            if event.id is not None:
                console.print(log_line(board.log[-1]), soft_wrap=True)
        return
    with Live(get_renderable=board.render, console=console, refresh_per_second=4):
        for _ in _follow(api, campaign, board):
            pass


def _print_lines(api: "Client", campaign: str, board: "Board") -> None:
    import json

    for event in _follow(api, campaign, board):
        line = {"id": event.id, "kind": event.kind, "data": event.data}
        print(json.dumps(line, ensure_ascii=False), flush=True)


def _follow(api: "Client", campaign: str, board: "Board") -> "Iterator[Event]":
    """Events for ever, already noted on the board; a lost API is waited for, and nothing of its log is missed."""
    import time

    from service.client import Unreachable

    wait_s = 0.5
    while True:
        try:
            for event in api.follow(campaign, board.newest):
                board.trouble, wait_s = "", 0.5
                if board.take(event):
                    board.rounds, board.curve = api.rounds(campaign), api.curve(campaign)
                    board.cost = api.cost(campaign)
                yield event
        except Unreachable as error:
            board.trouble = f"{error}; trying again"
            time.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)
