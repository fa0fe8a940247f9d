import gzip
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from service.pool import pool
from service.store import uploads
from tests.http.conftest import Served, wait_for

BATCH = 5_000
ACCEPTED = "application/x-ndjson, application/jsonl, application/json-lines, text/csv, application/vnd.apache.parquet"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "BATCH", BATCH)


def lines(*objects: dict[str, Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


def many(first: int, count: int) -> str:
    return lines(*({"id": f"doc-{at}", "text": f"text number {at}"} for at in range(first, first + count)))


def receipt(**values: Any) -> dict[str, Any]:
    zero = dict.fromkeys(["received", "added", "duplicates", "truncated", "rejected", "labels"], 0)
    return zero | {"errors": []} | values


@pytest.mark.parametrize(
    "media_type", ["application/x-ndjson", "application/jsonl; charset=utf-8", "application/json-lines"]
)
def test_json_lines_come_in_with_a_receipt(served: Served, media_type: str) -> None:
    path = f"/v1/campaigns/{served.campaign()['id']}/pool"
    body = lines({"text": "one", "id": "a"}, {"text": "one "}, {"text": "two", "label": "good"}) + "{\n"
    response = served.post_lines(path, body, **{"Content-Type": media_type})
    assert response.status_code == 200
    bad = {"line": 4, "reason": "not a JSON object: Input data was truncated"}
    wanted = receipt(received=4, added=2, duplicates=1, rejected=1, labels=1, errors=[bad])
    assert response.json() == wanted
    pool = served.http.get(path).json()
    assert pool["examples"] == 2
    assert [shard | {"state": ""} for shard in pool["shards"]] == [
        {"number": 0, "kind": "pool", "state": "", "rows": 2, "encoded": False, "near_duplicates": None}
    ]
    (upload,) = pool["uploads"]
    assert (upload["kind"], upload["state"], upload["key"], upload["receipt"]) == (
        "pool",
        "done",
        None,
        wanted,
    )


def test_csv_comes_in(served: Served) -> None:
    path = f"/v1/campaigns/{served.campaign(text_field='body')['id']}/pool"
    body = 'id,body,source\n1,"a, b",mail\n2,"a, b",mail\n'
    response = served.http.post(path, content=body, headers={"Content-Type": "text/csv"})
    assert response.json() == receipt(received=2, added=1, duplicates=1)


def test_many_batches_in_small_chunks(served: Served) -> None:
    c = served.campaign()["id"]
    body = many(0, 2 * BATCH + 7).encode()
    chunks = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
    headers = {"Content-Type": "application/x-ndjson"}
    response = served.http.post(f"/v1/campaigns/{c}/pool", content=chunks, headers=headers)
    assert response.json() == receipt(received=2 * BATCH + 7, added=2 * BATCH + 7)
    again = served.http.post(f"/v1/campaigns/{c}/pool", content=body, headers=headers)
    assert again.json() == receipt(received=2 * BATCH + 7, duplicates=2 * BATCH + 7)
    assert served.http.get(f"/v1/campaigns/{c}").json()["status"]["examples"] == 2 * BATCH + 7


def test_a_large_upload_is_sealed_as_it_comes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given whole batches of new texts, then each is a shard at once, and what is left waits for more."""
    monkeypatch.setattr(pool, "APART", BATCH)
    path = f"/v1/campaigns/{served.campaign()['id']}/pool"
    body = many(0, 2 * BATCH) + "{\n" + many(0, 3)
    bad = {"line": 2 * BATCH + 1, "reason": "not a JSON object: Input data was truncated"}

    first = served.post_lines(path, body + many(2 * BATCH, 7))
    again = served.post_lines(path, many(0, 2 * BATCH + 8))

    assert first.json() == receipt(
        received=2 * BATCH + 11, added=2 * BATCH + 7, duplicates=3, rejected=1, errors=[bad]
    )
    assert again.json() == receipt(received=2 * BATCH + 8, added=1, duplicates=2 * BATCH + 7)
    found = [(one["state"], one["rows"]) for one in served.http.get(path).json()["shards"]]
    assert found == [("sealed", BATCH), ("sealed", BATCH), ("filling", 8)]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("zstd", lambda data: pa.compress(data, "zstd", asbytes=True))],
)
def test_a_compressed_upload(served: Served, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    c = served.campaign()["id"]
    packed = pack(many(0, 2 * BATCH + 7).encode())
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": encoding}
    path = f"/v1/campaigns/{c}/pool"

    broken = served.http.post(path, content=packed[: len(packed) // 2], headers=headers)
    stored = served.http.get(f"/v1/campaigns/{c}").json()["status"]["examples"]
    whole = served.http.post(path, content=packed, headers=headers)

    assert broken.status_code == 422
    assert broken.json()["detail"].startswith(f"cannot be read as {encoding}")
    assert 0 < stored < 2 * BATCH + 7
    assert whole.json() == receipt(received=2 * BATCH + 7, added=2 * BATCH + 7 - stored, duplicates=stored)


def test_an_upload_moves_the_campaign(served: Served) -> None:
    c = served.campaign()["id"]
    served.post_lines(f"/v1/campaigns/{c}/pool", lines({"text": "one"}))
    jobs = served.http.get(f"/v1/campaigns/{c}/jobs").json()["jobs"]
    assert [job["kind"] for job in jobs] == ["sync", "seal"]
    (event,) = served.http.get(f"/v1/campaigns/{c}/events?follow=false").json()["events"]
    assert event["kind"] == "upload-finished"
    assert {"state": "done", "received": 1, "added": 1}.items() <= event["data"].items()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "application/json"}, f"Content-Type is application/json: send {ACCEPTED}"),
        ({"Content-Type": ""}, f"Content-Type is missing: send {ACCEPTED}"),
        ({"Content-Encoding": "br"}, "Content-Encoding is br: send identity, gzip, zstd"),
    ],
)
def test_other_forms_are_refused(served: Served, headers: dict[str, str], words: str) -> None:
    response = served.post_lines(f"/v1/campaigns/{served.campaign()['id']}/pool", "{}", **headers)
    assert (response.status_code, response.json()["detail"]) == (415, words)


def test_a_header_without_the_text_is_refused_and_told(served: Served) -> None:
    path = f"/v1/campaigns/{served.campaign()['id']}/pool"
    response = served.http.post(path, content="a,b\n1,2\n", headers={"Content-Type": "text/csv"})
    assert (response.status_code, response.json()["field"]) == (422, "body")
    assert [upload["state"] for upload in served.http.get(path).json()["uploads"]] == ["broken"]


def test_a_key_that_is_done_answers_with_its_receipt(served: Served) -> None:
    c = served.campaign()["id"]
    path, key = f"/v1/campaigns/{c}/pool", {"Idempotency-Key": "monday"}
    first = served.post_lines(path, lines({"text": "one"}), **key)
    assert first.json() == receipt(received=1, added=1)
    again = served.post_lines(path, lines({"text": "another"}, {"text": "third"}), **key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert served.http.get(path).json()["examples"] == 1
    other = served.post_lines(f"/v1/campaigns/{c}/labels", lines({"text": "one", "label": "good"}), **key)
    assert other.status_code == 409
    assert served.post_lines(path, "", **{"Idempotency-Key": "x" * 201}).status_code == 400


def test_keys_are_the_campaigns_own(served: Served) -> None:
    for _ in range(2):
        path = f"/v1/campaigns/{served.campaign()['id']}/pool"
        assert (
            served.post_lines(path, lines({"text": "one"}), **{"Idempotency-Key": "k"}).json()["added"] == 1
        )


class Sender:
    """An upload sent by hand, piece by piece, over a bare socket."""

    def __init__(self, served: Served, path: str, *headers: str) -> None:
        address = urlsplit(served.url)
        self.socket = socket.create_connection((str(address.hostname), int(address.port or 0)))
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {address.netloc}",
            f"Authorization: Bearer {served.token}",
            "Content-Type: application/x-ndjson",
            "Transfer-Encoding: chunked",
            *headers,
        ]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())

    def send(self, body: str) -> None:
        raw = body.encode()
        self.socket.sendall(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")

    def vanish(self) -> None:
        self.socket.close()


@pytest.fixture
def sender(served: Served) -> Iterator[tuple[str, Sender]]:
    path = f"/v1/campaigns/{served.campaign()['id']}/pool"
    sender = Sender(served, path, "Idempotency-Key: k")
    sender.send(many(0, BATCH + 500))
    wait_for(lambda: served.http.get(path).json()["examples"] == BATCH)
    yield path, sender
    sender.vanish()


def test_every_whole_line_is_kept_when_the_sender_vanishes(
    served: Served, sender: tuple[str, Sender]
) -> None:
    path, by_hand = sender
    by_hand.send('{"text": "cut o')
    by_hand.vanish()
    wait_for(lambda: bool(served.http.get(path).json()["uploads"][0]["state"] == "broken"))
    came = BATCH + 500
    pool = served.http.get(path).json()
    assert pool["examples"] == came
    assert pool["uploads"][0]["receipt"] == receipt(received=came, added=came)
    events = served.http.get(f"{path.removesuffix('/pool')}/events?follow=false").json()["events"]
    assert {"state": "broken", "added": came}.items() <= events[-1]["data"].items()
    again = served.post_lines(path, many(0, came + 1), **{"Idempotency-Key": "k"})
    assert again.json() == receipt(received=came + 1, added=1, duplicates=came)


def test_lines_of_a_slow_sender_are_stored_while_it_sends(
    served: Served, sender: tuple[str, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, by_hand = sender
    monkeypatch.setattr("service.pool.pool.BATCH_S", 0.0)
    by_hand.send(many(BATCH + 500, 1))
    wait_for(lambda: bool(served.http.get(path).json()["examples"] == BATCH + 501))


def test_a_key_that_runs_elsewhere_is_a_conflict(served: Served, sender: tuple[str, Sender]) -> None:
    path, _ = sender
    response = served.post_lines(path, many(0, 1), **{"Idempotency-Key": "k"})
    assert (response.status_code, "is running" in response.json()["detail"]) == (409, True)


def test_a_running_upload_keeps_the_shard_open(served: Served, sender: tuple[str, Sender]) -> None:
    path, by_hand = sender
    assert served.http.get(path).json()["shards"][0]["state"] == "filling"
    by_hand.vanish()
    wait_for(lambda: bool(served.http.get(path).json()["shards"][0]["state"] == "full"))


def test_a_slow_sender_is_not_taken_for_gone(
    served: Served, sender: tuple[str, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.http import uploading

    path, by_hand = sender
    monkeypatch.setattr(uploading, "TOUCH_S", 0.0)
    before = served.http.get(path).json()["uploads"][0]["seen_at"]
    by_hand.send(many(BATCH + 500, 1))
    wait_for(lambda: bool(served.http.get(path).json()["uploads"][0]["seen_at"] > before))


def test_a_silent_upload_is_taken_for_broken(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    c = served.campaign()["id"]
    with served.api.database.transaction() as connection:
        uploads.begin(connection, c, "pool", None)
    monkeypatch.setattr(uploads, "SILENT_S", -1.0)
    wait_for(
        lambda: bool(served.http.get(f"/v1/campaigns/{c}/pool").json()["uploads"][0]["state"] == "broken")
    )


def test_known_labels_train_and_texts_join_the_pool(served: Served) -> None:
    c = served.campaign()["id"]
    served.post_lines(f"/v1/campaigns/{c}/pool", lines({"text": "one", "id": "a"}, {"text": "two"}))
    body = lines(
        {"id": "a", "label": "good"},
        {"text": "two", "label": "bad"},
        {"text": "new", "label": "bad"},
        {"id": "x", "label": "bad"},
    )
    response = served.post_lines(f"/v1/campaigns/{c}/labels", body)
    told = {"line": 4, "reason": "the id 'x' is not in the pool: give its text too"}
    assert response.json() == receipt(received=4, added=1, duplicates=2, labels=3, rejected=1, errors=[told])
    status = served.http.get(f"/v1/campaigns/{c}").json()["status"]
    assert (status["labels"], status["examples"], status["changes"]) == ({"import": 3}, 3, 3)
    by_csv = served.http.post(
        f"/v1/campaigns/{c}/labels", content="id,label\na,bad\n", headers={"Content-Type": "text/csv"}
    )
    assert by_csv.json() == receipt(received=1, duplicates=1)


def test_a_test_set_measures(served: Served) -> None:
    c = served.campaign()["id"]
    body = lines({"text": "one", "label": "good"}, {"text": "two"}, {"text": "three", "label": "ugly"})
    response = served.post_lines(f"/v1/campaigns/{c}/labels?set=test", body)
    assert (response.json()["added"], response.json()["rejected"]) == (1, 2)
    status = served.http.get(f"/v1/campaigns/{c}").json()["status"]
    assert (status["test_examples"], status["examples"], status["labels"]) == (1, 0, {})
    assert served.post_lines(f"/v1/campaigns/{c}/labels?set=guess", body).status_code == 422


def test_nobody_uploads_to_nothing_or_without_a_token(served: Served) -> None:
    assert served.post_lines("/v1/campaigns/nobody/pool", "{}").status_code == 404
    response = served.post_lines(
        f"/v1/campaigns/{served.campaign()['id']}/pool", "{}", Authorization="Bearer no"
    )
    assert response.status_code == 401


def test_an_import_is_refused_where_nothing_is_allowed(served: Served) -> None:
    path = f"/v1/campaigns/{served.campaign()['id']}/pool/import"
    response = served.http.post(path, json={"url": "/data/pool.jsonl"})
    assert (response.status_code, response.json()["field"]) == (422, "url")
    assert "POSTIL_SOURCES" in response.json()["detail"]
    assert served.http.post(path, json={}).status_code in (400, 422)
