"""Tokens: what each allows, for which campaigns, until when."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from service.http import auth
from service.http.app import ENDPOINTS
from service.store.schema import token as table
from tests.http.conftest import Served, wait_for

Issue = Callable[..., tuple[int, httpx.Client]]


@pytest.fixture
def issue(served: Served) -> Iterator[Issue]:
    """Issues a token: its number, and a client that has it."""
    with ExitStack() as closing:

        def issued(**values: Any) -> tuple[int, httpx.Client]:
            response = served.http.post("/v1/tokens", json={"name": "somebody", "access": "viewer"} | values)
            assert response.status_code == 201, response.text
            made = response.json()
            headers = {"Authorization": f"Bearer {made['secret']}"}
            client = httpx.Client(base_url=served.url, headers=headers, timeout=60)
            return made["token"]["id"], closing.enter_context(client)

        yield issued


def test_a_viewer_reads_and_changes_nothing(served: Served, issue: Issue) -> None:
    c = served.campaign()["id"]
    _, viewer = issue()

    for path in (
        "",
        f"/{c}",
        f"/{c}/pool",
        f"/{c}/curve",
        f"/{c}/queue",
        f"/{c}/export?what=labels&format=csv",
    ):
        assert viewer.get(f"/v1/campaigns{path}").status_code == 200
    refused = viewer.patch(f"/v1/campaigns/{c}", json={"paused": True})

    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert refused.json()["detail"] == (
        "the token 'somebody' is one for a viewer, and this takes one for an engineer: ask an admin for it"
    )
    assert not served.http.get(f"/v1/campaigns/{c}").json()["paused"]


def test_an_engineer_changes_campaigns_and_issues_no_tokens(served: Served, issue: Issue) -> None:
    _, engineer = issue(access="engineer")

    made = engineer.post("/v1/campaigns", json={"name": "an engineer's", "labels": ["a", "b"], "model": "m"})
    assert made.status_code == 201
    assert engineer.patch(f"/v1/campaigns/{made.json()['id']}", json={"paused": True}).status_code == 200
    for method, path in (("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("DELETE", "/v1/tokens/1")):
        assert engineer.request(method, path).status_code == 403


def test_every_route_below_v1_says_what_it_needs() -> None:
    needs = {(one.method, one.path): one.access for one in ENDPOINTS}

    for (method, path), access in needs.items():
        if path.startswith("/v1/tokens"):
            assert access == "admin"
        elif path in ("/v1/session", "/metrics"):
            assert access == "viewer"
        elif path.startswith("/v1/"):
            reads = method == "GET" or path.endswith("/predict")
            assert access == ("viewer" if reads else "engineer")
        else:
            model = path.startswith("/ml/") and not path.endswith("/webhook")
            assert access == ("viewer" if model else None)


def test_a_token_for_a_campaign_knows_of_no_other(served: Served, issue: Issue) -> None:
    own, other = served.campaign(), served.campaign()
    number, engineer = issue(access="engineer", campaigns=[own["name"]])

    assert [one["id"] for one in engineer.get("/v1/campaigns").json()["campaigns"]] == [own["id"]]
    for c in (own["id"], own["name"]):
        assert engineer.patch(f"/v1/campaigns/{c}", json={"paused": True}).status_code == 200
    for c in (other["id"], other["name"], "none at all"):
        answer = engineer.get(f"/v1/campaigns/{c}")
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith(f"there is no campaign {c!r}")
        assert engineer.patch(f"/v1/campaigns/{c}", json={"paused": True}).status_code == 404
        assert engineer.get(f"/v1/campaigns/{c}/events?follow=false").status_code == 404
    new = engineer.post("/v1/campaigns", json={"name": "one more", "labels": ["a", "b"], "model": "m"})
    assert (new.status_code, "for some campaigns alone" in new.json()["detail"]) == (403, True)
    listed = next(one for one in served.http.get("/v1/tokens").json()["tokens"] if one["id"] == number)
    assert listed["campaigns"] == [own["id"]]


def test_a_revoked_token_is_worthless(served: Served, issue: Issue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_S", 0.5)
    number, viewer = issue()
    assert viewer.get("/v1/campaigns").status_code == 200

    for _ in range(2):
        assert served.http.delete(f"/v1/tokens/{number}").status_code == 204

    wait_for(lambda: viewer.get("/v1/campaigns").status_code == 401)
    assert "revoked" in viewer.get("/v1/campaigns").json()["detail"]
    listed = next(one for one in served.http.get("/v1/tokens").json()["tokens"] if one["id"] == number)
    assert listed["made_at"] <= listed["revoked_at"] <= time.time() + 1


def test_a_token_expires(served: Served, issue: Issue) -> None:
    number, viewer = issue(days=0.5)
    with served.api.database.transaction() as connection:
        lasts = connection.execute(table.select().where(table.c.id == number)).one()
        assert lasts.expires_at - lasts.made_at == pytest.approx(43_200, abs=1)
        connection.execute(update(table).where(table.c.id == number).values(expires_at=lasts.made_at))

    assert viewer.get("/v1/campaigns").status_code == 401


def test_a_remembered_token_expires_too(served: Served, issue: Issue) -> None:
    _, viewer = issue(days=1 / 86_400)
    assert viewer.get("/v1/campaigns").status_code == 200

    time.sleep(1.1)

    assert viewer.get("/v1/campaigns").status_code == 401


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"access": "root"}, "access"),
        ({"days": 0}, "days"),
        ({"days": 4_000}, "days"),
        ({"campaigns": []}, "campaigns"),
        ({"access": "admin", "campaigns": ["x"]}, "campaigns"),
        ({"more": 1}, "more"),
    ],
)
def test_what_makes_no_token(served: Served, values: dict[str, Any], field: str) -> None:
    answer = served.http.post("/v1/tokens", json={"name": "x", "access": "viewer"} | values)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_tokens_of_nothing(served: Served) -> None:
    lost = served.http.post("/v1/tokens", json={"name": "x", "access": "viewer", "campaigns": ["nowhere"]})

    assert (lost.status_code, "no campaign 'nowhere'" in lost.json()["detail"]) == (404, True)
    assert served.http.delete("/v1/tokens/999999").status_code == 404


def test_a_secret_is_shown_once(served: Served) -> None:
    made = served.http.post("/v1/tokens", json={"name": "once", "access": "viewer"}).json()

    assert made["secret"].startswith("postil_")
    assert made["secret"] not in served.http.get("/v1/tokens").text
