import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from service.http import hub
from service.store import events, jobs
from tests.http.conftest import Served, wait_for

Heard = tuple[str, int | None, dict[str, Any]]


def record(served: Served, campaign: str, *texts: str) -> None:
    with served.api.database.transaction() as connection:
        for text in texts:
            events.record(connection, campaign, "warning", text=text)


@contextmanager
def following(served: Served, campaign: str, **headers: str) -> Iterator[Iterator[Heard]]:
    """(event, id, data) of each message, as it comes."""
    given = {"Authorization": f"Bearer {served.token}", "Accept": "text/event-stream"} | headers
    with (
        httpx.Client(base_url=served.url, headers=given, timeout=20) as client,
        client.stream("GET", f"/v1/campaigns/{campaign}/events") as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield messages(response)


def messages(response: httpx.Response) -> Iterator[Heard]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], int(fields["id"]) if "id" in fields else None, json.loads(fields["data"])
            fields = {}


def until(heard: Iterator[Heard], *kinds: str) -> list[Heard]:
    """Messages up to the first one after which all `kinds` were heard, and it as well."""
    missing, found = set(kinds), []
    for one in heard:
        found.append(one)
        missing.discard(one[0])
        if not missing:
            return found
    raise AssertionError(f"the stream ended without {missing}")


def logged(found: list[Heard]) -> list[str]:
    return [data["text"] for kind, _, data in found if kind == "warning"]


def test_what_was_and_what_comes(served: Served) -> None:
    c = served.campaign()
    record(served, c["id"], "one", "two")
    with following(served, c["name"]) as heard:
        first = until(heard, "warning", "status", "progress")
        record(served, c["id"], "three")
        rest = until(heard, "warning")
    assert logged(first + rest) == ["one", "two", "three"]
    numbers = [number for kind, number, _ in first + rest if kind == "warning"]
    assert None not in numbers
    assert numbers == sorted(set(numbers), key=lambda number: number or 0)
    assert all(number is None for kind, number, _ in first if kind in ("status", "progress"))
    status = next(data for kind, _, data in first if kind == "status")
    assert status == served.http.get(f"/v1/campaigns/{c['id']}").json()["status"]


def test_who_comes_back_hears_the_rest_once(served: Served) -> None:
    c = served.campaign()["id"]
    record(served, c, "one", "two", "three")
    listed = served.http.get(f"/v1/campaigns/{c}/events?follow=false").json()["events"]
    with following(served, c, **{"Last-Event-ID": str(listed[0]["id"])}) as heard:
        record(served, c, "four")
        found = []
        while len(logged(found)) < 3:
            found += until(heard, "warning")
    assert logged(found) == ["two", "three", "four"]


def test_a_long_backlog_comes_whole(served: Served) -> None:
    c = served.campaign()["id"]
    wanted = [f"event {at}" for at in range(450)]
    record(served, c, *wanted)
    with following(served, c) as heard:
        found: list[Heard] = []
        while len(logged(found)) < 450:
            found += until(heard, "warning")
    assert logged(found) == wanted


def test_progress_is_told_when_it_changes(served: Served) -> None:
    c = served.campaign()["id"]
    with served.api.database.transaction() as connection:
        jobs.add(connection, jobs.NewJob(c, "encode:0", "encode", f"test-{c}"))
        claim = jobs.claim(connection, f"test-{c}", "me", lease_s=60)
    assert claim is not None
    with following(served, c) as heard:
        until(heard, "progress")
        with served.api.database.transaction() as connection:
            jobs.renew(connection, claim, {"done": 1, "total": 2, "doing": "encoding"}, 60)
        (*_, (_, number, data)) = until(heard, "progress")
    assert number is None
    (job,) = data["jobs"]
    assert (job["kind"], job["state"], job["progress"]) == (
        "encode",
        "running",
        {"done": 1, "total": 2, "doing": "encoding"},
    )


def test_one_poller_serves_all_and_rests_when_nobody_listens(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = served.campaign()["id"]
    polled: list[str] = []
    heard_by: list[str] = []
    read = hub.Hub._read

    def noted(self: hub.Hub, campaign: str, newest: int) -> list[hub.Message]:
        found = read(self, campaign, newest)
        polled.extend(one.data for one in found if one.kind == "warning")
        return found

    monkeypatch.setattr(hub.Hub, "_read", noted)

    def listen() -> None:
        with following(served, c) as heard:
            heard_by.extend(logged(until(heard, "warning")))

    listeners = [threading.Thread(target=listen) for _ in range(10)]
    for listener in listeners:
        listener.start()
    wait_for(lambda: sum(len(channel.listeners) for channel in served.api.hub._channels.values()) == 10)
    record(served, c, "now")
    for listener in listeners:
        listener.join(timeout=20)
    assert heard_by == ["now"] * 10
    assert len(polled) == 1
    wait_for(lambda: c not in served.api.hub._channels)


def test_the_newest_as_a_list(served: Served) -> None:
    c = served.campaign()["id"]
    record(served, c, *(f"event {at}" for at in range(203)))
    path = f"/v1/campaigns/{c}/events"
    listed = served.http.get(path, params={"follow": "false"}).json()["events"]
    assert [event["data"]["text"] for event in listed] == [f"event {at}" for at in range(3, 203)]
    assert all(event["kind"] == "warning" and event["at"] > 1_700_000_000 for event in listed)
    later = served.http.get(path, params={"after": listed[-2]["id"]}, headers={"Accept": "application/json"})
    assert later.json()["events"] == [listed[-1]]
    assert served.http.get(f"/v1/campaigns/{c}").json()["warnings"] == [
        f"event {at}" for at in range(202, 197, -1)
    ]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/campaigns/nobody/events", {}, 404),
        ("/v1/campaigns/{c}/events", {"Last-Event-ID": "x"}, 422),
        ("/v1/campaigns/{c}/events", {"Last-Event-ID": "9" * 19}, 422),
        ("/v1/campaigns/{c}/events?after=x", {}, 422),
        ("/v1/campaigns/{c}/events?after=9223372036854775808", {}, 422),
        ("/v1/campaigns/{c}/events?since=1", {}, 422),
    ],
)
def test_what_cannot_be_followed(served: Served, path: str, headers: dict[str, str], status: int) -> None:
    c = served.campaign()["id"]
    assert served.http.get(path.format(c=c), headers=headers).status_code == status


def test_the_stream_of_a_campaign_that_is_deleted_ends(served: Served) -> None:
    campaign = served.campaign()["id"]
    with following(served, campaign) as heard:
        until(heard, "status")
        assert served.http.delete(f"/v1/campaigns/{campaign}").status_code == 204
        list(heard)
    for path in ("", "/events", "/queue"):
        assert served.http.get(f"/v1/campaigns/{campaign}{path}").status_code == 404
    assert served.http.delete(f"/v1/campaigns/{campaign}").status_code == 404
