"""A backup that was made in the midst of a campaign goes on with it somewhere else."""

from dataclasses import replace
from pathlib import Path

import pytest

from service import backup
from service.demo.docstrings import Corpus
from service.stack.stack import Stack
from tests.loop.world import People, World, truthful

BUDGET = 90


@pytest.mark.timeout(600)
def test_a_restored_backup_continues_its_campaign(
    world: World, docstrings: Corpus, model: str, tmp_path: Path
) -> None:
    """Given two people at work, when a backup that is made meanwhile is brought back, then its answers are there, its
    queue is served, and the campaign comes to its end there."""
    labels, pool = docstrings.labels, docstrings.pool[300:600]
    campaign = world.create(labels=labels, model=model, budget=BUDGET, round_size=30)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    answer = truthful({one.text: one.label for one in pool}, labels)
    with People(world, project, labels, answer) as people:
        world.wait(lambda: people.done >= 40, "40 answers")
        backup.save(world.settings, tmp_path / "backup.tar")
        world.wait(lambda: people.done >= 50, "50 answers")

    anew = replace(world.settings, data=str(tmp_path / "data"), url="http://127.0.0.1:0")
    anew = replace(anew, redis_url="", label_studio_url="", label_studio_token="")
    backup.load(anew, tmp_path / "backup.tar")
    with Stack(anew) as stack:
        stack.start()
        stack.wait_up("label-studio", 300)
        restored = World(stack)
        there = len(restored.answers_in_label_studio(project))
        assert 40 <= there < BUDGET
        restored.wait(
            lambda: restored.status(campaign)["annotations"].get("answer", 0) == there,
            "all answers that came back",
        )
        with People(restored, project, labels, answer):
            restored.wait(lambda: restored.status(campaign)["phase"] == "budget reached", "the budget", 300)
        restored.assert_nothing_lost(campaign, project)
        restored.wait(lambda: restored.last_round(campaign).get("labels") == BUDGET, "the last round")
        restored.wait(lambda: restored.last_round(campaign).get("ranked_at"), "its end")
        assert restored.last_round(campaign)["state"] == "done"
        restored.close()
