"""What is taken home, from a real API."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from service import predictions, standalone
from service.cli.export import named_by
from service.client import Client
from service.files import Files
from service.stack.stack import Stack
from service.store import rounds
from service.store.database import Database
from tests.learner.conftest import build_encoder
from workers import adapter, tagger
from workers.encoder import Encoder


def labeled(api: Client, name: str) -> str:
    api.create(name=name, labels=["good", "bad"], model="none")
    api.add_labels(name, [b'{"id": "7", "text": "fine", "label": "good"}\n'], "jsonl")
    return name


def test_labels_go_to_standard_output(postil: Callable[..., Any], api: Client) -> None:
    ran = postil("export", labeled(api, "out"))

    found = json.loads(ran.out)
    assert (found["id"], found["text"], found["label"], found["source"]) == ("7", "fine", "good", "import")
    assert ran.err == ""


def test_labels_go_to_a_file(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"

    ran = postil("export", labeled(api, "file"), "--format", "csv", "--out", str(path))

    with path.open(newline="") as file:
        assert [(row["id"], row["label"]) for row in csv.DictReader(file)] == [("7", "good")]
    assert (ran.out, ran.err) == ("", f"{path}: {path.stat().st_size:,} bytes\n")
    assert [one.name for one in tmp_path.iterdir()] == ["labels.csv"]


def test_a_campaign_without_answers_has_no_annotations(postil: Callable[..., Any], api: Client) -> None:
    ran = postil("export", labeled(api, "unanswered"), "--what", "annotations")

    assert (ran.status, ran.out) == (0, "")


def test_a_file_that_cannot_be_written(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    ran = postil("export", labeled(api, "unwritten"), "--out", str(tmp_path / "none" / "labels.jsonl"))

    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "cannot be written: No such file or directory" in ran.err


@pytest.mark.parametrize(
    ("out", "format"),
    [
        ("-", "jsonl"),
        ("labels", "jsonl"),
        ("labels.JSONL", "jsonl"),
        ("labels.csv", "csv"),
        ("a.csv/labels.parquet", "parquet"),
        ("labels.json", "label-studio"),
        ("labels.conll", "conll"),
        ("labels.spacy.jsonl", "spacy"),
        ("labels.zip", "hf"),
        ("labels/", "hf"),
        ("a.csv/", "hf"),
    ],
)
def test_the_ending_names_the_format(out: str, format: str) -> None:
    assert named_by(out) == format


def test_the_format_follows_the_ending(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    name = labeled(api, "endings")
    for ending in ("parquet", "json", "csv"):
        assert postil("export", name, "--out", str(tmp_path / f"labels.{ending}")).status == 0
    forced = postil("export", name, "--out", str(tmp_path / "labels.csv"), "--format", "jsonl")

    (row,) = pq.read_table(tmp_path / "labels.parquet").to_pylist()
    (task,) = json.loads((tmp_path / "labels.json").read_text())
    assert (row["id"], row["label"], row["ids"]) == ("7", "good", ["7"])
    assert (task["data"]["label"], task["annotations"][0]["result"][0]["value"]) == (
        *("good", {"choices": ["good"]}),
    )
    assert (forced.status, json.loads((tmp_path / "labels.csv").read_text())["id"]) == (0, "7")


def test_a_dataset_is_a_folder_and_stays_as_it_is(
    postil: Callable[..., Any], api: Client, tmp_path: Path
) -> None:
    name, out = labeled(api, "dataset"), tmp_path / "data set"

    ran = postil("export", name, "--out", f"{out}/")
    again = postil("export", name, "--format", "hf", "--out", str(out))
    packed = postil("export", name, "--out", f"{out}.zip")
    empty = postil(
        "export", api.create(name="none", labels=["a", "b"], model="none")["id"], "--out", f"{out}2/"
    )

    assert (ran.status, ran.err) == (0, f"{out}: README.md, data/train-00000.parquet\n")
    assert pq.read_table(out / "data").num_rows == 1
    assert again.err == f"error: {out} exists already: name a folder that does not\n"
    assert (packed.status, Path(f"{out}.zip").read_bytes()[:2]) == (0, b"PK")
    assert "has no labels yet" in empty.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data set", "data set.zip"]


def test_spans_that_are_left_out_are_told_of(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    api.create(name="spans", labels=["A", "B"], model="none", problem="spans")
    line = {"text": "one two", "spans": [[0, 7, "A"], [4, 7, "B"]]}
    api.add_labels("spans", [json.dumps(line).encode()], "jsonl")
    path = tmp_path / "labels.conll"

    ran = postil("export", "spans", "--out", str(path))
    refused = postil("export", labeled(api, "no spans"), "--out", str(path))

    assert path.read_text() == "one B-A\ntwo I-A\n\n"
    assert ran.err.endswith(
        "2 spans: 1 left out, which meet a longer one in a token or hold none; 0 widened to whole tokens\n"
    )
    assert refused.status == 1
    assert "choose jsonl, csv, parquet, hf or label-studio" in refused.err


def test_an_adapter_is_a_folder(
    postil: Callable[..., Any], api: Client, stack: Stack, tmp_path: Path
) -> None:
    campaign = api.create(name="trained", labels=["good", "bad"], model="none")["id"]
    files, database = Files(stack.settings.files), Database(stack.settings.database)
    with files.new(f"adapters/{campaign}/r1") as folder:
        (folder / "adapter_config.json").write_text("{}")
        (folder / "head.safetensors").write_bytes(bytes(range(256)) * 3000)
    with files.new(f"predictions/{campaign}/r1") as folder:
        predictions.write(folder, [], {predictions.ADAPTER: np.empty((0, 2))})
    with database.transaction() as connection:
        rounds.start(connection, campaign, 1, label_version=0, labels=0, shards=[], strategy="margin", seed=0)
        named = {"adapter": f"adapters/{campaign}/r1", "predictions": f"predictions/{campaign}/r1"}
        rounds.change(connection, campaign, 1, metrics={"trained_on": 5}, train_seconds=1.0, **named)
    database.close()
    out = tmp_path / "adapter"

    ran = postil("adapter", "trained", "1", "--out", str(out))
    again = postil("adapter", "trained", "1", "--out", str(out))
    missing = postil("adapter", "trained", "2", "--out", str(tmp_path / "other"))

    assert (ran.status, ran.err) == (0, f"{out}: README.md, adapter_config.json, head.safetensors\n")
    assert "Nothing measures yet." in (out / "README.md").read_text()
    assert (out / "head.safetensors").read_bytes() == bytes(range(256)) * 3000
    assert [one.name for one in tmp_path.iterdir()] == ["adapter"]
    assert again.err == f"error: {out} exists already: name a folder that does not\n"
    assert missing.status == 1
    assert "has no round 2" in missing.err
    active = postil("adapter", "trained", "1", "--activate")
    assert (active.status, active.err.startswith("The adapter of round 1 is active")) == (0, True)
    assert api.campaign("trained").get("adapter") == 1
    assert postil("adapter", "trained", "1").err.startswith("error: nothing to do")


def test_an_adapter_is_merged_on_the_way(
    postil: Callable[..., Any], api: Client, stack: Stack, tmp_path: Path
) -> None:
    model = build_encoder(tmp_path / "model")
    campaign = api.create(name="handed", labels=["a"], problem="spans", model=str(model))["id"]
    files, database = Files(stack.settings.files), Database(stack.settings.database)
    fitted = tagger.fit(Encoder.load(str(model)), ["one"], [[]], np.ones(1, np.float32), 1, 0)
    with files.new(f"adapters/{campaign}/r1") as folder:
        adapter.save(fitted, folder, ["a"], {}, {})
    with files.new(f"predictions/{campaign}/r1") as folder:
        nothing = predictions.Spans(np.empty((0, 4), np.int32), np.empty(0, np.float32))
        predictions.write(folder, [], {predictions.ADAPTER: nothing})
    with database.transaction() as connection:
        rounds.start(connection, campaign, 1, label_version=0, labels=0, shards=[], strategy="margin", seed=0)
        named = {"adapter": f"adapters/{campaign}/r1", "predictions": f"predictions/{campaign}/r1"}
        rounds.change(connection, campaign, 1, metrics={"trained_on": 5}, train_seconds=1.0, **named)
    database.close()
    out = tmp_path / "merged"

    ran = postil("adapter", "handed", "1", "--merged", "--out", str(out))

    assert (ran.status, ran.err.splitlines()[1][:40]) == (0, "The base model is not needed beside it. ")
    assert {"README.md", "head.safetensors", "model.safetensors"} < {one.name for one in out.iterdir()}
    assert standalone.use("spans", "merged") in (out / "README.md").read_text()
    (model / "model.safetensors").unlink()
    gone = postil("adapter", "handed", "1", "--merged", "--out", str(tmp_path / "gone"))
    assert (gone.status, "cannot be loaded" in gone.err) == (1, True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["merged", "model"]
    for words, said in (
        (("--merged",), "error: --merged needs a folder to make"),
        (("--merged", "--onnx", "--out", "x"), "error: --merged and --onnx are two folders"),
    ):
        assert postil("adapter", "handed", "1", *words).err.startswith(said)
