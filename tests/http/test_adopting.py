"""Campaigns in adopted projects: what they show, what they refuse, and how they end."""

from itertools import count
from typing import Any

import pytest

from service.label_studio import adopted
from service.store import adoptions, campaigns, jobs, uploads
from service.store.database import now
from tests.http.conftest import Served
from tests.label_studio.theirs import PAGE

_projects = count(900)
CHOICES = '<Choice value="good"/><Choice value="bad"/>'


def adopt(served: Served, **values: Any) -> dict[str, Any]:
    """A campaign whose project was looked at as the API does it, where there is a Label Studio."""
    made = served.campaign(text_field="body", **values)
    control = adopted.read(PAGE.format(choices=CHOICES))
    with served.api.changing(made["id"]) as (connection, campaign):
        begun = uploads.begin(connection, campaign.id, "pool", None)
        said = {name: getattr(control, name) for name in control.__struct_fields__}
        adoptions.begin(connection, campaign.id, next(_projects), said, {}, 2_000, begun.id)
    return made


def test_what_is_shown(served: Served) -> None:
    made = adopt(served)
    shown = served.http.get(f"/v1/campaigns/{made['id']}").json()
    assert shown["adopted"].pop("adopted_at") > 0
    assert shown["adopted"] == {
        "tasks": 2_000,
        "read": 0,
        "read_at": None,
        "release_at": None,
        "released_at": None,
    }
    assert shown["label_studio"]["url"].startswith("http://127.0.0.1:9/projects/9")
    (upload,) = served.http.get(f"/v1/campaigns/{made['id']}/pool").json()["uploads"]
    assert upload["state"] == "running"
    assert served.campaign()["adopted"] is None


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/pool", None, "add texts there, as tasks"),
        ("/labels", None, "add texts there, as tasks"),
        ("/labels/changes", {"add": "so so"}, "change them in Label Studio"),
        ("/influence/review", {"n": 2}, "says itself how many answer a task"),
    ],
)
def test_what_it_cannot_have(served: Served, path: str, body: Any, words: str) -> None:
    at = f"/v1/campaigns/{adopt(served)['id']}{path}"
    answer = served.post_lines(at, b'{"body": "x"}\n') if body is None else served.http.post(at, json=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (409, True)


def test_a_test_set_is_welcome(served: Served) -> None:
    path = f"/v1/campaigns/{adopt(served)['id']}/labels?set=test"
    answer = served.post_lines(path, b'{"body": "x", "label": "good"}\n')
    assert answer.json()["added"] == 1


def test_second_opinions_are_the_projects_to_ask(served: Served) -> None:
    path = f"/v1/campaigns/{adopt(served)['id']}"
    refused = served.http.patch(path, json={"second_opinions": 0.1})
    assert (refused.status_code, "raise the answers for each task" in refused.json()["detail"]) == (409, True)
    assert served.http.patch(path, json={"second_opinions": 0, "budget": 9}).status_code == 200


def test_it_is_released_before_it_is_deleted(served: Served) -> None:
    made = adopt(served)
    path = f"/v1/campaigns/{made['id']}"
    assert "release it first" in served.http.delete(path).json()["detail"]
    for _ in range(2):
        answer = served.http.post(f"{path}/release")
        assert answer.status_code == 202
        assert answer.json()["adopted"]["release_at"] > 0
    resumed = served.http.patch(path, json={"paused": False})
    assert resumed.status_code == 200  # it is not paused: nothing changes
    assert served.http.delete(path).status_code == 409
    with served.api.database.transaction() as connection:
        adoptions.change(connection, made["id"], released_at=now())
    assert served.http.delete(path).status_code == 204


def test_where_label_studio_is_away_for_good_it_may_be_deleted(served: Served) -> None:
    made = adopt(served)
    path = f"/v1/campaigns/{made['id']}"
    served.http.post(f"{path}/release")
    with served.api.database.transaction() as connection:
        claim = jobs.claim(connection, "sync", "test")
        while claim is not None and claim.campaign != made["id"]:
            claim = jobs.claim(connection, "sync", "test")
        assert claim is not None
        jobs.rearm(connection, claim, 60, error="is it running?")
    assert served.http.delete(path).status_code == 204


def test_a_campaign_with_a_project_of_its_own_has_nothing_to_release(served: Served) -> None:
    answer = served.http.post(f"/v1/campaigns/{served.campaign()['id']}/release")
    assert (answer.status_code, "made its project itself" in answer.json()["detail"]) == (409, True)


def test_a_project_has_one_campaign(served: Served) -> None:
    mine, made = adopt(served), served.campaign()
    with served.api.database.transaction() as connection:
        project = adoptions.of(connection, mine["id"])
        assert project is not None
        campaigns.change(connection, made["id"], project=77)
    body = {"name": "another", "model": "none"}
    held = served.http.post("/v1/campaigns", json=body | {"adopt": project.project})
    ours = served.http.post("/v1/campaigns", json=body | {"adopt": 77})
    assert (held.status_code, f"is adopted by the campaign '{mine['name']}'" in held.json()["detail"]) == (
        409,
        True,
    )
    assert (ours.status_code, f"was made by the campaign '{made['name']}'" in ours.json()["detail"]) == (
        409,
        True,
    )


@pytest.mark.parametrize("project", [0, "12", 2**31])
def test_a_project_is_a_number(served: Served, project: Any) -> None:
    body = {"name": "no", "model": "none", "adopt": project}
    answer = served.http.post("/v1/campaigns", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "adopt")
