"""Every process of a running campaign is killed once with SIGKILL: nothing is lost, nothing happens twice."""

import os
import signal

import numpy as np
import pytest

from service.demo.docstrings import Corpus
from tests.loop.world import People, World, truthful

PROCESSES = ("api", "worker-gpu", "worker-cpu", "worker-sync", "valkey", "label-studio")
BUDGET = 150
SEED = 11


@pytest.mark.timeout(900)
def test_killing_each_process_once_loses_nothing(world: World, docstrings: Corpus, model: str) -> None:
    """Given two people at work, when each process dies at a seeded moment, then every answer is there once and the
    budget is reached. The seed of the moments is SEED."""
    labels, pool = docstrings.labels, docstrings.pool[800:1300]
    campaign = world.create(labels=labels, model=model, budget=BUDGET, round_size=40, seed=SEED)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    rng = np.random.default_rng(SEED)
    moments = np.sort(rng.choice(np.arange(5, BUDGET - 25), size=len(PROCESSES), replace=False))
    victims = rng.permutation(PROCESSES)
    print(f"seed {SEED}: " + ", ".join(f"{name} at {at}" for name, at in zip(victims, moments, strict=True)))
    answer = truthful({one.text: one.label for one in pool}, labels, wrong=0.05)
    with People(world, project, labels, answer, seed=SEED) as people:
        for name, at in zip(victims, moments, strict=True):
            world.wait(lambda at=at: people.done >= at, f"{at} answers before {name} is killed", 300)  # type: ignore[misc]
            before = world.stack.states()[name]
            assert before.pid is not None
            os.kill(before.pid, signal.SIGKILL)
            world.wait(
                lambda name=name, old=before.pid: (  # type: ignore[misc]
                    world.stack.states()[name].state == "up" and world.stack.states()[name].pid != old
                ),
                f"{name} back",
                120,
            )
        world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the budget", 400)
    world.assert_nothing_lost(campaign, project)
    status = world.status(campaign)
    assert status["asked"] == BUDGET
    assert sum(status["labels"].values()) == BUDGET
    world.wait(lambda: world.last_round(campaign).get("labels") == BUDGET, "the last round")
