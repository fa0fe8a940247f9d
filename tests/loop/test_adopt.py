"""A project that people use is adopted, worked on, and given back, on the real API, workers and Label Studio."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.demo.docstrings import Corpus
from service.label_studio import adopted
from service.label_studio.adopted import Page
from service.label_studio.annotator import Served
from tests.label_studio import theirs
from tests.learner.conftest import build_encoder
from tests.loop.world import People, World

TASKS, BEFORE, ROUND, ROUNDS = 2_000, 150, 20, 3


@pytest.mark.timeout(500)
def test_a_project_is_adopted_worked_on_and_given_back_as_it_was(
    world: World, docstrings: Corpus, tmp_path: Path
) -> None:
    """Given 2,000 tasks with data and meta of their own, predictions of another model, settings of their own and 150
    answers and skips of two people, when a campaign works there for three rounds and is released, then every task and
    setting is as before, all that people answered is there, and the campaign can be read."""
    client, labels = world.label_studio, docstrings.labels
    model = str(build_encoder(tmp_path / "tiny"))  # what it learns is of no matter here
    aliases = {labels[0]: "first-of-all"}
    pool = docstrings.pool[:TASKS]
    tokens = {one.text: aliases.get(one.label, one.label) for one in pool}
    project = theirs.project(
        client,
        labels,
        aliases,
        description="a project of long standing",
        expert_instruction="<b>Think</b> first.",
        show_instruction=True,
        sampling="Uniform sampling",
        skip_queue="REQUEUE_FOR_ME",
        show_overlap_first=True,
        enable_empty_annotation=False,
        show_skip_button=True,
        color="#123456",
    )
    new = [
        {"data": {"body": one.text, "title": f"no. {at}", "n": at}}
        | ({"meta": {"from": "us"}} if at % 3 else {})
        for at, one in enumerate(pool)
    ]
    ids = theirs.add_tasks(client, project, new)
    made = [
        {"task": task, "model_version": "ours-7", "score": 0.0, "result": theirs.choice(labels[1])}
        for task in ids[:200]
    ]
    client.send("POST", f"/api/projects/{project}/import/predictions", body=made)
    # In one go: to hide predictions would forget the version.
    client.change_project(project, {"show_collab_predictions": False, "model_version": "ours-7"})
    hook = {"project": project, "url": "http://127.0.0.1:9/theirs", "is_active": False}
    client.send("POST", "/api/webhooks/", body=hook)
    people = [world.annotator(), world.annotator()]
    for at in range(BEFORE):
        who, task = people[at % 2], ids[7 * at]
        if at % 10 == 9:
            who.skip(Served(task, {}, []))
        else:
            theirs.answer(who, task, tokens[pool[7 * at].text])
    skipped = BEFORE // 10
    for one in people:
        one.close()
    tasks, settings = theirs.tasks(client, project), theirs.settings(client, project)
    assert len(tasks) == TASKS
    hooks = client.webhooks(project)

    campaign = world.create(
        labels=[], model=model, adopt=project, budget=ROUND, round_size=ROUND, near_duplicates="keep"
    )
    shown = world.get(f"/v1/campaigns/{campaign}")
    assert (shown["labels"], shown["problem"], shown["text_field"]) == (labels, "single_label", "body")
    again = world.api.post("/v1/campaigns", json={"name": "again", "model": model, "adopt": project})
    assert (again.status_code, "is adopted by the campaign" in again.text) == (409, True)
    world.wait(lambda: world.get(f"/v1/campaigns/{campaign}")["adopted"]["read_at"], "the tasks to be read")
    world.wait(lambda: world.status(campaign)["queue"]["open"], "a queue")
    status = world.status(campaign)
    assert (status["annotations"]["answer"], status["annotations"]["skip"]) == (BEFORE - skipped, skipped)
    assert status["labels"].keys() <= {"train"}  # which nobody drew at random

    served: list[int] = []

    def say(task: Served, rng: np.random.Generator) -> Any:
        text = task.data["body"]
        served.append(task.id)
        return next(one.label for one in pool if one.text == text)

    def work(number: int) -> None:
        """Until so many rounds of answers are given, and learned from: the first round was of what was there."""
        world.api.patch(f"/v1/campaigns/{campaign}", json={"budget": number * ROUND}).raise_for_status()
        world.wait(lambda: world.status(campaign)["queue"]["open"] == ROUND, "a queue")
        queue = {task["task"] for task in world.get(f"/v1/campaigns/{campaign}/queue")["tasks"]}
        served.clear()
        everybody = People(world, project, labels, say, seed=number)
        everybody.asks = Page.of(adopted.read(settings["label_config"]))
        with everybody:
            world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the end of the budget")
        assert set(served[: ROUND - 2]) <= queue  # the last ones are open with one while the other goes on
        given = len(world.answers_in_label_studio(project))
        world.wait(lambda: world.status(campaign)["annotations"]["answer"] == given, "the last answers", 60)
        world.wait(lambda: world.last_round(campaign).get("number", 0) > number, "another round")
        world.wait(lambda: world.last_round(campaign).get("ranked_at"), "its end")

    # Nobody works before it, or it would learn from their answers too.
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the round of what was there")
    for number in range(1, ROUNDS + 1):
        work(number)
    given = world.answers_in_label_studio(project)
    status = world.status(campaign)
    asked = ROUNDS * ROUND
    assert status["asked"] == asked
    assert status["labels"]["control"] == pytest.approx(6, abs=2)
    assert status["labels"]["hold-out"] == pytest.approx(6, abs=2)
    answers = world.annotations(campaign)

    world.api.post(f"/v1/campaigns/{campaign}/release").raise_for_status()
    world.wait(lambda: world.get(f"/v1/campaigns/{campaign}")["adopted"]["released_at"], "the release", 60)

    after = theirs.tasks(client, project)
    done = {one["task"] for one in answers if one["kind"] == "answer"}
    assert {task for task in tasks if after[task]["is_labeled"]} == done
    assert {task: one | {"is_labeled": False} for task, one in after.items()} == {
        task: one | {"is_labeled": False} for task, one in tasks.items()
    }
    assert theirs.settings(client, project) == settings
    assert client.model_versions(project) == {"ours-7": 200}
    assert client.webhooks(project) == hooks
    assert world.answers_in_label_studio(project) == given
    assert world.annotations(campaign) == answers
    assert len(world.get(f"/v1/campaigns/{campaign}/curve")["points"]) > ROUNDS
    assert world.status(campaign)["phase"] == "paused"
    resumed = world.api.patch(f"/v1/campaigns/{campaign}", json={"paused": False})
    assert (resumed.status_code, "adopt it anew" in resumed.text) == (409, True)
    anew = world.create(labels=[], model=model, adopt=project)
    world.wait(
        lambda: world.status(anew)["annotations"].get("answer") == status["annotations"]["answer"],
        "the answers",
    )
    world.api.post(f"/v1/campaigns/{anew}/release").raise_for_status()
    world.wait(lambda: world.get(f"/v1/campaigns/{anew}")["adopted"]["released_at"], "the second release", 60)
    assert theirs.settings(client, project) == settings
    for one in (campaign, anew):
        assert world.api.delete(f"/v1/campaigns/{one}").status_code == 204
