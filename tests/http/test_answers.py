"""Campaigns whose answers are several labels or spans: what goes in comes out, and the page shows it."""

import csv
import io
import json
import re
from typing import Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser, expect

from service import annotations, predictions
from service.annotations import Given
from service.predictions import ADAPTER, BASELINE
from service.records import Place
from service.store import campaigns, rounds, selections
from service.store.selections import Chosen
from tests.http.conftest import Served
from tests.http.test_page import sign_in, visit

PER, LOC = ({"start": 2, "end": 5, "label": "PER"}, {"start": 9, "end": 14, "label": "LOC"})
TEXT = "\U0001f600 Bob in Paris <b>"
CASES: dict[str, dict[str, Any]] = {
    "multi_label": {
        "labels": ["sport", "law"],
        "field": "labels",
        "answers": [["sport", "law"], [], ["law"]],
        "cells": ["sport|law", "", "law"],
        "shown": {"round": 1, "labels": ["law", "sport"], "confidences": {"law": 0.9, "sport": 0.625}},
        "words": "shown: law (90.0 %), sport (62.5 %)",
        "metrics": {"macro_f1": 1.0, "micro_f1": 1.0, "subset_accuracy": 1.0, "log_loss": 0.0, "ece": 0.0},
    },
    "spans": {
        "labels": ["PER", "LOC"],
        "field": "spans",
        "answers": [[PER, LOC], [], [PER]],
        "cells": [json.dumps(one, separators=(",", ":")) for one in ([PER, LOC], [], [PER])],
        "shown": {"round": 1, "spans": [PER | {"confidence": 0.9}]},
        "words": "shown: “Bob” PER (90.0 %)",
        "metrics": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "ece": 0.0},
    },
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, served: Served) -> dict[str, Any]:
    """A new campaign's id, and what is said in it."""
    made = CASES[request.param]
    campaign = served.campaign(problem=request.param, labels=made["labels"])
    return made | {"id": campaign["id"], "problem": request.param, "headline": campaign["headline"]}


def exported(served: Served, c: str, query: str = "") -> httpx.Response:
    response = served.http.get(f"/v1/campaigns/{c}/export{query}")
    assert response.status_code == 200
    return response


def test_known_answers_come_back_as_they_were_sent(served: Served, case: dict[str, Any]) -> None:
    path, field = f"/v1/campaigns/{case['id']}", case["field"]
    lines = [
        {"text": f"{TEXT} {at}", "id": str(at), field: one} for at, one in enumerate(case["answers"])
    ] + [{"text": "unknown"}, {"text": "wrong", "label": case["labels"][0]}, {"text": "odd", field: "odd"}]

    receipt = served.post_lines(f"{path}/pool", "".join(json.dumps(one) + "\n" for one in lines)).json()

    assert (receipt["added"], receipt["labels"], receipt["rejected"]) == (4, 3, 2)
    assert receipt["errors"][0]["line"] == 5
    assert (
        f"this campaign's problem is {case['problem']}: give '{field}', a list"
        in receipt["errors"][0]["reason"]
    )
    rows = [json.loads(line) for line in exported(served, case["id"]).text.splitlines()]
    assert [row[field] for row in rows] == case["answers"]
    as_csv = exported(served, case["id"], "?format=csv").text
    cells = list(csv.DictReader(io.StringIO(as_csv)))
    assert [row[field] for row in cells] == case["cells"]
    # An export is an upload, for another campaign.
    again = served.campaign(problem=case["problem"], labels=case["labels"])["id"]
    response = served.http.post(
        f"/v1/campaigns/{again}/labels", content=as_csv.encode(), headers={"Content-Type": "text/csv"}
    )
    assert (response.json()["labels"], response.json()["errors"]) == (3, [])
    rows = [json.loads(line) for line in exported(served, again).text.splitlines()]
    assert [row[field] for row in rows] == case["answers"]


def fill(served: Served, case: dict[str, Any]) -> None:
    """Three hold-out texts that are answered, an open task, and a round that predicts all rightly."""
    api, c = served.api, case["id"]
    chosen = [
        Chosen(
            place=Place(0, row),
            rank=row,
            role="hold-out" if row < 3 else "train",
            strategy="random",
            score=0.0,
            reason="why",
            text=TEXT,
            ext_id=None,
            domain=None,
            role_key=row,
            prediction=None if row < 3 else case["shown"],
        )
        for row in range(4)
    ]
    given = [
        Given(row, 100 + row, f"0-{row}", one, False, 1, "2026-01-01T00:00:00+00:00", "1", 1.0)
        for row, one in enumerate(case["answers"])
    ]
    models: dict[str, Any]
    if case["problem"] == "spans":
        rows = [(0, 2, 5, 0), (0, 9, 14, 1), (2, 2, 5, 0)]
        models = {ADAPTER: predictions.Spans(np.array(rows, np.int32), np.ones(3, np.float32))}
    else:
        truth = np.array([[1, 1], [0, 0], [0, 1]], np.float32)
        models = {ADAPTER: truth, BASELINE: truth}
    with api.files.new(f"predictions/{c}/r1") as folder:
        predictions.write(folder, [Place(0, row) for row in range(3)], models)
    with api.files.new(f"adapters/{c}/r1") as folder:
        (folder / "adapter_config.json").write_text("{}")
    with api.database.transaction() as connection:
        selections.choose(connection, c, 1, 0, chosen)
        ids = selections.in_states(connection, c, ["chosen"])
        selections.opened(connection, {row.id: 100 + row.row for row in ids})
        record = campaigns.get(connection, c)
        annotations.take(connection, record, given, lambda result, text: result)
        rounds.start(connection, c, 1, label_version=3, labels=3, shards=[], strategy="margin", seed=0)
        rounds.change(
            connection,
            c,
            1,
            state="done",
            predictions=f"predictions/{c}/r1",
            adapter=f"adapters/{c}/r1",
            metrics={"trained_on": 3, "thresholds": {ADAPTER: [0.5, 0.5], BASELINE: [0.5, 0.5]}},
        )


def test_a_curve_shows_the_problems_metric(served: Served, case: dict[str, Any]) -> None:
    fill(served, case)
    headline = {"multi_label": "macro_f1", "spans": "f1"}[case["problem"]]

    (point,) = served.http.get(f"/v1/campaigns/{case['id']}/curve").json()["points"]

    assert (case["headline"], point["headline"], point["metrics"]["headline"]) == (headline,) * 3
    assert (point["metrics"]["problem"], point["metrics"]["n"]) == (case["problem"], 3)
    for name, value in case["metrics"].items():
        assert point["metrics"][name]["value"] == pytest.approx(value, abs=1e-6), name
    assert point["baseline"] == (1.0 if case["problem"] == "multi_label" else None)
    (adapter,) = served.http.get(f"/v1/campaigns/{case['id']}/adapters").json()["adapters"]
    assert (adapter["headline"], adapter["score"]) == (headline, 1.0)
    rows = exported(served, case["id"], "?what=annotations").text.splitlines()
    assert [json.loads(row)[case["field"]] for row in rows] == case["answers"]


def test_answers_are_as_described(served: Served, case: dict[str, Any]) -> None:
    fill(served, case)
    document = served.http.get("/openapi.json").json()
    for path in ("", "/curve", "/queue", "/adapters"):
        described = document["paths"][f"/v1/campaigns/{{c}}{path}"]["get"]["responses"]["200"]
        schema = described["content"]["application/json"]["schema"]
        answer = served.http.get(f"/v1/campaigns/{case['id']}{path}").json()
        Draft202012Validator(schema | {"components": document["components"]}).validate(answer)


def test_the_page_shows_it(served: Served, case: dict[str, Any], chromium: Browser) -> None:
    fill(served, case)
    name = {"multi_label": "macro F1", "spans": "F1"}[case["problem"]]
    visited = visit(chromium)
    page = visited.page
    sign_in(served, page, case["id"])

    chart = page.get_by_role("img", name="Learning curve")
    expect(chart).to_have_attribute("aria-label", re.compile(f"Round 1: {name} 100.0 % .* on 3 hold-out"))
    expect(chart.locator(".ytitle")).to_have_text(name)
    region = page.get_by_role("region", name="Rounds")
    expect(region.locator("thead")).to_contain_text({"macro F1": "Macro F1", "F1": "F1"}[name])
    expect(region.locator("tbody tr").first).to_contain_text("100.0 %")
    task = page.get_by_role("list", name="Queue").get_by_role("listitem").first
    expect(task).to_contain_text(case["words"])
    expect(page.locator(".what")).to_contain_text(case["problem"].replace("_", " "))
    assert visited.wrong == []


def test_labels_that_a_problem_cannot_have(served: Served) -> None:
    for problem, labels in (
        ("multi_label", ["a|b"]),
        ("multi_label", []),
        ("spans", []),
        ("spans", ["a", "a"]),
    ):
        body = {"name": "refused", "labels": labels, "model": "none", "problem": problem}
        response = served.http.post("/v1/campaigns", json=body)
        assert (response.status_code, response.json()["field"]) == (422, "labels")
    assert served.campaign(problem="spans", labels=["ONE"])["problem"] == "spans"
