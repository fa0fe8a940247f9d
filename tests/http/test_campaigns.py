from typing import Any

import httpx
import pytest

from tests.http.conftest import Served

DEFAULTS = {
    "problem": "single_label",
    "headline": "accuracy",
    "strategy": "auto",
    "text_field": "text",
    "instruction": "",
    "seed": 0,
    "round_size": 50,
    "budget": None,
    "random_share": 0.2,
    "holdout_size": 400,
    "score_seconds": 60.0,
    "near_duplicates": "drop",
    "overlap": 1,
    "consensus": "model",
    "second_opinions": 0.2,
    "teacher": None,
    "formula": None,
    "class_balance": 0.0,
    "weak_share": 0.0,
    "quotas": {},
    "hour_price": None,
    "compute_price": None,
    "currency": "",
    "point_price": None,
    "budget_hours": None,
    "budget_money": None,
    "stop_at_advice": False,
    "stopped_round": None,
    "paused": False,
    "warnings": [],
    "label_studio": None,
}


def assert_listed_alike(served: Served, campaign: dict[str, Any]) -> None:
    """A list tells of it what it tells itself, though less."""
    (line,) = [
        one for one in served.http.get("/v1/campaigns").json()["campaigns"] if one["id"] == campaign["id"]
    ]
    status = line.pop("status")
    del line["measured"]
    assert line == {name: campaign[name] for name in line}
    assert status == {name: campaign["status"][name] for name in status}
    assert len(status) == 8


def test_a_campaign_is_made_with_defaults_and_shown(served: Served) -> None:
    made = served.campaign(labels=["a", "b", "c"])
    assert DEFAULTS.items() <= made.items()
    assert made["status"] == {
        "phase": "waiting for a pool",
        "phase_reason": None,
        "examples": 0,
        "aliases": 0,
        "near_duplicates": 0,
        "test_examples": 0,
        "labels": {},
        "annotations": {},
        "queue": {"chosen": 0, "open": 0},
        "asked": 0,
        "budget_left": None,
        "changes": 0,
        "round": None,
        "rounds_done": 0,
        "pace": 0.0,
        "label_studio_error": None,
    }
    for c in (made["id"], made["name"]):
        assert served.http.get(f"/v1/campaigns/{c}").json() == made
    assert_listed_alike(served, made)


def test_a_new_campaign_has_its_sync_job(served: Served) -> None:
    made = served.campaign()
    (job,) = served.http.get(f"/v1/campaigns/{made['id']}/jobs").json()["jobs"]
    assert (job["kind"], job["queue"], job["state"], job["progress"]) == ("sync", "sync", "ready", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " a"),
        ("name", "a/b"),
        ("name", ".."),
        ("name", "c0123abcd"),
        ("name", "a\nb"),
        ("name", "x" * 201),
        ("labels", ["a"]),
        ("labels", ["a", "a"]),
        ("labels", ["a", " b"]),
        ("labels", ["a", "b" * 201]),
        ("labels", [str(at) for at in range(1001)]),
        ("problem", "poetry"),
        ("model", " "),
        ("text_field", "id"),
        ("text_field", "spans"),
        ("strategy", "telepathy"),
        ("strategy", "cvirs"),
        ("seed", -1),
        ("round_size", 0),
        ("budget", 0),
        ("low_water", 0),
        ("random_share", 1.1),
        ("holdout_size", -1),
        ("score_seconds", 0),
        ("near_duplicates", "sometimes"),
        ("overlap", 0),
        ("consensus", "first"),
        ("second_opinions", 1.0),
        ("teacher", " "),
        ("teacher", "https://somewhere.example/v1"),
        ("formula", " "),
        ("class_balance", 1.1),
        ("formula", "uncertainty + stars"),
        ("weak_share", 0.6),
        ("quotas", {"": 0.1}),
        ("quotas", {"law": 0}),
        ("quotas", {"law": 0.6, "web": 0.5}),
        ("round_size", "many"),
        ("holdout", 3),
    ],
)
def test_what_cannot_be_is_refused_by_field(served: Served, field: str, value: object) -> None:
    body = {"name": "refused", "labels": ["a", "b"], "model": "none"} | {field: value}
    response = served.http.post("/v1/campaigns", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["title"], problem["status"]) == (
        "about:blank",
        "Unprocessable Entity",
        422,
    )
    assert problem["field"] == field


def test_spans_are_not_passed_on_to_near_duplicates(served: Served) -> None:
    body = {"name": "refused", "labels": ["a"], "model": "none", "problem": "spans"}
    path = f"/v1/campaigns/{served.campaign(labels=['a'], problem='spans')['id']}"
    wanted = {"near_duplicates": "propagate"}
    for response in (
        served.http.post("/v1/campaigns", json=body | wanted),
        served.http.patch(path, json=wanted),
    ):
        assert (response.status_code, response.json()["field"]) == (422, "near_duplicates")


def test_quotas_and_the_weakest_share_one_batch(served: Served) -> None:
    made = served.campaign(quotas={"law": 0.5}, weak_share=0.2)
    path = f"/v1/campaigns/{made['id']}"
    assert (made["quotas"], made["weak_share"]) == ({"law": 0.5}, 0.2)
    for change in ({"weak_share": 0.51}, {"quotas": {"law": 0.81}}):
        refused = served.http.patch(path, json=change)
        assert (refused.status_code, refused.json()["field"]) == (422, next(iter(change)))
    assert served.http.patch(path, json={"quotas": {}}).json()["quotas"] == {}
    assert served.http.patch(path, json={"weak_share": 0.5}).json()["weak_share"] == 0.5


def test_a_name_is_given_once(served: Served) -> None:
    made = served.campaign()
    other = served.campaign()
    body = {"name": made["name"], "labels": ["a", "b"], "model": "none"}
    assert served.http.post("/v1/campaigns", json=body).status_code == 409
    assert served.http.patch(f"/v1/campaigns/{other['id']}", json={"name": made["name"]}).status_code == 409
    assert served.http.patch(f"/v1/campaigns/{made['id']}", json={"name": made["name"]}).status_code == 200


def test_changes_take_effect_and_are_logged(served: Served) -> None:
    made = served.campaign(budget=100)
    path = f"/v1/campaigns/{made['id']}"
    changes = {
        "name": f"{made['name']} anew",
        "paused": True,
        "strategy": "entropy",
        "round_size": 20,
        "budget": None,
        "low_water": 5,
        "score_seconds": 9.5,
        "near_duplicates": "propagate",
        "instruction": "Look twice.",
    }
    answer = served.http.patch(path, json=changes).json()
    assert changes.items() <= answer.items()
    assert answer["status"]["phase"] == "paused"
    assert answer == served.http.get(path).json()
    (event,) = served.http.get(f"{path}/events?follow=false").json()["events"]
    assert (event["kind"], event["data"]) == ("campaign-changed", changes)
    assert served.http.patch(path, json={"paused": True}).status_code == 200
    assert len(served.http.get(f"{path}/events?follow=false").json()["events"]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strategy", "telepathy"),
        ("strategy", "mnlp"),
        ("round_size", 0),
        ("labels", ["a", "b"]),
        ("paused", "yes"),
        ("name", "/"),
    ],
)
def test_changes_that_cannot_be_are_refused(served: Served, field: str, value: object) -> None:
    made = served.campaign()
    response = served.http.patch(f"/v1/campaigns/{made['id']}", json={"round_size": 7} | {field: value})
    assert (response.status_code, response.json()["field"]) == (422, field)
    assert served.http.get(f"/v1/campaigns/{made['id']}").json() == made


def test_strategies_have_summaries(served: Served) -> None:
    known = {one["name"]: one for one in served.http.get("/v1/strategies").json()["strategies"]}
    assert {"random", "margin", "entropy", "least_confidence", "typiclust"} <= known.keys()
    assert all(one["summary"] for one in known.values())
    assert known["mnlp"]["problems"] == ["spans"]
    assert known["random"]["problems"] == ["multi_label", "single_label", "spans"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nobody", "Basic abc"])
def test_nothing_below_v1_without_a_token(served: Served, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in ("/v1/campaigns", "/v1/strategies", "/v1/nothing"):
        response = httpx.get(f"{served.url}{path}", headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert "token" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/campaigns/nobody", 404),
        ("GET", "/v1/campaigns/nobody/rounds/1", 404),
        ("GET", "/v1/campaigns/nobody/rounds/99999999999999999999", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/..%2fapp.py", 404),
        ("DELETE", "/v1/campaigns", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_problems_of_all_kinds_look_alike(served: Served, method: str, path: str, status: int) -> None:
    response = served.http.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json().keys() == {"type", "title", "status", "detail"}
    assert response.json()["status"] == status


def test_a_wrong_method_is_told_of_the_right_ones(served: Served) -> None:
    allowed = served.http.put(f"/v1/campaigns/{served.campaign()['id']}/pool").headers["allow"]
    assert {method.strip() for method in allowed.split(",")} == {"GET", "HEAD", "POST"}
    assert served.http.head("/v1/campaigns").status_code == 200


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"name=a", "application/x-www-form-urlencoded", 415),
        (b" " * (2 << 20), "application/json", 413),
    ],
)
def test_bodies_that_cannot_be_read(served: Served, body: bytes, media_type: str, status: int) -> None:
    response = served.http.post("/v1/campaigns", content=body, headers={"Content-Type": media_type})
    assert (response.status_code, response.json()["status"]) == (status, status)
    chunked = served.http.post("/v1/campaigns", content=iter([body]), headers={"Content-Type": media_type})
    assert chunked.status_code == status


def test_unforeseen_errors_say_nothing_of_the_inside(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from service.http import status

    monkeypatch.setattr(status, "WARNINGS", "not a number")
    made = served.http.post("/v1/campaigns", json={"name": "broken", "labels": ["a", "b"], "model": "m"})
    assert made.status_code == 500
    id_ = made.headers["x-request-id"]
    assert (
        made.json()["detail"] == f"an unforeseen error; the server's log has its cause, under request {id_}"
    )
    assert "POST /v1/campaigns" in caplog.text
    assert "TypeError" in caplog.text
    assert served.http.get("/v1/campaigns/broken").status_code == 404


def test_every_answer_carries_the_safe_headers(served: Served) -> None:
    for path in ("/", "/healthz", "/static/app.js", "/v1/campaigns", "/nothing"):
        headers = served.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe-eval" not in policy
