"""Labels of a campaign that are changed over HTTP: what is told of it, and what is refused."""

import json
from typing import Any

import httpx
import pytest

from service.store import labels
from tests.http.conftest import Served, fill

COUNTS = ("relabeled", "asked_again", "ended", "unmeasured")


def change(served: Served, campaign: str, **body: Any) -> httpx.Response:
    return served.http.post(f"/v1/campaigns/{campaign}/labels/changes", json=body)


def exported(served: Served, campaign: str, what: str) -> list[dict[str, Any]]:
    answer = served.http.get(f"/v1/campaigns/{campaign}/export", params={"what": what})
    return [json.loads(line) for line in answer.content.splitlines()]


def test_a_campaign_in_the_midst_of_its_work(served: Served) -> None:
    """Given answers and rounds, then exports, queue and curve have today's names after every kind of change."""
    campaign = fill(served, "labels that change")

    added = change(served, campaign, add="weather").json()
    renamed = change(served, campaign, rename="dates", to="times").json()
    merged = change(served, campaign, merge=["numbers", "times"], into="numbers").json()
    split = change(served, campaign, split="networking", into=["networking", "web"]).json()

    assert [added[name] for name in COUNTS] == [0, 0, 0, 0]
    assert [renamed[name] for name in COUNTS] == [109, 0, 0, 0]
    assert [merged[name] for name in COUNTS] == [109, 0, 0, 0]
    assert [split[name] for name in COUNTS] == [0, 110, 0, 0]
    told = served.http.get(f"/v1/campaigns/{campaign}/labels/changes").json()
    names = ["networking", "web", "data formats", "numbers", "weather"]
    assert told["labels"] == names == served.http.get(f"/v1/campaigns/{campaign}").json()["labels"]
    assert told["changes"] == [added, renamed, merged, split]
    assert [one["kind"] for one in told["changes"]] == ["add", "rename", "merge", "split"]
    assert {row["label"] for row in exported(served, campaign, "labels")} == {"data formats", "numbers"}
    said = exported(served, campaign, "annotations")
    answers = [row for row in said if row["kind"] == "answer"]
    assert len(answers) == 437
    assert {row["label"] for row in answers} == {"data formats", "numbers", None}
    assert [row["problem"] is None for row in answers] == [row["label"] is not None for row in answers]
    assert {(row["shown"] or {}).get("label") for row in said} <= {*names, None}
    queue = served.http.get(f"/v1/campaigns/{campaign}/queue?limit=1000").json()["tasks"]
    shown = {(task["prediction"] or {}).get("label") for task in queue}
    assert shown == {"data formats", "numbers", None}
    assert len(queue) == 59 + 110
    points = served.http.get(f"/v1/campaigns/{campaign}/curve").json()["points"]
    assert [point["metrics"]["n"] for point in points] == [60] * 5
    refused = served.http.get(f"/v1/campaigns/{campaign}/export", params={"what": "auto-labels"})
    assert (refused.status_code, "next one" in refused.json()["detail"]) == (409, True)
    log = served.http.get(f"/v1/campaigns/{campaign}/events?follow=false").json()["events"]
    assert [one["data"]["asked_again"] for one in log if one["kind"] == "labels-changed"] == [0, 0, 0, 110]


def test_imported_labels_of_a_split_one_end(served: Served) -> None:
    campaign = served.campaign(labels=["good", "bad"])["id"]
    lines = "".join(json.dumps({"text": f"text {at}", "label": "good"}) + "\n" for at in range(3))
    served.post_lines(f"/v1/campaigns/{campaign}/labels", lines)
    test = json.dumps({"text": "another", "label": "bad"})
    served.post_lines(f"/v1/campaigns/{campaign}/labels?set=test", test)

    made = change(served, campaign, split="good", into=["good", "fine"]).json()
    again = served.post_lines(f"/v1/campaigns/{campaign}/labels", lines).json()

    assert [made[name] for name in COUNTS] == [0, 0, 3, 0]
    assert (again["labels"], again["rejected"]) == (3, 0)
    with served.api.reading(campaign) as (connection, record):
        assert {row.value for row in labels.current(connection, record.id)} == {"good"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "one of"),
        ({"add": "x", "rename": "good", "to": "y"}, 422, "one of"),
        ({"rename": "good"}, 422, "one of"),
        ({"merge": ["good", "bad"], "into": ["x"]}, 422, "one of"),
        ({"rename": "goof", "to": "x"}, 422, "no label 'goof': the campaign has good, bad"),
        ({"add": "bad"}, 409, "a label 'bad' already"),
        ({"rename": "good", "to": "bad"}, 409, "merge the two"),
        ({"merge": ["good"], "into": "x"}, 422, "two labels or more"),
        ({"merge": ["good", "good"], "into": "x"}, 422, "two labels or more"),
        ({"merge": ["good", "bad"], "into": "x"}, 422, "two labels or more, not 1"),
        ({"split": "good", "into": ["good"]}, 422, "two labels or more"),
        ({"split": "good", "into": ["x", "bad"]}, 409, "a label 'bad' already"),
        ({"add": " x"}, 422, "spaces"),
        ({"add": ""}, 422, "empty"),
        ({"add": "x\u2060"}, 422, "cannot be shown"),
        ({"add": "x" * 201}, 422, "longer than 200"),
        ({"add": 7}, 422, "Expected `str"),
        ({"remove": "good"}, 422, "unknown field"),
    ],
)
def test_what_is_refused(served: Served, body: dict[str, Any], status: int, words: str) -> None:
    campaign = served.campaign(labels=["good", "bad"])["id"]

    answer = change(served, campaign, **body)

    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert served.http.get(f"/v1/campaigns/{campaign}/labels/changes").json() == {
        "labels": ["good", "bad"],
        "changes": [],
    }


def test_a_viewer_may_look_and_not_change(served: Served) -> None:
    campaign = served.campaign()["id"]
    body = {"name": "looks on", "access": "viewer"}
    secret = served.http.post("/v1/tokens", json=body).json()["secret"]
    path, headers = (
        f"{served.url}/v1/campaigns/{campaign}/labels/changes",
        {"Authorization": f"Bearer {secret}"},
    )

    assert httpx.get(path, headers=headers).status_code == 200
    assert httpx.post(path, headers=headers, json={"add": "x"}).status_code == 403
    assert served.http.post("/v1/campaigns/none/labels/changes", json={"add": "x"}).status_code == 404
