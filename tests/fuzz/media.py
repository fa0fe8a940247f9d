"""Bodies of uploads for schemathesis, which loads this file: nearly right ones, and such as were spoilt after that."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import schemathesis
from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SPAN = st.fixed_dictionaries(
    {"start": st.integers(-2, 20), "end": st.integers(-2, 20), "label": st.text(max_size=5)}
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "id": st.text(max_size=8) | st.integers(),
    "domain": st.text(max_size=8),
    "meta": st.dictionaries(st.text(max_size=5), ANYTHING, max_size=3),
    "label": st.sampled_from(["good", "bad"]) | st.text(max_size=8),
    "labels": st.lists(st.sampled_from(["good", "bad"])),
    "spans": st.lists(SPAN, max_size=3),
}
ROW = st.fixed_dictionaries(
    {"text": FIELDS["text"]},
    optional={name: one | ANYTHING for name, one in FIELDS.items() if name != "text"},
)
ROWS = st.lists(ROW, max_size=6)


def _json_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, sorted({"text"}.union(*rows)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    columns = sorted({"text"}.union(*rows))
    cells = {
        name: [row.get(name) if name == "text" else json.dumps(row.get(name)) for row in rows]
        for name in columns
    }
    out = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(column, pa.string()) for name, column in cells.items()}), out)
    return out.getvalue()


@st.composite
def _spoilt(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Some bytes of it are others, or gone."""
    body = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3)) if body else 0):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(body)


for name, write in {
    "application/x-ndjson": _json_lines,
    "application/jsonl": _json_lines,
    "application/json-lines": _json_lines,
    "text/csv": _csv,
    "application/vnd.apache.parquet": _parquet,
}.items():
    good = ROWS.map(write)
    schemathesis.openapi.media_type(name, good | _spoilt(good) | st.binary())
