"""Rows as Parquet, read again by pyarrow."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.export import columns, parquet

ANSWERS = {
    "single_label": ("label", "good"),
    "multi_label": ("labels", ["good", "bad"]),
    "spans": ("spans", [{"start": 0, "end": 2, "label": "A"}]),
}


def row(problem: str, **values: Any) -> dict[str, Any]:
    field, answer = ANSWERS[problem]
    known = {
        "id": "a",
        "ids": ["a", "b"],
        "text": "one",
        field: answer,
        "weight": 0.5,
        "probability": None,
        "reason": "one answer",
        "source": "annotation",
        "role": "train",
        "annotations": 1,
        "annotators": [3, 5],
        "round": 2,
        "strategy": "auto",
        "domain": None,
        "meta": {"n": [1, None]},
        "version": 7,
        "made_at": 1_700_000_000.25,
    }
    return known | values


def read(problem: str, rows: list[dict[str, Any]]) -> pa.Table:
    pieces = parquet.stream(problem, columns.of("labels", problem), [rows])
    return pq.read_table(io.BytesIO(b"".join(pieces)))


@pytest.mark.parametrize("problem", ANSWERS)
def test_every_column_has_its_type_and_value(problem: str) -> None:
    field, answer = ANSWERS[problem]
    table = read(problem, [row(problem), row(problem, meta=None, made_at=None, round=None, annotators=[])])

    assert table.schema.field("ids").type == pa.list_(pa.string())
    assert table.schema.field("annotators").type == pa.list_(pa.int64())
    assert table.schema.field("made_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("meta").type == pa.string()
    if problem == "spans":
        assert table.schema.field(field).type.value_type == pa.struct(
            {"start": pa.int64(), "end": pa.int64(), "label": pa.string()}
        )
    first, second = table.to_pylist()
    assert first.pop("made_at") == datetime.fromtimestamp(1_700_000_000.25, UTC)
    assert json.loads(first.pop("meta")) == {"n": [1, None]}
    expected = row(problem)
    assert first == {name: value for name, value in expected.items() if name not in ("meta", "made_at")}
    assert (second["meta"], second["made_at"], second["round"], second["annotators"]) == (
        None,
        None,
        None,
        [],
    )
    assert second[field] == answer


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_comes_back(texts: list[str]) -> None:
    rows = [row("single_label", text=one, ids=texts, meta={"n": one}) for one in texts]
    found = read("single_label", rows).to_pylist()
    assert [one["text"] for one in found] == texts
    assert {tuple(one["ids"]) for one in found} == {tuple(texts)}
    assert [json.loads(one["meta"])["n"] for one in found] == texts


def test_a_row_group_goes_out_before_the_next_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given pages of three rows, and groups of four, then the first group is sent when the fourth row was asked for."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    asked = []

    def pages() -> Iterator[list[dict[str, Any]]]:
        for page in range(3):
            asked.append(page)
            yield [row("single_label", id=str(3 * page + at)) for at in range(3)]

    pieces = parquet.stream("single_label", columns.of("labels", "single_label"), pages())
    first = next(pieces)

    assert (asked, first[:4]) == ([0, 1], b"PAR1")
    file = pq.ParquetFile(io.BytesIO(first + b"".join(pieces)))
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [4, 4, 1]
    assert file.read().column("id").to_pylist() == [str(at) for at in range(9)]


def test_a_file_without_rows_has_all_columns() -> None:
    table = read("spans", [])
    assert (table.num_rows, table.schema) == (0, parquet.schema("spans", columns.of("labels", "spans")))


def test_long_texts_make_smaller_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1_000)
    pieces = parquet.stream(
        "single_label",
        columns.of("labels", "single_label"),
        [[row("single_label", text="x" * 600) for _ in range(4)]],
    )
    assert pq.ParquetFile(io.BytesIO(b"".join(pieces))).num_row_groups == 2


def test_writing_loads_no_pandas() -> None:
    code = (
        "import sys\nfrom service.export import columns, parquet\n"
        "of = columns.of('labels', 'single_label')\n"
        "rows = [dict.fromkeys((one.name for one in of)) | {'ids': ['a'], 'text': 'b', 'made_at': 1.5}]\n"
        "print(len(b''.join(parquet.stream('single_label', of, [rows]))), 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    size, loaded = done.stdout.split()
    assert (int(size) > 500, loaded) == (True, "False")
