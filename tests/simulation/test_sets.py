"""What `make bench-labels` makes of the folders it is given."""

import gzip
import json
from itertools import product
from pathlib import Path

from tests.bench import labels
from workers.simulation import labeled

WORDS = ["".join(pair) for pair in product("abcdefgh", "klmno")]
TAGGED = {
    "tokens": ["Ada", "Lovelace", "met", "Ann", "Bo", "in", "Paris"],
    "tags": ["B-person", "I-person", "O", "B-person", "B-person", "O", "B-place"],
}


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def test_tags_become_spans_of_characters(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path / "in" / f"{part}.jsonl", [TAGGED | {"tokens": [*TAGGED["tokens"][:-1], part]}])
    made = labels.prepare(tmp_path / "in", tmp_path / "out")
    names, pool, _ = labeled.read(*made, "text", "spans")
    text = pool.texts[0]
    assert [(text[start:end], names[one]) for start, end, one in pool.classes[0]] == [
        ("Ada Lovelace", "person"),
        ("Ann", "person"),
        ("Bo", "person"),
        ("train", "place"),
    ]


def test_a_set_without_a_test_set_is_split_and_each_row_is_in_one_part(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"instruction": f"do {WORDS[at % 40]} {WORDS[at // 40]}", "label": "ab"[at % 2]}
        for at in range(1_200)
    ]
    write(tmp_path / "in" / "train.jsonl", rows)
    _, pool, test = labeled.read(*labels.prepare(tmp_path / "in", tmp_path / "out"), "text", "single_label")
    assert (len(pool), len(test)) == (200, 1_000)
    assert sorted(pool.texts + test.texts) == sorted(str(row["instruction"]) for row in rows)


def test_gzipped_rows_with_several_labels_and_lines_that_unicode_would_split(tmp_path: Path) -> None:
    row = {"text": "one\u2028two", "labels": ["b", "a"], "id": "x"}
    with gzip.open(tmp_path / "train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    assert list(labels.rows(tmp_path / "train.jsonl")) == [{"text": "one\u2028two", "labels": ["b", "a"]}]
    assert list(labels.rows(tmp_path / "test.jsonl")) == []
