"""Sessions of the page: what a cookie stands for, what changes by it must carry, and how it ends."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import func, select, update

from service.http import auth
from service.store import sessions
from service.store.database import now
from service.store.schema import session as table
from tests.http.conftest import Served, wait_for


@pytest.fixture
def page(served: Served) -> Iterator[httpx.Client]:
    """A client that has the cookie of a session and, as a default header, what changes must carry."""
    answer = httpx.post(f"{served.url}/v1/session", headers={"Authorization": f"Bearer {served.token}"})
    assert answer.status_code == 201
    headers = {"X-CSRF-Token": answer.json()["csrf"]}
    with httpx.Client(base_url=served.url, cookies=answer.cookies, headers=headers) as client:
        yield client


def test_the_cookie_stands_for_the_token(served: Served, page: httpx.Client) -> None:
    c = served.campaign()["id"]

    assert page.get("/v1/session").json() == {"name": "first", "access": "admin", "campaigns": None} | {
        "csrf": page.headers["x-csrf-token"]
    }
    assert page.get(f"/v1/campaigns/{c}").status_code == 200
    assert page.patch(f"/v1/campaigns/{c}", json={"paused": True}).status_code == 200
    assert served.token not in str(page.cookies)


def test_the_cookie_is_out_of_reach(served: Served) -> None:
    authorization = {"Authorization": f"Bearer {served.token}"}
    plain = httpx.post(f"{served.url}/v1/session", headers=authorization)
    secured = httpx.post(f"{served.url}/v1/session", headers=authorization | {"X-Forwarded-Proto": "https"})

    words = plain.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=43200"} < set(words)
    assert ("Secure" in words, "Secure" in secured.headers["set-cookie"]) == (False, True)
    assert plain.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", [None, "", "0" * 64])
def test_a_change_by_cookie_alone_is_refused(served: Served, page: httpx.Client, given: str | None) -> None:
    c = served.campaign()["id"]
    del page.headers["x-csrf-token"]
    headers = {} if given is None else {"X-CSRF-Token": given}

    for method, path in (("PATCH", f"/v1/campaigns/{c}"), ("POST", "/v1/tokens"), ("DELETE", "/v1/session")):
        answer = page.request(method, path, headers=headers, json={"paused": True})
        assert (answer.status_code, "X-CSRF-Token" in answer.json()["detail"]) == (403, True)

    assert page.get(f"/v1/campaigns/{c}").json()["paused"] is False


def test_what_another_session_was_told_is_of_no_use(served: Served, page: httpx.Client) -> None:
    other = httpx.post(f"{served.url}/v1/session", headers={"Authorization": f"Bearer {served.token}"}).json()

    assert page.post("/v1/tokens", headers={"X-CSRF-Token": other["csrf"]}, json={}).status_code == 403


def test_signing_out_ends_it(served: Served, page: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_S", 0.5)
    page.get("/v1/campaigns")
    cookies = dict(page.cookies)
    assert page.delete("/v1/session").status_code == 204
    assert dict(page.cookies) == {}

    with httpx.Client(base_url=served.url, cookies=cookies) as thief:
        wait_for(lambda: thief.get("/v1/campaigns").status_code == 401)


def test_it_ends_with_its_hours_and_is_forgotten(served: Served, page: httpx.Client) -> None:
    with served.api.database.transaction() as connection:
        connection.execute(update(table).values(expires_at=now() - 1))

    assert page.get("/v1/campaigns").status_code == 401

    httpx.post(f"{served.url}/v1/session", headers={"Authorization": f"Bearer {served.token}"})
    with served.api.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 1


def test_it_ends_with_its_token(served: Served) -> None:
    made = served.http.post("/v1/tokens", json={"name": "short", "access": "viewer"}).json()
    answer = httpx.post(f"{served.url}/v1/session", headers={"Authorization": f"Bearer {made['secret']}"})
    served.http.delete(f"/v1/tokens/{made['token']['id']}")

    with served.api.database.reading() as connection:
        assert sessions.known(connection, next(iter(answer.cookies.values()))) is None


def test_its_secret_is_kept_nowhere(served: Served, page: httpx.Client) -> None:
    (secret,) = page.cookies.values()

    with served.api.database.reading() as connection:
        assert secret not in str(connection.execute(select(table)).all())
    assert secret not in page.headers["x-csrf-token"]
