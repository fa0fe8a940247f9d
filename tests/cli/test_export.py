"""What is taken home, from a real API."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.cli.client import Api
from service.files import Files
from service.stack.stack import Stack
from service.store import rounds
from service.store.database import Database


def labeled(api: Api, name: str) -> str:
    api.create(name=name, labels=["good", "bad"], model="none")
    api.add_labels(name, [b'{"id": "7", "text": "fine", "label": "good"}\n'], "jsonl")
    return name


def test_labels_go_to_standard_output(postil: Callable[..., Any], api: Api) -> None:
    ran = postil("export", labeled(api, "out"))

    found = json.loads(ran.out)
    assert (found["id"], found["text"], found["label"], found["source"]) == ("7", "fine", "good", "import")
    assert ran.err == ""


def test_labels_go_to_a_file(postil: Callable[..., Any], api: Api, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"

    ran = postil("export", labeled(api, "file"), "--format", "csv", "--out", str(path))

    with path.open(newline="") as file:
        assert [(row["id"], row["label"]) for row in csv.DictReader(file)] == [("7", "good")]
    assert (ran.out, ran.err) == ("", f"{path}: {path.stat().st_size:,} bytes\n")
    assert [one.name for one in tmp_path.iterdir()] == ["labels.csv"]


def test_a_campaign_without_answers_has_no_annotations(postil: Callable[..., Any], api: Api) -> None:
    ran = postil("export", labeled(api, "unanswered"), "--what", "annotations")

    assert (ran.status, ran.out) == (0, "")


def test_a_file_that_cannot_be_written(postil: Callable[..., Any], api: Api, tmp_path: Path) -> None:
    ran = postil("export", labeled(api, "unwritten"), "--out", str(tmp_path / "none" / "labels.jsonl"))

    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "cannot be written: No such file or directory" in ran.err


def test_an_adapter_is_a_folder(postil: Callable[..., Any], api: Api, stack: Stack, tmp_path: Path) -> None:
    campaign = api.create(name="trained", labels=["good", "bad"], model="none")["id"]
    files, database = Files(stack.settings.files), Database(stack.settings.database)
    with files.new(f"adapters/{campaign}/r1") as folder:
        (folder / "adapter_config.json").write_text("{}")
        (folder / "head.safetensors").write_bytes(bytes(range(256)) * 3000)
    with database.transaction() as connection:
        rounds.start(connection, campaign, 1, label_version=0, labels=0, shards=[], strategy="margin", seed=0)
        rounds.change(connection, campaign, 1, adapter=f"adapters/{campaign}/r1", train_seconds=1.0)
    database.close()
    out = tmp_path / "adapter"

    ran = postil("adapter", "trained", "1", "--out", str(out))
    again = postil("adapter", "trained", "1", "--out", str(out))
    missing = postil("adapter", "trained", "2", "--out", str(tmp_path / "other"))

    assert (ran.status, ran.err) == (0, f"{out}: adapter_config.json, head.safetensors\n")
    assert (out / "head.safetensors").read_bytes() == bytes(range(256)) * 3000
    assert [one.name for one in tmp_path.iterdir()] == ["adapter"]
    assert again.err == f"error: {out} exists already: name a folder that does not\n"
    assert missing.status == 1
    assert "has no round 2" in missing.err
