"""Campaigns from the first POST to the last round, on the real API, workers, Valkey and Label Studio."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from service.demo.docstrings import Corpus, Example
from service.label_studio.problems import problem
from tests.loop.world import People, World, truthful


@pytest.mark.timeout(600)
def test_a_campaign_with_two_annotators(world: World, docstrings: Corpus, model: str) -> None:
    """Given two people as fast as they can be, one in ten answers wrong and some skips, then nothing is lost,
    nobody waits, near-duplicates are found, and every round is measured on the posted test set."""
    pool = docstrings.pool[:600]
    again = [replace(one, id=f"{one.id}-again", text=f"{one.text.upper()} !") for one in pool[:20]]
    pool = [*pool, *again]
    campaign = world.create(labels=docstrings.labels, model=model, budget=120, round_size=40, seed=3)
    test = world.post(
        f"/v1/campaigns/{campaign}/labels?set=test",
        [{"text": one.text, "label": one.label} for one in docstrings.gold],
    )
    assert test["added"] == len(docstrings.gold)
    receipt = world.post(
        f"/v1/campaigns/{campaign}/pool",
        [{"text": one.text, "id": one.id, "domain": one.domain} for one in pool],
    )
    assert (receipt["received"], receipt["added"]) == (620, 620)
    project = world.project(campaign)
    truth = {one.text: one.label for one in pool}
    answer = truthful(truth, docstrings.labels, wrong=0.1, skips=0.05)
    with People(world, project, docstrings.labels, answer) as people:
        world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the end of the budget", 400)
    # At the end the last places are given away one by one, as skips and doubled answers free them.
    assert [done for done in people.idle if done < 115] == []
    world.assert_nothing_lost(campaign, project)
    status = world.status(campaign)
    assert status["annotations"]["answer"] >= 120
    assert status["annotations"].get("skip", 0) > 0
    assert status["labels"].get("hold-out", 0) == 0
    assert status["labels"]["control"] == pytest.approx(12, abs=2)
    assert sum(status["labels"].values()) == 120
    assert 20 <= status["near_duplicates"] < 60
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the last round")
    rounds = world.rounds(campaign)
    assert [one["state"] for one in rounds] == ["done"] * len(rounds)
    assert rounds[-1]["labels"] == 120
    points = world.get(f"/v1/campaigns/{campaign}/curve")["points"]
    assert [point["measured_on"] for point in points] == ["test"] * len(rounds)
    accuracy = points[-1]["metrics"]["accuracy"]
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert accuracy["value"] > 0.4  # six topics
    taken = rounds[-1]["metrics"]["annotators"]
    assert sum(one["answers"] for one in taken) >= 120
    assert all(0.5 < one["accuracy"] < 1 for one in taken)
    # Texts drawn at random: the model is sure of some, and in their place labels in doubt are asked about again.
    more = {"budget": 150, "strategy": "random"}
    world.api.patch(f"/v1/campaigns/{campaign}", json=more).raise_for_status()
    with People(world, project, docstrings.labels, answer):
        world.wait(lambda: world.status(campaign)["asked"] >= 150, "more to be asked")
        world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the end of the budget", 300)
    world.assert_nothing_lost(campaign, project)
    log = world.get(f"/v1/campaigns/{campaign}/events?follow=false")["events"]
    assert sum(one["data"]["second_opinions"] for one in log if one["kind"] == "selected") > 0
    assert any(row["annotations"] > 1 for row in world.labels(campaign))


@pytest.mark.timeout(400)
def test_everybody_answers_everything_where_there_is_an_overlap(
    world: World, docstrings: Corpus, model: str
) -> None:
    """Given two people who both answer every example, then the budget is of answers, nobody answers twice, and how far
    they agree is told."""
    campaign = world.create(
        labels=docstrings.labels, model=model, overlap=2, budget=80, round_size=20, random_share=0.1
    )
    pool = docstrings.pool[1300:1500]
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text, "id": one.id} for one in pool])
    project = world.project(campaign)
    truth = {one.text: one.label for one in pool}
    with People(world, project, docstrings.labels, truthful(truth, docstrings.labels, wrong=0.1)):
        world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the end of the budget", 200)
    world.assert_nothing_lost(campaign, project)
    status = world.status(campaign)
    assert (status["asked"], status["annotations"]["answer"]) == (80, 80)
    assert [row["annotations"] for row in world.labels(campaign)] == [2] * 40
    people = world.get(f"/v1/campaigns/{campaign}/annotators")
    assert [one["answers"] for one in people["annotators"]] == [40, 40]
    assert people["pairs"][0]["examples"] == 40
    assert 0.5 < people["alpha"]["value"] < 1
    total = world.get(f"/v1/campaigns/{campaign}/disagreements")["total"]
    assert total == round(40 * (1 - people["pairs"][0]["agreement"]["value"]))


@pytest.mark.timeout(400)
def test_a_campaign_of_several_labels(world: World, docstrings: Corpus, model: str) -> None:
    """Given texts of which any number of labels is true, none of them too, then rounds are trained and measured by
    macro F1, and people see which labels the model would choose."""
    labels = [*docstrings.labels[:3], "long"]

    def true(one: Example) -> list[str]:
        return [name for name in labels if name == one.label or (name == "long" and len(one.text) > 200)]

    pool, gold = docstrings.pool[800:1100], docstrings.gold[:200]
    campaign = world.create(labels=labels, model=model, problem="multi_label", budget=100, round_size=40)
    world.post(
        f"/v1/campaigns/{campaign}/labels?set=test", [{"text": one.text, "labels": true(one)} for one in gold]
    )
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    truth = {one.text: true(one) for one in pool}
    assert any(not answer for answer in truth.values())
    assert any(len(answer) > 1 for answer in truth.values())

    def work(until: Callable[[], bool]) -> None:
        with People(
            world, project, labels, lambda task, rng: truth[task.data["text"]], people=1, kind="multi_label"
        ):
            world.wait(until, "an answer to every question", 200)

    work(lambda: world.answered(campaign) >= 40)
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the first round")
    work(lambda: world.status(campaign)["phase"] == "budget reached")
    world.assert_nothing_lost(campaign, project)
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the last round")
    answers = [one for one in world.annotations(campaign) if one["kind"] == "answer"]
    assert any(one["labels"] == [] for one in answers)
    assert any(one["shown"] and one["shown"].get("confidences") is not None for one in answers)
    point = world.get(f"/v1/campaigns/{campaign}/curve")["points"][-1]
    assert point["headline"] == "macro_f1"
    assert point["metrics"]["macro_f1"]["value"] > 0.4
    assert point["labels"] == 100


@pytest.mark.timeout(400)
def test_a_campaign_of_spans(world: World, docstrings: Corpus, model: str) -> None:
    """Given texts with names of types to be marked, and many without any, then rounds are trained and measured by the
    spans' F1, and people see what the model would mark."""
    labels = ["type", "number"]
    marked = {"type": r"\b(string|list|file|object|dict|class|bytes|module)s?\b", "number": r"\b\d+\b"}

    def true(text: str) -> list[dict[str, Any]]:
        found = [
            {"start": one.start(), "end": one.end(), "label": label}
            for label, pattern in marked.items()
            for one in re.finditer(pattern, text)
        ]
        return sorted(found, key=lambda span: (span["start"], span["end"]))

    pool, gold = [one.text for one in docstrings.pool[1100:1300]], [one.text for one in docstrings.gold[:80]]
    campaign = world.create(labels=labels, model=model, problem="spans", budget=70, round_size=30)
    world.post(
        f"/v1/campaigns/{campaign}/labels?set=test", [{"text": text, "spans": true(text)} for text in gold]
    )
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": text} for text in pool])
    project = world.project(campaign)

    def work(until: Callable[[], bool]) -> None:
        with People(
            world, project, labels, lambda task, rng: true(task.data["text"]), people=1, kind="spans"
        ):
            world.wait(until, "an answer to every question", 200)

    work(lambda: world.answered(campaign) >= 30)
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the first round")
    work(lambda: world.status(campaign)["phase"] == "budget reached")
    world.assert_nothing_lost(campaign, project)
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the last round")
    answers = [one for one in world.annotations(campaign) if one["kind"] == "answer"]
    assert any(one["spans"] == [] for one in answers)
    assert any(one["shown"] and one["shown"]["spans"] for one in answers)
    assert all(one["spans"] == true(one["text"]) for one in world.labels(campaign))
    point = world.get(f"/v1/campaigns/{campaign}/curve")["points"][-1]
    assert point["headline"] == "f1"
    assert point["metrics"]["f1"]["value"] > 0.3


@pytest.mark.timeout(300)
def test_edits_deletions_and_nonsense_are_taken_in(world: World, docstrings: Corpus, model: str) -> None:
    """Given answers that are changed, deleted, doubled or no answers at all, then labels say what holds now."""
    labels = docstrings.labels
    pool = docstrings.pool[600:900]
    campaign = world.create(labels=labels, model=model, round_size=1000, low_water=50)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    asks = problem("single_label", labels)

    def counts() -> tuple[int, int, int]:
        status = world.status(campaign)
        kinds = status["annotations"]
        return sum(status["labels"].values()), kinds.get("invalid", 0), kinds.get("deleted", 0)

    with world.annotator() as ann, world.annotator() as ben:
        tasks = []
        for _ in range(5):
            task = ann.next(project)
            assert task is not None
            tasks.append((task, ann.submit(task, asks.to_result(labels[0]), 1.0)))
        world.wait(lambda: counts() == (5, 0, 0), "five labels")
        ann.update(tasks[0][1], asks.to_result(labels[1]))
        ann.delete(tasks[1][1])
        ann.update(tasks[2][1], [{"foo": 1}])
        ben.submit(tasks[3][0], asks.to_result(labels[1]), 1.0)  # the second of two: the first one holds
        world.label_studio.send("DELETE", f"/api/tasks/{tasks[4][0].id}/")
        hand_made = {"data": {"text": "made by hand"}, "annotations": [{"result": []}]}
        world.label_studio.send("POST", f"/api/projects/{project}/import", None, [hand_made])
        # That a task is gone is found by a look at all of them, a minute later at the most.
        world.wait(lambda: counts() == (2, 1, 2), "two labels, one invalid and two deleted answers", 120)
    world.wait(
        lambda: world.status(campaign)["annotations"].get("foreign") == 1, "the answer to a foreign task", 30
    )
    export = world.api.get(f"/v1/campaigns/{campaign}/export", params={"what": "labels"}).text.splitlines()
    assert sorted(line.count(f'"label":"{labels[1]}"') for line in export) == [0, 1]
    revisions = [one["kind"] for one in world.annotations(campaign) if one["annotation"] == tasks[0][1]]
    assert revisions == ["answer", "answer"]


@pytest.mark.timeout(300)
def test_pause_changes_in_flight_and_the_end_of_the_pool(
    world: World, docstrings: Corpus, model: str
) -> None:
    labels = docstrings.labels
    pool = docstrings.pool[700:760]
    campaign = world.create(labels=labels, model=model, round_size=20, low_water=10)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    answer = truthful({one.text: one.label for one in pool}, labels)
    paused = world.api.patch(f"/v1/campaigns/{campaign}", json={"paused": True}).json()
    assert paused["status"]["phase"] == "paused"
    with People(world, project, labels, answer, people=1):
        world.wait(lambda: not sum(world.status(campaign)["queue"].values()), "an empty queue while paused")
    asked = world.status(campaign)["asked"]
    world.wait(lambda: [one["labels"] for one in world.rounds(campaign)] == [asked], "the partial round")
    changed = world.api.patch(
        f"/v1/campaigns/{campaign}", json={"paused": False, "strategy": "entropy", "round_size": 25}
    )
    assert changed.status_code == 200, changed.text
    with People(world, project, labels, answer, people=2):
        world.wait(lambda: world.status(campaign)["phase"] == "pool used up", "the end of the pool", 240)
    world.assert_nothing_lost(campaign, project)
    world.wait(lambda: world.last_round(campaign).get("labels") == len(pool), "the last round")
    assert world.rounds(campaign)[-1]["strategy"] == "entropy"


def test_who_computes_for_long_gives_way_to_who_answers(world: World) -> None:
    states = world.stack.states()
    niceness = {name: os.getpriority(os.PRIO_PROCESS, one.pid or 0) for name, one in states.items()}
    assert niceness["worker-gpu"] > niceness["api"] == niceness["worker-sync"] == niceness["label-studio"]
