import datetime
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.errors import Invalid
from service.pool import parquet
from service.pool.lines import Line, Rejection, read
from service.records import Example


def file(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def lines(body: bytes, problem: str = "single_label", **options: Any) -> list[Line | Rejection]:
    chunks = [body[at : at + 100] for at in range(0, len(body), 100)]
    return list(read(chunks, "parquet", options.pop("text_field", "text"), problem=problem, **options))


def test_columns_become_examples() -> None:
    body = file(
        {
            "body": ["a", "b", None],
            "id": [1, 2, 3],
            "domain": ["web", None, "web"],
            "label": ["x", None, None],
            "votes": [3, None, 5],
            "text": ["not", "these", "ones"],
        }
    )

    assert lines(body, text_field="body") == [
        Line(1, Example("a", "1", "web", {"votes": 3, "text": "not"}, "x"), False),
        Line(2, Example("b", "2", None, {"text": "these"}), False),
        Rejection(3, "'body' is missing: give the text as a string"),
    ]


def test_values_that_json_does_not_have() -> None:
    body = file(
        {
            "text": ["a"],
            "at": [datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)],
            "price": [Decimal("1.50")],
            "raw": [b"\x00\xff"],
            "score": [float("nan")],
            "meta": [{"score": 2, "deep": [1]}],
        }
    )

    (line,) = lines(body)
    assert isinstance(line, Line)
    assert line.example.meta == {
        "at": "2026-01-02T03:04:05Z",
        "price": "1.50",
        "raw": "AP8=",
        "score": 2,
        "deep": [1],
    }


def test_several_labels_and_spans() -> None:
    several = file({"text": ["a", "b", "c"], "labels": [["x", "y"], [], None]})
    spans = file({"text": ["ab"], "spans": [[{"start": 0, "end": 1, "label": "x"}]]})

    assert [one.example.label for one in lines(several, "multi_label")] == [["x", "y"], [], None]  # type: ignore[union-attr]
    assert [one.example.label for one in lines(spans, "spans")] == [[{"start": 0, "end": 1, "label": "x"}]]  # type: ignore[union-attr]


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4"])
def test_many_row_groups(compression: str) -> None:
    texts = [f"text {n}" for n in range(5_000)]
    body = file({"text": texts}, row_group_size=700, compression=compression)

    assert [one.example.text for one in lines(body)] == texts  # type: ignore[union-attr]


@pytest.mark.parametrize("spoilt", ["plain", "cut", "holed"])
def test_what_is_no_whole_file_is_refused(spoilt: str) -> None:
    whole = file({"text": [f"text {n} {n * n}" for n in range(50_000)]}, row_group_size=10_000)
    middle = len(whole) * 2 // 3
    body = {
        "plain": b'{"text": "a"}\n' * 10,
        "cut": whole[:middle],
        "holed": whole[:middle] + bytes(len(whole) - middle - 2_000) + whole[-2_000:],
    }[spoilt]
    found: list[bytes] = []

    with pytest.raises(Invalid, match="cannot be read as Parquet"):
        found.extend(parquet.as_json_lines([body], ["text"]))
    assert bool(found) == (spoilt == "holed")


def test_a_row_that_is_too_long_is_told_and_the_next_is_read() -> None:
    (first, long, last) = lines(file({"text": ["a", "x" * 2_000_000, "b"]}))

    assert isinstance(long, Rejection)
    assert "longer than" in long.reason
    assert [first, last] == [Line(1, Example("a"), False), Line(3, Example("b"), False)]


@pytest.mark.parametrize("kind", ["dictionary", "page", "nothing"])
def test_a_bomb_is_refused_in_limited_memory(kind: str) -> None:
    match kind:
        case "dictionary":  # 300 rows of 8 MB, stored once
            one = pa.array(["x" * (8 << 20)])
            body = file({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 300), one)})
        case "page":
            texts = ["x" * (1 << 20)] * 1_200
            body = file({"text": texts}, compression="zstd", use_dictionary=False, data_page_size=1 << 31)
        case "nothing":  # lists of nothing, hundreds of millions of them
            lists = pa.ListArray.from_arrays(pa.array([0, 1 << 28]), pa.nulls(1 << 28, pa.null()))
            body = file({"text": ["a"], "meta": lists}, compression="zstd")

    assert len(body) < 2_000_000
    with pytest.raises(Invalid, match=r"cannot be read as Parquet: (it takes more than|its reader ended)"):
        lines(body)


def children() -> set[str]:
    return {pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


def test_a_reader_ends_with_who_asked() -> None:
    before = children()
    found = parquet.as_json_lines([file({"text": [f"text {n}" for n in range(200_000)]})], ["text"])
    next(found)
    during = children()

    found.close()

    assert len(during - before) == 1
    assert children() <= before
