"""Campaigns that end: by people's hours, by money, and as advised, on the real API, workers and Label Studio."""

from pathlib import Path

import pytest

from tests.learner.conftest import build_encoder
from tests.loop.world import People, World, topical, truthful

LABELS = ["animals", "numbers", "weather"]
ROUNDS = 12
"""More than it takes to be advised three times in a row."""


@pytest.mark.timeout(600)
def test_hours_then_money_then_advice_end_it(world: World, tmp_path: Path) -> None:
    """Given answers of a second each, then 40 seconds buy 40 of them, 60 seconds' money 60; and where a point is
    worth next to nothing it is advised to stop, which is heeded once somebody says so."""
    pool = topical(30, LABELS)
    campaign = world.create(
        labels=LABELS,
        model=str(build_encoder(tmp_path / "model")),
        near_duplicates="keep",
        round_size=20,
        low_water=5,
        random_share=0.4,
        budget_hours=40 / 3600,
    )
    path = f"/v1/campaigns/{campaign}"
    world.post(f"{path}/pool", [{"text": text} for text in pool])
    project = world.project(campaign)

    def change(**settings: object) -> None:
        world.api.patch(path, json=settings).raise_for_status()

    def work(until: str) -> dict[str, object]:
        with People(world, project, LABELS, truthful(pool, LABELS), people=1):
            world.wait(lambda: world.status(campaign)["phase"] == until, until, 300)
        return world.status(campaign)

    status = work("budget reached")
    assert status["asked"] == pytest.approx(40, abs=5)
    assert status["phase_reason"] == "the budget of hours is used up"
    change(budget_hours=None, hour_price=36.0, budget_money=0.6)
    status = work("budget reached")
    assert status["asked"] == pytest.approx(60, abs=5)
    assert status["phase_reason"] == "the budget of money is used up"
    (budget,) = world.get(f"{path}/cost")["budgets"]
    assert (budget["kind"], budget["answers"]) == ("money", 0)
    assert budget["spent"] == pytest.approx(0.6, abs=0.05)
    change(budget_money=None, point_price=0.01, stop_at_advice=True)
    for _ in range(ROUNDS):
        number = world.last_round(campaign)["number"]
        with People(world, project, LABELS, truthful(pool, LABELS), people=1):
            world.wait(lambda: world.last_round(campaign)["number"] > number, "answers for a round")  # noqa: B023
        world.wait(lambda: world.last_round(campaign)["ranked_at"], "the end of a round")
        if "3 rounds in a row advised to stop" in (world.status(campaign)["phase_reason"] or ""):
            break
    work("stopped as advised")
    log = world.get(f"{path}/events?follow=false")["events"]
    (reason,) = [one["data"]["reason"] for one in log if one["kind"] == "stopped-as-advised"]
    assert "worth only" in reason or "predictions have settled" in reason
    world.assert_nothing_lost(campaign, project)
