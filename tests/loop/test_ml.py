"""A campaign as a model of an unmodified Label Studio: connected as its settings page does it, asked, and trained."""

from typing import Any

import pytest

from service.demo.docstrings import Corpus
from service.label_studio.problems import problem
from tests.loop.world import People, World, truthful


@pytest.mark.timeout(500)
def test_label_studio_connects_asks_and_trains(world: World, docstrings: Corpus, model: str) -> None:
    """Given a few answers and a model that is connected by Label Studio's own API, then its button starts a round, its
    tasks get predictions, blind ones none, and what connecting sets of the order is put right, once."""
    labels, pool = docstrings.labels, docstrings.pool[600:700]
    campaign = world.create(labels=labels, model=model, round_size=80, low_water=40, random_share=0.5)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    studio = world.label_studio

    def call(method: str, path: str, body: Any = None) -> Any:
        return studio.call(Any, method, path, None, body)

    backend = {
        "project": project,
        "url": f"{world.settings.url}/ml/{campaign}",
        "title": "Postil",
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": "postil",
        "basic_auth_pass": world.api.headers["Authorization"].removeprefix("Bearer "),
        "is_interactive": True,
    }
    refused = studio._http.post(f"{studio.url}/api/ml", json={**backend, "basic_auth_pass": "wrong"})
    assert (refused.status_code, "authentication parameters" in refused.text) == (400, True)
    made = call("POST", "/api/ml", backend)
    assert (made["readable_state"], made["model_version"]) == ("Connected", "live-r0")

    # who chooses the model for the order on the settings page makes it a random one
    call("PATCH", f"/api/projects/{project}/", {"model_version": "Postil"})
    world.wait(lambda: studio.model_version(project) == "r0", "our order in Label Studio", 150)

    truth = {one.text: one.label for one in pool}
    with People(world, project, labels, truthful(truth, labels), people=1):
        world.wait(lambda: sum(world.status(campaign)["labels"].values()) >= 24, "some answers")
    assert world.rounds(campaign) == []
    studio.send("POST", f"/api/ml/{made['id']}/train", body={})
    world.wait(lambda: world.rounds(campaign), "a round that was asked for", 20)
    # the second press of the button finds it at work, and Label Studio says so
    studio.send("POST", f"/api/ml/{made['id']}/train", body={})
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the round's order")

    queue = world.get(f"/v1/campaigns/{campaign}/queue?limit=1000")["tasks"]
    asks = problem("single_label", labels)
    roles = {}
    for one in [task for task in queue if task["state"] == "open"][:30]:
        path = f"/api/ml/{made['id']}/interactive-annotating"
        said = call("POST", path, {"task": one["task"], "context": {"result": []}})["data"]
        roles[one["role"]] = said["result"]
        assert bool(said["result"]) == (one["role"] == "train"), one
        assert said["model_version"] == "live-r1"
        if said["result"]:
            assert asks.from_result(said["result"], one["text"]) in labels
            assert 0 < said["score"] <= 1
    assert {"train"} < set(roles)

    # a task that somebody else made: Label Studio asks by itself when it is opened
    stranger = call("POST", "/api/tasks/", {"project": project, "data": {"text": pool[0].text}})["id"]
    shown = call("GET", f"/api/tasks/{stranger}/")["predictions"]
    assert [one["model_version"] for one in shown] == ["live-r1"]
    assert asks.from_result(shown[0]["result"], pool[0].text) in labels
    versions = call("GET", f"/api/ml/{made['id']}/versions")
    assert versions == {"versions": ["live-r1"]}

    # the webhook that Label Studio made by itself, for every action and without a password, is a hint and no error
    hooks = call("GET", f"/api/webhooks/?project={project}")
    assert f"{backend['url']}/webhook" in [hook["url"] for hook in hooks]
    log = world.get(f"/v1/campaigns/{campaign}/events?follow=false")["events"]
    assert [one["data"]["found"] for one in log if one["kind"] == "order-put-right"] == ["Postil"]
    world.assert_nothing_lost(campaign, project)
