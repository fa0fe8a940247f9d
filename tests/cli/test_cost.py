"""What it costs, as a person reads it."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from service.cli.cost import spent
from service.client import Client
from service.client.views import Cost
from service.stack.stack import Stack
from service.store import campaigns
from service.store.database import Database
from tests.store.test_costs import answered, ask


def test_prices_and_budgets_are_set_shown_and_lifted(
    postil: Callable[..., Any], api: Client, stack: Stack
) -> None:
    words = "campaign create dear --labels a,b --model none --hour-price 36 --currency EUR --budget-hours 2 --json"
    made = json.loads(postil(*shlex.split(words)).out)
    assert (made["hour_price"], made["currency"], made["budget_hours"]) == (36.0, "EUR", 2.0)
    database = Database(stack.settings.database)
    with database.transaction() as connection:
        ask(connection, made["id"], range(20), 0)
        answered(connection, campaigns.get(connection, made["id"]), dict.fromkeys(range(20), 9.0))
    database.close()

    shown = postil("cost", "dear").out.splitlines()

    assert " ".join(shown[0].split()) == "round labels asked answered people workers cost score change"
    assert shown[1].split() == ["opening", "–", "20", "20", "3", "min", "0.0", "s", "1.80", "EUR", "–", "–"]
    assert "100 100 15 min [15 min, 15 min] 9.00 EUR [9.00, 9.00] –" in [
        " ".join(one.split()) for one in shown
    ]
    assert "No advice yet: it takes two rounds at least to say anything." in shown
    assert "So far: 3 min (1.80 EUR) of people and 0.0 s of workers." in shown
    assert "Budget of 2 h: 0.05 h spent, about 780 answers left." in shown
    assert json.loads(postil("cost", "dear", "--json").out)["money"] == pytest.approx(1.8)
    watched = postil("watch", "dear", "--once").out
    assert "Cost so far: 3 min of people, 0.0 s of workers, 1.80 EUR." in watched
    set_ = "campaign set dear --budget-hours .05 --point-price 5 --stop-at-advice --json"
    changed = json.loads(postil(*shlex.split(set_)).out)
    assert (changed["budget_hours"], changed["point_price"], changed["stop_at_advice"]) == (0.05, 5.0, True)
    assert "no more is asked: the budget of hours is used up" in postil("campaign", "show", "dear").out
    lift = "campaign set dear --budget-hours none --point-price none --hour-price none --never-stop --json"
    lifted = json.loads(postil(*shlex.split(lift)).out)
    assert (lifted["budget_hours"], lifted["hour_price"], lifted["stop_at_advice"]) == (None, None, False)
    last = postil("cost", "dear").out.splitlines()[-1]
    assert last == "Prices are set by `postil campaign set dear --hour-price 30 --currency EUR`."


def test_what_is_no_number_is_said(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="odd", labels=["a", "b"], model="none")
    for words in ("much", "nan", "inf"):
        said = postil("campaign", "set", "odd", "--hour-price", words)
        assert (said.status, said.err) == (1, f"error: --hour-price is '{words}': give a number, or `none`\n")
    priceless = postil("campaign", "set", "odd", "--budget-money", "5").err
    assert priceless == "error: budget_money takes a price to count with: set hour_price or compute_price\n"


@pytest.mark.parametrize(
    ("stop", "money", "words"),
    [
        (None, None, "Cost so far: 2.5 h of people, 30 s of workers."),
        (True, 75.0, "Cost so far: 2.5 h of people, 30 s of workers, 75.00 EUR; advice: stop."),
        (False, 75.0, "Cost so far: 2.5 h of people, 30 s of workers, 75.00 EUR; advice: go on."),
    ],
)
def test_one_line_of_it(stop: bool | None, money: float | None, words: str) -> None:
    found: Cost = {
        "prices": {"hour": 30.0, "compute": None, "point": None, "currency": "EUR"},
        "people": {"hours": 2.5, "money": 75.0},
        "workers": {"hours": 30 / 3600, "money": None},
        "money": money,
        "labels": 100,
        "rounds": [],
        "forecast": [],
        "stop": stop,
        "advice": [],
    }
    assert spent(found) == words
