import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import Invalid
from workers.simulation import labeled


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return path


def test_labels_of_both_files_and_each_text_once(tmp_path: Path) -> None:
    data = write(
        tmp_path / "a.jsonl", [("one", "x"), ("two", "y"), ("one", "y"), (" one ", "x"), ("Three!", "z")]
    )
    test = write(tmp_path / "b.jsonl", [("four", "w"), ("three", "z")])
    names, pool, measured = labeled.read(data, test, "text", "single_label")
    assert names == ["w", "x", "y", "z"]
    assert pool.texts == ["one", "two"]  # the third is like a text of the test set
    assert pool.classes.tolist() == [1, 2]
    assert measured.texts == ["four", "three"]
    assert measured.classes.tolist() == [0, 3]
    assert len(set(pool.role_keys().tolist())) == 2


def test_domains_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,domain\none,x,law\ntwo,y,\nthree,y,web\n")
    test = write(tmp_path / "b.jsonl", [("four", "x")])
    _, pool, measured = labeled.read(tmp_path / "a.csv", test, "text", "single_label")
    assert (pool.domains, measured.domains) == (["law", None, "web"], [None])
    assert pool.of_domain("web").tolist() == [False, False, True]
    assert pool.of_domain(None).tolist() == [False, True, False]


def test_csv_and_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body,label\none,x\ntwo,y\n")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write('{"body": "three", "label": "x"}\n')
    names, pool, measured = labeled.read(tmp_path / "a.csv", tmp_path / "b.jsonl.gz", "body", "single_label")
    assert (names, pool.texts, measured.texts) == (["x", "y"], ["one", "two"], ["three"])


def test_parquet_and_zstd(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one", "two"], "label": ["x", "y"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv.zst").write_bytes(pa.compress(b"text,label\nthree,x\n", "zstd", asbytes=True))
    names, pool, measured = labeled.read(
        tmp_path / "a.parquet", tmp_path / "b.csv.zst", "text", "single_label"
    )
    assert (names, pool.texts, measured.texts) == (["x", "y"], ["one", "two"], ["three"])


def test_a_file_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_text("plain")
    with pytest.raises(Invalid, match=r"a\.jsonl\.gz: cannot be read as gzip"):
        labeled.read(tmp_path / "a.jsonl.gz", tmp_path / "none", "text", "single_label")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"text": "one"}', "line 1: 'label' is missing"),
        ('{"text": ""}', "line 1: 'text' is empty"),
        ("[", "line 1"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.jsonl").write_text(line + "\n")
    test = write(tmp_path / "b.jsonl", [("four", "w")])
    with pytest.raises(Invalid, match=words):
        labeled.read(tmp_path / "a.jsonl", test, "text", "single_label")


def test_files_that_make_no_pool(tmp_path: Path) -> None:
    same = write(tmp_path / "a.jsonl", [("one", "x"), ("two", "y")])
    with pytest.raises(Invalid, match="0 texts that are not in"):
        labeled.read(same, same, "text", "single_label")
    with pytest.raises(Invalid, match="cannot be read"):
        labeled.read(tmp_path / "none.jsonl", same, "text", "single_label")
