"""Budgets of hours and money, as answers that they pay for."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from service.budget import Budget, budget
from service.records import Campaign
from service.rounds.advance import advance, facts
from service.rounds.decide import answers_left, phase, reason
from service.store import campaigns, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.schema import event_log
from tests.store.test_costs import answered, ask


def campaign(connection: Connection, **values: Any) -> Campaign:
    return campaigns.create(connection, NewCampaign("kept short", ["a", "b"], "none", **values))


def now(connection: Connection, made: Campaign) -> Budget:
    return budget(connection, made, selections.answers(connection, made.id))


def test_without_any_there_is_no_end(connection: Connection) -> None:
    assert now(connection, campaign(connection)) == Budget()
    assert Budget().room(100) is None
    assert Budget(10, 8, None).room(5) == 3
    assert Budget(10, None, 3).room(5) == 0
    assert Budget(None, None, None, stopped=True).room(0) == 0


def test_hours_pay_for_answers_at_what_they_took(connection: Connection) -> None:
    made = campaign(connection, budget_hours=0.1, budget=50)
    assert now(connection, made) == Budget(50, 24)  # 360 s, at 15 s each as long as nothing is known
    ask(connection, made.id, range(60), 0)
    answered(connection, made, dict.fromkeys(range(20), 9.0))
    # 180 s are spent, and 180 / 9 = 20 answers left: the 40 that are open are an overshoot already.
    assert now(connection, made) == Budget(50, 40)
    assert now(connection, made).room(60) == 0
    # Those of late took longer: 10 more of 18 s leave nothing, at a mean of late of 12 s.
    answered(connection, made, dict.fromkeys(range(20, 30), 18.0))
    assert now(connection, made) == Budget(50, 30)
    state = facts(connection, made).state()
    assert (answers_left(state), phase(state)) == (0, "waiting for a pool")
    assert reason(state) == "the budget of answers and of hours is used up"


def test_skips_take_time_and_no_answer(connection: Connection) -> None:
    made = campaign(connection, budget_hours=0.1)
    ask(connection, made.id, range(40), 0)
    answered(connection, made, dict.fromkeys(range(10), 9.0))
    answered(connection, made, dict.fromkeys(range(10, 20), 9.0), skipped=True)
    # 180 s for ten answers: 18 s each, ten more.
    assert now(connection, made) == Budget(None, 20)


def test_money_pays_for_people_and_for_workers(connection: Connection) -> None:
    priced = {
        "hour_price": 36.0,
        "compute_price": 3.6,
        "currency": "EUR",
    }  # a cent a second, and a tenth of one
    made = campaign(connection, budget_money=5.0, **priced)
    ask(connection, made.id, range(20), 0)
    answered(connection, made, dict.fromkeys(range(20), 9.0))
    assert now(connection, made) == Budget(None, None, 20 + 35)  # (5 - 1.8) / .09 = 35.6
    rounds.start(connection, made.id, 1, label_version=1, labels=1, shards=[], strategy="margin", seed=0)
    rounds.change(connection, made.id, 1, train_seconds=200.0)
    assert now(connection, made) == Budget(None, None, 20 + 30)  # (5 - 2) / (.09 + .01)
    free = campaigns.get(connection, made.id)
    campaigns.change(connection, made.id, hour_price=0.0, compute_price=None)
    assert (now(connection, campaigns.get(connection, free.id)).money or 0) > 1 << 39


def test_once_three_rounds_advised_it_no_more_is_asked_until_somebody_says_so(connection: Connection) -> None:
    made = campaign(connection, stop_at_advice=True)
    for number, words in enumerate([None, "settled", "settled", "dear"], 1):
        rounds.start(
            connection, made.id, number, label_version=1, labels=1, shards=[], strategy="margin", seed=0
        )
        rounds.change(connection, made.id, number, state="done", advice=words, ranked_at=1.0)
        advance(connection, made.id)
        state = facts(connection, campaigns.get(connection, made.id)).state()
        assert state.stopped == (number == 4)
    advance(connection, made.id)
    told = select(event_log.c.data).where(event_log.c.kind == "stopped-as-advised")
    assert connection.execute(told).scalars().all() == [{"round": 4, "reason": "dear"}]
    assert answers_left(state) == 0
    assert reason(state) == "3 rounds in a row advised to stop; stop_at_advice off lets it go on"
    assert now(connection, campaigns.get(connection, made.id)).room(0) == 0
    # A round that is of another mind changes nothing any more.
    rounds.change(connection, made.id, 4, advice=None)
    assert facts(connection, campaigns.get(connection, made.id)).state().stopped

    campaigns.change(connection, made.id, stop_at_advice=False, stopped_round=None)

    assert answers_left(facts(connection, campaigns.get(connection, made.id)).state()) is None


@pytest.mark.parametrize(
    ("states", "advised"), [(["done"] * 4, (4, 3, 2)), (["done", "failed", "scoring"], (3, 1))]
)
def test_rounds_that_failed_advise_nothing(
    connection: Connection, states: list[str], advised: tuple[int, ...]
) -> None:
    made = campaign(connection)
    for number, state in enumerate(states, 1):
        rounds.start(
            connection, made.id, number, label_version=1, labels=1, shards=[], strategy="margin", seed=0
        )
        rounds.change(
            connection, made.id, number, state=state, advice="settled" if state != "failed" else None
        )
    assert rounds.advised(connection, made.id, 3) == advised
