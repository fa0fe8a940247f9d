"""Synthetic texts over HTTP: asked for, shown, exported, taken back."""

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import update

from service.store import events, jobs, labels, rounds, syntheses
from service.store.schema import job
from tests.filling import synthesise
from tests.http.conftest import Served

PERTURB = {"generator": {"kind": "perturb"}}


def campaign(served: Served, **values: Any) -> str:
    """With two texts, sealed nowhere, and a round that has an adapter."""
    c = str(served.campaign(**{"labels": ["a", "b"], **values})["id"])
    assert (
        served.post_lines(f"/v1/campaigns/{c}/pool", '{"text": "one"}\n{"text": "two"}\n').status_code == 200
    )
    return c


def train(served: Served, c: str) -> None:
    with served.api.database.transaction() as connection:
        known = {"label_version": 0, "labels": 0, "shards": []}
        rounds.start(connection, c, 1, strategy="auto", seed=0, **known)  # type: ignore[arg-type]
        rounds.change(connection, c, 1, state="done", adapter="adapters/none", metrics={}, ranked_at=1.0)


def post(served: Served, c: str, body: Any) -> Any:
    return served.http.post(f"/v1/campaigns/{c}/synthesis", json=body)


def test_one_is_asked_for_at_a_time(served: Served) -> None:
    c = campaign(served)
    early = post(served, c, PERTURB)
    assert early.status_code == 409
    assert "no round was trained yet" in early.json()["detail"]
    train(served, c)
    answer = post(served, c, {**PERTURB, "per_label": 3, "seed": 4, "checked_share": 0.5})
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["number"], made["generator"], made["state"]) == (1, {"kind": "perturb"}, "waiting")
    assert (made["per_label"], made["seed"], made["checked_share"]) == (3, 4, 0.5)
    assert (made["verdicts"], made["labels"], made["checked"], made["examples"]) == ({}, 0, None, [])
    assert made["job"]["kind"] == "synthesize"
    again = post(served, c, PERTURB)
    assert again.status_code == 409
    assert again.json()["detail"] == "synthesis 1 is being made: wait until it has ended"
    undone = served.http.delete(f"/v1/campaigns/{c}/synthesis/1")
    assert undone.status_code == 409
    with served.api.database.transaction() as connection:
        (asked,) = jobs.of_kind(connection, c, "synthesize")
        assert (asked.queue, asked.args) == ("gpu", {"synthesis": 1})
        connection.execute(update(job).where(job.c.id == asked.id).values(state="failed"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "missing required field `generator`"),
        ({"generator": {"kind": "oracle"}}, "Invalid value 'oracle'"),
        ({"generator": {"kind": "perturb", "url": "x"}}, "unknown field `url`"),
        ({**PERTURB, "per_label": 0}, "per_label"),
        ({**PERTURB, "checked_share": 1.5}, "checked_share"),
        ({**PERTURB, "key": "API_KEY"}, "unknown field `key`"),
    ],
)
def test_what_cannot_be_made_is_told(served: Served, body: Any, words: str) -> None:
    c = campaign(served)
    train(served, c)
    answer = post(served, c, body)
    assert answer.status_code == 422
    assert words in json.dumps(answer.json())


def test_a_generator_is_refused_where_none_is_allowed(served: Served) -> None:
    c = campaign(served)
    train(served, c)
    body = {"generator": {"kind": "endpoint", "url": "http://169.254.169.254/v1", "model": "m"}}
    answer = post(served, c, body)
    assert answer.status_code == 422
    assert answer.json()["field"] == "url"
    assert "is not below any prefix in POSTIL_GENERATORS" in answer.json()["detail"]
    assert served.http.get(f"/v1/campaigns/{c}/synthesis").json() == {"syntheses": []}


def test_spans_and_too_many_are_refused(served: Served) -> None:
    c = campaign(served, problem="spans")
    train(served, c)
    assert "spans have no synthetic texts" in post(served, c, PERTURB).json()["detail"]
    many = campaign(served, labels=[f"label {at}" for at in range(100)])
    train(served, many)
    answer = post(served, many, {**PERTURB, "per_label": 201})
    assert answer.json()["detail"] == "20,000 texts at a time at most: ask for 200 of each label"


def test_it_is_shown_exported_and_undone(served: Served) -> None:
    """Given three synthetic texts of which one is kept, then the list shows all, the export of labels has the one,
    marked as what it is, the pool and its status none of them, and undone there is no label any more."""
    c = campaign(served)
    with served.api.database.transaction() as connection:
        texts = [("onne", "a", "kept"), ("=two", "b", "near-duplicate"), ("xq", "b", "unlikely")]
        shard = synthesise(connection, served.api.files, c, texts)  # type: ignore[arg-type]
    (shown,) = served.http.get(f"/v1/campaigns/{c}/synthesis").json()["syntheses"]
    assert shown["verdicts"] == {"kept": 1, "near-duplicate": 1, "unlikely": 1}
    assert (shown["labels"], shown["job"], shown["error"]) == (1, None, None)
    assert shown["checked"] == {"asked": 0, "answered": 0, "agreed": None}
    assert [(one["id"], one["text"], one["answer"]) for one in shown["examples"]] == [
        ("synthetic-1-0", "onne", "a"),
        ("synthetic-1-1", "=two", "b"),
        ("synthetic-1-2", "xq", "b"),
    ]
    made = shown["examples"][0]["made"]
    assert (made["verdict"], made["how"], made["sources"]) == ("kept", "key", ["0-0"])
    assert (made["probability"], made["probability_p"], made["perplexity"]) == (0.5, 0.6, None)
    exported = served.http.get(f"/v1/campaigns/{c}/export").text
    (line,) = [json.loads(one) for one in exported.splitlines()]
    assert (line["id"], line["label"], line["source"], line["role"]) == (
        "synthetic-1-0",
        "a",
        "synthetic",
        "train",
    )
    assert (line["weight"], line["reason"]) == (0.5, "synthetic: perturbation")
    assert line["meta"]["synthetic"] == made
    (row,) = csv.DictReader(io.StringIO(served.http.get(f"/v1/campaigns/{c}/export?format=csv").text))
    assert (row["source"], json.loads(row["meta"])["synthetic"]["verdict"]) == ("synthetic", "kept")
    whole = served.http.get(f"/v1/campaigns/{c}/export?what=pool").text
    assert [json.loads(one)["text"] for one in whole.splitlines()] == ["one", "two"]
    status = served.http.get(f"/v1/campaigns/{c}").json()["status"]
    assert (status["examples"], status["labels"]) == (2, {"synthetic": 1})
    assert served.http.get(f"/v1/campaigns/{c}/pool").json()["examples"] == 2
    undone = served.http.delete(f"/v1/campaigns/{c}/synthesis/1")
    assert undone.status_code == 200
    assert undone.json()["labels"] == 0
    assert undone.json()["undone_at"] is not None
    assert served.http.get(f"/v1/campaigns/{c}/export").text == ""
    assert len(served.http.get(f"/v1/campaigns/{c}/synthesis").json()["syntheses"][0]["examples"]) == 3
    assert served.http.delete(f"/v1/campaigns/{c}/synthesis/2").status_code == 404
    with served.api.database.reading() as connection:
        assert labels.current(connection, c) == []
        assert syntheses.holding(connection, c) == {}
        assert [one["kind"] for one in events.since(connection, c, 0)][-1] == "synthesis-undone"
    assert shard == 1
    assert served.http.delete(f"/v1/campaigns/{c}").status_code == 204
