"""What a campaign costs, over HTTP: prices, budgets, the account, and advice."""

from typing import Any

import pytest

from service.store import campaigns, rounds
from tests.http.conftest import ROUNDS, Served, fill

PRICES = {"hour_price": 36.0, "compute_price": 3.6, "currency": "EUR", "point_price": 0.5}


@pytest.fixture(scope="module")
def costly(served: Served) -> str:
    """440 tasks took 2 s each, and one answer that was none came without a lead time; five rounds took 42.5 s."""
    return fill(served, "costly")


def get(served: Served, path: str) -> Any:
    response = served.http.get(f"/v1/campaigns/{path}")
    assert response.status_code == 200, response.text
    return response.json()


def test_what_it_took_and_will_take(served: Served, costly: str) -> None:
    plain = get(served, f"{costly}/cost")
    assert (plain["money"], plain["people"]["money"], plain["label"]["money"]) == (None, None, None)
    served.http.patch(f"/v1/campaigns/{costly}", json=PRICES)

    found = get(served, f"{costly}/cost")

    assert found["prices"] == {"hour": 36.0, "compute": 3.6, "point": 0.5, "currency": "EUR"}
    assert found["people"] == pytest.approx({"hours": 882 / 3600, "money": 8.82})
    assert found["workers"] == pytest.approx({"hours": 42.5 / 3600, "money": 0.0425})
    assert found["money"] == pytest.approx(8.8625)
    assert found["labels"] == 277 + 80
    assert found["times"] == pytest.approx(
        {
            "answers": 437,
            "others": 4,
            "answer_seconds": 100 / 46,  # four of the newest 50 were no answers
            "missing": 1,
            "capped": 0,
            "capped_hours": 0.0,
            "assumed": False,
        }
    )
    assert [one["round"] for one in found["rounds"]] == list(range(ROUNDS + 2))
    opening, first = found["rounds"][:2]
    assert (opening["asked"], opening["answers"], opening["people"]["hours"]) == (
        496,
        437,
        found["people"]["hours"],
    )
    assert (first["asked"], first["workers"]["hours"]) == (0, pytest.approx(6.5 / 3600))
    assert [one["change"] is None for one in found["rounds"]] == [
        True,
        True,
        False,
        False,
        False,
        False,
        True,
    ]
    assert found["rounds"][-2]["score"]["value"] == 75 / 80
    assert [one["more"] for one in found["forecast"]] == [50, 100, 200]
    assert all(one["cost"]["money"]["value"] > 0 for one in found["forecast"])
    assert found["budgets"] == [{"kind": "answers", "total": 600.0, "spent": 496.0, "answers": 104}]
    assert found["stop"] in (True, False)
    assert found["advice"][1] == (
        "So far: 15 min (8.82 EUR) of people and 42 s (0.04 EUR) of workers, 8.86 EUR together."
    )
    newest = get(served, f"{costly}/cost?rounds=2")
    assert newest["rounds"] == found["rounds"][-2:]
    assert newest["money"] == found["money"]
    assert served.http.get(f"/v1/campaigns/{costly}/cost?rounds=0").status_code == 422


def test_budgets_of_hours_and_money_end_the_asking(served: Served, costly: str) -> None:
    path = f"/v1/campaigns/{costly}"
    served.http.patch(path, json=PRICES | {"budget": None})
    assert get(served, costly)["status"]["budget_left"] is None

    served.http.patch(path, json={"budget_hours": 1.0, "budget_money": 9.0})

    # .1375 EUR are left, at 2.17 s of people and .1 of workers for an answer: 6 answers, and 59 are open.
    found = get(served, f"{costly}/cost")["budgets"]
    assert [(one["kind"], one["total"], one["answers"]) for one in found] == [
        ("hours", 1.0, 437 + int(2718 / (100 / 46)) - 496),
        ("money", 9.0, 0),
    ]
    status = get(served, costly)["status"]
    assert (status["phase"], status["budget_left"]) == ("labeling", 0)
    assert status["phase_reason"] == "the budget of money is used up"
    lifted = served.http.patch(path, json={"budget_hours": None, "budget_money": None}).json()
    assert (lifted["status"]["budget_left"], lifted["status"]["phase_reason"]) == (None, None)


def test_an_empty_campaign_costs_nothing_yet(served: Served) -> None:
    made = served.campaign(budget_hours=2.0, **PRICES)
    found = get(served, f"{made['id']}/cost")
    assert (found["money"], found["label"], found["point"], found["random"], found["stop"]) == (
        0.0,
        *[None] * 4,
    )
    assert found["budgets"] == [{"kind": "hours", "total": 2.0, "spent": 0.0, "answers": 480}]
    assert made["status"]["budget_left"] == 480
    assert [one["round"] for one in found["rounds"]] == [0]
    assert served.http.get("/v1/campaigns/nobody/cost").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hour_price", -1),
        ("compute_price", 1e7),
        ("hour_price", "much"),
        ("currency", " EUR"),
        ("currency", "x" * 13),
        ("currency", "\n"),
        ("budget_hours", 0),
        ("budget_money", 100),
        ("point_price", 5),
        ("stop_at_advice", "yes"),
    ],
)
def test_prices_that_cannot_be_are_refused(served: Served, field: str, value: object) -> None:
    body = {"name": "refused", "labels": ["a", "b"], "model": "none"} | {field: value}
    path = f"/v1/campaigns/{served.campaign()['id']}"
    for response in (
        served.http.post("/v1/campaigns", json=body),
        served.http.patch(path, json={field: value}),
    ):
        assert (response.status_code, response.json()["field"]) == (422, field)


def test_money_takes_a_price_as_long_as_it_is_counted(served: Served) -> None:
    path = f"/v1/campaigns/{served.campaign(hour_price=30.0, budget_money=100.0)['id']}"
    refused = served.http.patch(path, json={"hour_price": None})
    assert (refused.status_code, refused.json()["field"]) == (422, "budget_money")
    assert served.http.patch(path, json={"hour_price": None, "compute_price": 2.0}).status_code == 200
    assert served.http.patch(path, json={"compute_price": None, "budget_money": None}).status_code == 200


def test_a_campaign_that_stopped_as_advised_goes_on_when_it_is_told_to(served: Served) -> None:
    c = fill(served, "stopped")
    path = f"/v1/campaigns/{c}"
    with served.api.database.transaction() as connection:
        for number in range(3, ROUNDS + 1):
            rounds.change(connection, c, number, advice="predictions have settled")
    assert get(served, c)["status"]["phase_reason"] is None

    stopped = served.http.patch(path, json={"stop_at_advice": True}).json()

    assert (stopped["stopped_round"], stopped["status"]["budget_left"]) == (5, 0)
    assert "advised to stop" in stopped["status"]["phase_reason"]
    events = get(served, f"{c}/events?follow=false")["events"]
    assert events[-1]["kind"] == "stopped-as-advised"
    assert events[-1]["data"] == {"round": 5, "reason": "predictions have settled"}
    resumed = served.http.patch(path, json={"stop_at_advice": False}).json()
    assert (resumed["stopped_round"], resumed["status"]["budget_left"]) == (None, 104)
    with served.api.database.reading() as connection:
        assert campaigns.get(connection, c).stop_at_advice is False
