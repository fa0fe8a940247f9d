"""A campaign whose truth is in PostgreSQL."""

from pathlib import Path

import pytest

from service.demo.docstrings import Corpus
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.stack import Stack
from tests.loop.world import People, World, truthful
from tests.postgresql import PostgreSQL

BUDGET = 70


@pytest.mark.timeout(600)
def test_a_campaign_on_postgresql(
    postgresql: PostgreSQL, label_studio_settings: Settings, docstrings: Corpus, model: str, tmp_path: Path
) -> None:
    """Given two people at work, then nothing is lost and rounds end as they do on SQLite, and no transaction of one
    process was given up for that of another."""
    settings = Settings(
        data=str(tmp_path),
        database_url=postgresql.empty(),
        label_studio_venv=str(environment(label_studio_settings)),
        url="http://127.0.0.1:0",
    )
    labels, pool = docstrings.labels, docstrings.pool[:300]
    with Stack(settings) as stack:
        stack.start()
        stack.wait_up("label-studio", 300)
        world = World(stack)
        campaign = world.create(labels=labels, model=model, budget=BUDGET, round_size=30)
        world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text, "id": one.id} for one in pool])
        project = world.project(campaign)
        answer = truthful({one.text: one.label for one in pool}, labels, skips=0.05)
        with People(world, project, labels, answer):
            world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the budget", 300)
        world.assert_nothing_lost(campaign, project)
        world.wait(lambda: world.last_round(campaign).get("labels") == BUDGET, "the last round")
        world.wait(lambda: world.last_round(campaign).get("ranked_at"), "its end")
        assert {one["state"] for one in world.rounds(campaign)} == {"done"}
        world.close()
    said = "".join(path.read_text(errors="replace") for path in (tmp_path / "logs").glob("*.log"))
    assert "DeadlockDetected" not in said
    assert not (tmp_path / "postil.sqlite").exists()
