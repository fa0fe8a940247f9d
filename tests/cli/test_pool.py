"""Uploads from the command line, against a real API."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.cli.pool import counts, form_of
from service.client import Client
from service.errors import Invalid


def campaign(api: Client, name: str) -> str:
    return api.create(name=name, labels=["good", "bad"], model="none")["name"]


def test_a_jsonl_file_with_bad_lines(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    name = campaign(api, "jsonl")
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "one"}\n{"txt": 1}\n{"text": "two", "id": 2}\n{"text": "one"}\nnope\n')

    ran = postil("pool", "add", name, str(file))

    assert ran.status == 0
    assert ran.out == "received 5, added 2, duplicates 1, rejected 2\n"
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["  line 2", "  line 5"]
    assert api.campaign(name)["status"]["examples"] == 2


def test_csv_by_suffix_and_standard_input_by_format(
    postil: Callable[..., Any], api: Client, tmp_path: Path
) -> None:
    name = campaign(api, "csv")
    file = tmp_path / "texts.CSV"
    file.write_text("id,text\n1,alpha\n2,beta\n")

    by_suffix = postil("pool", "add", name, str(file), "--json")
    by_format = postil("pool", "add", name, "-", "--format", "jsonl", stdin=b'{"text": "gamma"}')

    assert json.loads(by_suffix.out)["added"] == 2
    assert by_format.out == "received 1, added 1, rejected 0\n"


def test_a_compressed_file(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    name = campaign(api, "compressed")
    file = tmp_path / "texts.csv.gz"
    file.write_bytes(gzip.compress(b"id,text\n1,alpha\n2,beta\n"))

    assert postil("pool", "add", name, str(file)).out == "received 2, added 2, rejected 0\n"
    file.write_bytes(b"plain")
    assert "cannot be read as gzip" in postil("pool", "add", name, str(file)).err


def test_a_parquet_file(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    name = campaign(api, "parquet")
    pq.write_table(pa.table({"text": ["one", None], "label": ["good", None]}), tmp_path / "texts.parquet")

    ran = postil("labels", "add", name, str(tmp_path / "texts.parquet"), "--test")

    assert ran.out == "received 2, added 1, rejected 1\n"
    assert ran.err == "  line 2: 'text' is missing: give the text as a string\n"


def test_a_file_of_which_nothing_can_be_used_fails(postil: Callable[..., Any], api: Client) -> None:
    name = campaign(api, "useless")

    rejected = postil("pool", "add", name, "-", "--format", "jsonl", "--json", stdin=b"nope\n")
    empty = postil("pool", "add", name, "-", "--format", "jsonl")

    assert (rejected.status, json.loads(rejected.out)["rejected"]) == (1, 1)
    assert rejected.err == "error: no line of it could be used\n"
    assert empty.status == 1


def test_a_second_upload_of_the_same_file_is_no_failure(postil: Callable[..., Any], api: Client) -> None:
    name = campaign(api, "again")
    words = ("pool", "add", name, "-", "--format", "jsonl")
    postil(*words, stdin=b'{"text": "one", "id": "1"}\n')

    ran = postil(*words, stdin=b'{"text": "one", "id": "1"}\n')

    assert (ran.status, ran.out) == (0, "received 1, added 0, duplicates 1, rejected 0\n")


def test_known_labels_and_a_test_set(postil: Callable[..., Any], api: Client) -> None:
    name = campaign(api, "labeled")
    words = ("labels", "add", name, "-", "--format", "jsonl")

    known = postil(*words, stdin=b'{"text": "fine", "label": "good"}\n{"id": "unknown", "label": "bad"}\n')
    test = postil(*words, "--test", stdin=b'{"text": "measured", "label": "bad"}\n')

    assert known.out == "received 2, added 1, labels 1, rejected 1\n"
    assert "line 2" in known.err
    assert test.status == 0
    status = api.campaign(name)["status"]
    assert (status["labels"]["import"], status["test_examples"]) == (1, 1)


def test_spans_that_are_known(postil: Callable[..., Any], api: Client) -> None:
    name = api.create(name="known spans", labels=["PER"], model="none", problem="spans")["name"]
    body = b'{"text": "Bob left", "spans": [[0, 3, "PER"]]}\n{"text": "Eve", "label": "PER"}\n'

    ran = postil("labels", "add", name, "-", "--format", "jsonl", stdin=body)

    assert ran.out == "received 2, added 1, labels 1, rejected 1\n"
    assert ran.err.startswith(
        "  line 2: 'label' is given, but this campaign's problem is spans: give 'spans', a list"
    )


def test_files_that_cannot_be_sent(postil: Callable[..., Any], api: Client, tmp_path: Path) -> None:
    name = campaign(api, "unsent")
    (tmp_path / "texts.txt").write_text("one")

    missing = postil("pool", "add", name, str(tmp_path / "none.jsonl"))
    suffix = postil("pool", "add", name, str(tmp_path / "texts.txt"))

    assert missing.err == f"error: {tmp_path / 'none.jsonl'} cannot be read: No such file or directory\n"
    assert "say --format jsonl, csv or parquet" in suffix.err
    assert (missing.status, suffix.status) == (1, 1)


def test_the_format_told_wins_over_the_suffix() -> None:
    assert form_of("a.csv", None) == "csv"
    assert form_of("a.ndjson", None) == "jsonl"
    assert form_of("a.csv", "jsonl") == "jsonl"
    assert form_of("a.b.jsonl.gz", None) == "jsonl"
    assert form_of("a.csv.zst", None) == "csv"
    with pytest.raises(Invalid):
        form_of("-", None)


def test_a_receipt_tells_what_there_is_to_tell() -> None:
    plain = {"received": 1200, "added": 1200, "duplicates": 0, "truncated": 0, "rejected": 0, "labels": 0}
    assert counts({**plain, "errors": []}) == "received 1,200, added 1,200, rejected 0"  # type: ignore[typeddict-item]
    mixed = {"received": 9, "added": 5, "duplicates": 2, "truncated": 1, "rejected": 2, "labels": 4}
    assert counts({**mixed, "errors": []}) == (  # type: ignore[typeddict-item]
        "received 9, added 5, duplicates 2, cut at the longest length 1, labels 4, rejected 2"
    )


def test_an_import_has_to_be_allowed(postil: Callable[..., Any], api: Client) -> None:
    name = campaign(api, "imported")
    ran = postil("pool", "import", name, "/data/pool.jsonl")
    assert ran.status == 1
    assert "/data/pool.jsonl is not below any prefix in POSTIL_SOURCES" in ran.err
