"""Labels in the forms that other tools take: read back by those tools, or by what reads their files."""

import csv
import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from service import annotations
from service.annotations import Given
from service.export import examples, parquet
from service.pool import pool, repeats, shards
from service.store import campaigns, rounds
from tests.filling import answer, seal
from tests.http.conftest import Served, fill

LABELS = {"single_label": ["a", "b"], "multi_label": ["a", "b"], "spans": ["PER", "LOC"]}
PER, LOC = {"start": 0, "end": 3, "label": "PER"}, {"start": 4, "end": 9, "label": "LOC"}
SAID: dict[str, list[str]] = {
    "single_label": ["a", "b"],
    "multi_label": ['["a","b"]', "[]"],
    "spans": [json.dumps([PER, LOC]), "[]"],
}
"""As a store has them."""


def export(served: Served, c: str, query: str = "") -> httpx.Response:
    response = served.http.get(f"/v1/campaigns/{c}/export?{query}")
    assert response.status_code == 200, response.text
    return response


def rows(served: Served, c: str, query: str = "") -> list[dict[str, Any]]:
    return [json.loads(line) for line in export(served, c, query).content.splitlines()]


def as_parquet(response: httpx.Response) -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    found = pq.read_table(io.BytesIO(response.content)).to_pylist()
    for row in found:
        for name in ("meta", "result", "shown"):
            if row.get(name) is not None:
                row[name] = json.loads(row[name])
        for name, value in row.items():
            if hasattr(value, "timestamp"):
                row[name] = value.timestamp()
    return found


def close(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Equal, but for times, which Parquet has in microseconds."""
    times = ("made_at", "received_at")
    assert [list(row) for row in found] == [list(row) for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        for name in times:
            if isinstance(row.get(name), float):
                assert row[name] == pytest.approx(other[name], abs=2e-6)
                row[name] = other[name]
    return found == wanted


def answered(served: Served, kind: str, **values: Any) -> str:
    """Five texts, of which two people answered the first, one the second; the third's answer came with it."""
    c: str = served.campaign(problem=kind, labels=LABELS[kind], **values)["id"]
    field = {"single_label": "label", "multi_label": "labels", "spans": "spans"}[kind]
    known = "b" if kind == "single_label" else json.loads(SAID[kind][1])
    lines: list[dict[str, Any]] = [
        {"text": "Ann Paris one", "id": "x", "meta": {"n": 1, "of": ["=1"]}, "domain": "web"},
        {"text": "Bob Rome. two"},
        {"text": "=three", "id": "z", field: known},
        {"text": "four"},
        {"text": "Ann Paris one", "id": "y"},
    ]
    served.post_lines(f"/v1/campaigns/{c}/pool", "".join(json.dumps(one) + "\n" for one in lines))
    yes, no = SAID[kind]
    with served.api.database.transaction() as connection:
        answer(connection, c, {0: {3: yes, 5: yes}, 1: {5: no}})
    return c


@pytest.mark.parametrize("kind", LABELS)
def test_labels_say_who_gave_them_and_what_asked(served: Served, kind: str) -> None:
    c = answered(served, kind)

    found = {row["text"]: row for row in rows(served, c)}

    asked = found["Ann Paris one"]
    assert (asked["ids"], asked["annotations"], asked["annotators"]) == (["x", "y"], 2, [3, 5])
    assert (asked["round"], asked["strategy"], asked["source"], asked["role"]) == (
        *(0, "margin", "annotation", "train"),
    )
    assert (found["Bob Rome. two"]["annotators"], found["Bob Rome. two"]["reason"]) == ([5], "one answer")
    known = found["=three"]
    assert (known["source"], known["annotators"], known["round"], known["strategy"]) == (
        "import",
        [],
        None,
        None,
    )


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test_parquet_and_csv_hold_what_json_lines_do(
    served: Served, kind: str, sealed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels, annotations and the pool, page by page and row group by row group."""
    monkeypatch.setattr(examples, "PAGE", 2)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2)
    c = answered(served, kind)
    if sealed:
        with served.api.database.transaction() as connection:
            seal(connection, served.api.files, c)
    for what, number in (("labels", 3), ("annotations", 3), ("pool", 4)):
        told = rows(served, c, f"what={what}")
        response = export(served, c, f"what={what}&format=parquet")
        cells = list(csv.DictReader(io.StringIO(export(served, c, f"what={what}&format=csv").text)))

        assert len(told) == number
        assert response.headers["content-type"] == "application/vnd.apache.parquet"
        assert response.headers["content-disposition"] == f'attachment; filename="{c}-{what}.parquet"'
        assert close(as_parquet(response), told)
        assert pq.ParquetFile(io.BytesIO(response.content)).num_row_groups == 2
        assert [list(cell) for cell in cells] == [list(row) for row in told]
        if what != "annotations":
            assert [json.loads(cell["ids"]) for cell in cells] == [row["ids"] for row in told]
            assert next(cell["text"] for cell in cells if cell["id"] == "z") == "'=three"


@pytest.mark.parametrize("kind", LABELS)
def test_a_parquet_file_is_an_upload_for_another_campaign(served: Served, kind: str) -> None:
    c = answered(served, kind)
    again = served.campaign(problem=kind, labels=LABELS[kind])["id"]

    receipt = served.http.post(
        f"/v1/campaigns/{again}/labels",
        content=export(served, c, "format=parquet").content,
        headers={"Content-Type": "application/vnd.apache.parquet"},
    ).json()

    field = {"single_label": "label", "multi_label": "labels", "spans": "spans"}[kind]
    assert (receipt["labels"], receipt["errors"]) == (3, [])
    assert [(row["text"], row[field]) for row in rows(served, again)] == [
        (row["text"], row[field]) for row in rows(served, c)
    ]


def test_auto_labels_come_as_parquet_too(served: Served) -> None:
    refused = served.http.get(
        f"/v1/campaigns/{answered(served, 'single_label')}/export?what=auto-labels&format=parquet"
    )
    assert (refused.status_code, "no round has scored" in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("kind", "query", "words"),
    [
        (
            "single_label",
            "format=conll",
            "conll is a form of spans, and this campaign is single_label: choose jsonl, csv, parquet, hf or "
            "label-studio",
        ),
        ("multi_label", "format=spacy", "choose jsonl, csv, parquet, hf or label-studio"),
        ("spans", "what=pool&format=conll", "a form of labels, not of pool: choose jsonl, csv or parquet"),
        ("spans", "what=annotations&format=label-studio", "not of annotations: choose jsonl, csv or parquet"),
        ("single_label", "what=auto-labels&format=hf", "not of auto-labels: choose jsonl, csv or parquet"),
    ],
)
def test_a_form_that_does_not_fit_is_refused_with_those_that_do(
    served: Served, kind: str, query: str, words: str
) -> None:
    c = served.campaign(problem=kind, labels=LABELS[kind])["id"]
    response = served.http.get(f"/v1/campaigns/{c}/export?{query}")
    assert (response.status_code, response.json()["field"]) == (422, "format")
    assert words in response.json()["detail"]


def unzip(response: httpx.Response, to: Path) -> Path:
    """The folder in an archive."""
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(to)
    (folder,) = to.iterdir()
    return folder


def card(folder: Path) -> tuple[dict[str, Any], str]:
    """(its YAML, its text)."""
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_folder_for_datasets_has_splits_and_a_card(served: Served, tmp_path: Path) -> None:
    """Given 437 labels of which 80 are the hold-out, then train has 357 and test the hold-out; the card counts them."""
    c = fill(served, 'a "dataset" | of *things*')
    with served.api.database.transaction() as connection:
        taken = [{"annotator": 1, "answers": 437, "accuracy": 0.96}]
        metrics = {"trained_on": 300, "near_measured": 4, "annotators": taken}
        rounds.change(connection, c, 5, metrics=metrics)
        campaigns.change(connection, c, instruction="Which topic?\nChoose one.")
    told = rows(served, c)

    response = export(served, c, "format=hf")

    assert response.headers["content-type"] == "application/zip"
    folder = unzip(response, tmp_path)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == ["README.md", "data/test-00000.parquet", "data/train-00000.parquet"]
    split = {name: pq.read_table(folder / f"data/{name}-00000.parquet") for name in ("train", "test")}
    assert {name: table.num_rows for name, table in split.items()} == {"train": 357, "test": 80}
    assert set(split["test"].column("role").to_pylist()) == {"hold-out"}
    ids = split["train"].column("id").to_pylist() + split["test"].column("id").to_pylist()
    assert sorted(ids) == sorted(row["id"] for row in told)
    front, text = card(folder)
    assert front["pretty_name"] == 'a "dataset" | of *things*'
    assert front["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-00000.parquet"},
                {"split": "test", "path": "data/test-00000.parquet"},
            ],
        }
    ]
    info = front["dataset_info"]
    (answer_,) = [one for one in info["features"] if one["name"] == "label"]
    assert answer_["dtype"]["class_label"]["names"] == {
        "0": "networking",
        "1": "data formats",
        "2": "numbers",
        "3": "dates",
    }
    assert [one["name"] for one in info["features"]] == split["train"].column_names
    assert [(one["name"], one["num_examples"]) for one in info["splits"]] == [("train", 357), ("test", 80)]
    assert info["download_size"] == sum((folder / name).stat().st_size for name in names[1:])
    counted = {name: Counter(table.column("label").to_pylist()) for name, table in split.items()}
    for label in ("networking", "data formats", "numbers", "dates"):
        assert f"| {label} | {counted['train'][label]} | {counted['test'][label]} |" in text
    assert "| train | 357 | control 80, train 277 | annotation 357 |" in text
    assert "| 1 | 437 | 96.0% |" in text
    assert "> Which topic?\n> Choose one." in text
    assert "Of the labels of `train`, 4 are of texts that say almost what one in `test` says" in text
    assert r'# a "dataset" | of \*things\*' in text


@pytest.mark.parametrize("kind", LABELS)
def test_a_test_set_that_was_posted_is_the_split_test(served: Served, kind: str, tmp_path: Path) -> None:
    c = answered(served, kind)
    field = {"single_label": "label", "multi_label": "labels", "spans": "spans"}[kind]
    known = "b" if kind == "single_label" else json.loads(SAID[kind][1])
    lines = [{"text": f"test {at}", "id": f"t{at}", field: known} for at in range(3)]
    served.post_lines(f"/v1/campaigns/{c}/labels?set=test", "".join(json.dumps(one) + "\n" for one in lines))

    folder = unzip(export(served, c, "format=hf"), tmp_path)

    test = pq.read_table(folder / "data/test-00000.parquet").to_pylist()
    assert [(row["id"], row["source"], row["role"], row[field]) for row in test] == [
        (f"t{at}", "test", "test", known) for at in range(3)
    ]
    assert pq.read_table(folder / "data/train-00000.parquet").num_rows == 3
    front, text = card(folder)
    features = {one["name"]: one for one in front["dataset_info"]["features"]}
    if kind == "multi_label":
        assert features[field] == {"name": field, "list": "string"}
    if kind == "spans":
        assert [one["name"] for one in features[field]["list"]] == ["start", "end", "label"]
        assert "| PER | 1 | 0 |" in text
    assert "posted as a test set" in text
    assert "Nobody" not in text


def test_nothing_to_make_a_dataset_of(served: Served) -> None:
    c = served.campaign()["id"]
    response = served.http.get(f"/v1/campaigns/{c}/export?format=hf")
    assert (response.status_code, "has no labels yet" in response.json()["detail"]) == (409, True)
    assert export(served, c, "format=label-studio").json() == []
    assert pq.read_table(io.BytesIO(export(served, c, "format=parquet").content)).num_rows == 0


def test_a_task_for_label_studio_has_what_everybody_said(served: Served) -> None:
    """Given two answers and a skip of one text, then its task has three annotations and says what is believed."""
    c = answered(served, "spans")
    with served.api.database.transaction() as connection:
        late = "2026-01-02T00:00:00+00:00"
        skip = Given(7, 1, "0-0", None, True, 9, late, "1", 4.5)
        annotations.take(connection, campaigns.get(connection, c), [skip], lambda result, text: result)

    tasks = {task["data"]["text"]: task for task in export(served, c, "format=label-studio").json()}

    asked = tasks["Ann Paris one"]
    first, second, skipped = asked["annotations"]
    assert (asked["data"]["spans"], asked["data"]["ids"]) == ([PER, LOC], ["x", "y"])
    assert (first["completed_by"], second["completed_by"]) == (3, 5)
    assert first | {"result": []} == {
        "result": [],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-01-01T00:00:03+00:00",
        "id": 30_000,
        "completed_by": 3,
    }
    assert first["result"][1] == {
        "id": "30000-1",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 4, "end": 9, "text": "Paris", "labels": ["LOC"]},
    }
    assert skipped == {
        "result": [],
        "was_cancelled": True,
        "ground_truth": False,
        "created_at": late,
        "id": 7,
        "completed_by": 9,
        "lead_time": 4.5,
    }
    (known,) = tasks["=three"]["annotations"]
    assert ("completed_by" in known, known["result"], known["was_cancelled"]) == (False, [], False)
    assert asked["data"]["annotators"] == [3, 5], "who skipped gave no answer"


def test_labels_that_are_passed_on_are_in_every_form(served: Served, tmp_path: Path) -> None:
    c = served.campaign(near_duplicates="propagate")["id"]
    lines = [
        {"text": "Ann Paris", "id": "a", "label": "good"},
        {"text": "Ann Paris!", "id": "b"},
        {"text": "other"},
    ]
    served.post_lines(f"/v1/campaigns/{c}/pool", "".join(json.dumps(one) + "\n" for one in lines))
    files = served.api.files
    with served.api.database.transaction() as connection:
        pool.close_filling(connection, c)
        pool.sealed(connection, c, 0, shards.seal(files, pool.staged_rows(connection, c, 0)))
        with files.new(f"near/{c}/0-test") as near:
            repeats.write(near, np.array([[0, 0], [0, 0], [0, 2]]), np.array([0, 0.9, 0]))
        pool.compared(connection, c, 0, f"near/{c}/0-test", 1)

    found = as_parquet(export(served, c, "format=parquet"))
    assert [(row["id"], row["label"], row["source"], row["annotators"]) for row in found] == [
        ("a", "good", "import", []),
        ("b", "good", "propagated", []),
    ]
    tasks = export(served, c, "format=label-studio").json()
    chosen = [task["annotations"][0]["result"][0]["value"]["choices"] for task in tasks]
    assert (chosen, [task["data"]["weight"] for task in tasks]) == ([["good"], ["good"]], [1.0, 0.5])
    _, text = card(unzip(export(served, c, "format=hf"), tmp_path))
    assert "Of the labels of `train`, 1 were taken over from a text that says almost the same" in text
    assert "There is no `test`" in text


def test_conll_tells_how_many_spans_it_has_no_tags_for(served: Served) -> None:
    c = served.campaign(problem="spans", labels=LABELS["spans"])["id"]
    inner, part = {"start": 4, "end": 9, "label": "PER"}, {"start": 10, "end": 11, "label": "LOC"}
    line = {"text": "Ann Paris one", "spans": [{"start": 0, "end": 9, "label": "LOC"}, inner, part]}
    served.post_lines(f"/v1/campaigns/{c}/pool", json.dumps(line) + "\n")

    response = export(served, c, "format=conll")

    assert response.text == "Ann B-LOC\nParis I-LOC\none B-LOC\n\n"
    told = {name: response.headers[f"x-postil-{name}"] for name in ("spans", "left-out", "widened")}
    assert told == {"spans": "3", "left-out": "1", "widened": "1"}
    made = json.loads(export(served, c, "format=spacy").text)
    assert (made["text"], made["spans"][2]) == ("Ann Paris one", part)
    assert (len(made["spans"]), made["meta"]["source"], made["meta"]["ids"]) == (3, "import", [])
