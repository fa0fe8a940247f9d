"""The verb `postil cost`: what a campaign took by round, what more labels take and bring, and whether to stop."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import output
from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from service.client.views import Amount, Cost, Forecast, Interval, Prices, Range

ALL = 100_000


def cost(
    campaign: Name,
    rounds: Annotated[int, typer.Option(min=1, max=ALL, help="How many of the newest rounds to show.")] = 12,
    json: AsJson = False,
) -> None:
    """What it took so far, by round; what more labels take and are expected to bring; and whether to stop."""
    with connect() as api:
        found = api.cost(campaign, ALL if json else rounds)
    if json:
        return print_json(found)
    from rich.console import Console

    console = Console()
    console.print(rounds_table(found))
    console.print()
    console.print(forecast_table(found))
    console.print()
    for words in found["advice"]:
        output.say(console, words)
    if found["prices"]["hour"] is None:
        words = f"Prices are set by `postil campaign set {campaign} --hour-price 30 --currency EUR`."
        output.say(console, words)


def spent(found: "Cost") -> str:
    """So far, in one line."""
    people, workers = (output.seconds(3600 * found[whose]["hours"]) for whose in ("people", "workers"))
    price = "" if found["money"] is None else f", {money(found['money'], found['prices'])}"
    advised = {True: "; advice: stop", False: "; advice: go on", None: ""}[found["stop"]]
    return f"Cost so far: {people} of people, {workers} of workers{price}{advised}."


def rounds_table(found: "Cost") -> "Table":
    """A round a line."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("round", "labels", "asked", "answered", "people", "workers", "cost", "score", "change"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found["rounds"]:
        table.add_row(
            str(one["round"]) if one["round"] else "opening",
            "–" if one["labels"] is None else f"{one['labels']:,}",
            f"{one['asked']:,}",
            f"{one['answers']:,}",
            _hours(one["people"]),
            _hours(one["workers"]),
            "–" if one["money"] is None else money(one["money"], found["prices"]),
            output.share(one["score"]),
            output.change(one["change"]),
        )
    return table


def forecast_table(found: "Cost") -> "Table":
    """So many labels more a line."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("labels more", "answers", "people", "cost", "expected points"):
        table.add_column(title, justify="right", no_wrap=True)
    if found["prices"]["point"] is not None:
        table.add_column("worth", justify="right", no_wrap=True)
    for one in found["forecast"]:
        table.add_row(*_forecast(one, found["prices"]))
    return table


def money(value: float, prices: "Prices") -> str:
    """12.34 EUR."""
    return f"{value:,.2f} {prices['currency']}".strip()


def _forecast(one: "Forecast", prices: "Prices") -> list[str]:
    people, gain = one["cost"]["hours"], one["gain"]
    cells = [f"{one['more']:,}", f"{one['answers']:,}", output.seconds(3600 * (people["value"] or 0))]
    if people["low"] is not None and people["high"] is not None:
        ends = (output.seconds(3600 * end) for end in (people["low"], people["high"]))
        cells[-1] += f" [{', '.join(ends)}]"
    cells.append(_ranged(one["cost"]["money"], prices))
    cells.append("–")
    if gain is not None:
        cells[-1] = f"{100 * gain['value']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]"
    if prices["point"] is not None:
        cells.append(_ranged(one["worth"], prices))
    return cells


def _ranged(value: "Range | Interval | None", prices: "Prices") -> str:
    if value is None or value["value"] is None:
        return "–"
    words = money(value["value"], prices)
    if value["low"] is None or value["high"] is None:
        return words
    return f"{words} [{value['low']:,.2f}, {value['high']:,.2f}]"


def _hours(amount: "Amount") -> str:
    return output.seconds(3600 * amount["hours"])
