import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pool import strings

cells = st.lists(st.none() | st.text())


def key(*columns: pa.Array) -> str:
    into = hashlib.blake2b()
    strings.hashed(pa.chunked_array(columns, strings.TYPE), into)
    return into.hexdigest()


@given(cells)
def test_a_column_gives_back_what_went_in(values: list[str | None]) -> None:
    column = strings.column(values)
    column.validate(full=True)
    assert column.to_pylist() == values
    assert column.null_count == values.count(None)


@given(cells, cells)
def test_a_hash_knows_cells_and_no_chunks(one: list[str | None], other: list[str | None]) -> None:
    whole = strings.column(one + other)
    assert key(strings.column(one), strings.column(other)) == key(whole)
    assert key(whole.slice(0, len(one)), whole.slice(len(one))) == key(whole)
    assert (key(strings.column(one)) == key(strings.column(other))) == (one == other)


@pytest.mark.parametrize("other", [["a", "b", None], ["ab", "", ""], ["a", "b"], ["b", "a", ""]])
def test_tables_that_differ_have_different_hashes(other: list[str | None]) -> None:
    assert key(strings.column(["a", "b", ""])) != key(strings.column(other))


def test_rows_in_the_order_asked_for() -> None:
    table = pa.table({"a": strings.column(["x", None, "z"])})
    assert strings.take(table, [2, 1, 2]).to_pydict() == {"a": ["z", None, "z"]}
    assert strings.take(table, []).num_rows == 0
