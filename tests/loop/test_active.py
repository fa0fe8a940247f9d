"""An older adapter that is made the active one, on the real API, workers and Label Studio."""

from pathlib import Path

import pytest

from tests.learner.conftest import build_encoder
from tests.loop.world import People, World, topical, truthful

ROUND = 40


@pytest.mark.timeout(600)
def test_an_older_adapter_orders_the_queue_in_label_studio(world: World, tmp_path: Path) -> None:
    """Given two rounds, when the adapter of the first is made active, then Label Studio serves the queue as that one
    ranks it, with what it says; and the next round is trained and scored by it."""
    labels = ["animals", "numbers", "weather"]
    pool = topical(20, labels)
    campaign = world.create(
        labels=labels, model=str(build_encoder(tmp_path / "model")), near_duplicates="keep", round_size=ROUND
    )
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": text} for text in pool])
    project = world.project(campaign)
    people = truthful(pool, labels)

    def ranked(number: int) -> bool:
        done = [one["number"] for one in world.rounds(campaign) if one["ranked_at"]]
        return number <= max(done, default=0)

    # Nobody else is there for second opinions, whose tasks keep what was shown.
    with People(world, project, labels, people, people=1):
        world.wait(lambda: ranked(2), "two rounds")
    world.assert_nothing_lost(campaign, project)
    world.wait(
        lambda: world.last_round(campaign)["ranked_at"] and world.status(campaign)["changes"] < ROUND,
        "the last round that begins",
    )
    newest = world.last_round(campaign)
    world.api.patch(f"/v1/campaigns/{campaign}", json={"adapter": 1}).raise_for_status()
    turn = newest["number"] + 1
    world.wait(lambda: ranked(turn), "the adapter of round 1 to have ordered the queue")
    last = world.rounds(campaign)[-1]
    assert (last["number"], last["scored_by"], last["trained_on"]) == (turn, 1, None)
    world.wait(
        lambda: world.label_studio.model_version(project) == f"r{turn}", "its predictions in Label Studio"
    )
    tasks = world.get(f"/v1/campaigns/{campaign}/queue?limit=1000")["tasks"]
    shown = {one["prediction"]["round"] for one in tasks if one["prediction"] and one["state"] == "open"}
    assert shown == {1}

    with People(world, project, labels, people, people=1):
        world.wait(lambda: ranked(turn + 1), "the next round")
    last = world.rounds(campaign)[turn]
    assert (last["scored_by"], last["trained_on"] is None) == (1, False)
    assert world.get(f"/v1/campaigns/{campaign}/curve")["active"] == 1
    world.assert_nothing_lost(campaign, project)
    log = world.get(f"/v1/campaigns/{campaign}/events?follow=false")["events"]
    assert [one["data"] for one in log if one["kind"] == "job-failed"] == []
