import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pool import index
from service.pool.index import MANY, Asked

keys = st.lists(st.binary(min_size=16, max_size=16), unique_by=lambda key: key[:8], max_size=50)


def hashed(count: int) -> list[bytes]:
    return [hashlib.blake2b(at.to_bytes(4), digest_size=16).digest() for at in range(count)]


@pytest.mark.parametrize("others", [0, MANY])
def test_finds_rows_and_misses(tmp_path: Path, others: int) -> None:
    *known, unknown = hashed(201 + others)
    index.write(tmp_path, "id", known[:200], range(1000, 1200))
    asked = Asked([known[7], unknown, known[199], known[7], *known[200:]])
    assert asked.find(tmp_path, "id") == {known[7]: 1007, known[199]: 1199}


@pytest.mark.parametrize("others", [0, MANY])
def test_half_a_key_is_not_enough(tmp_path: Path, others: int) -> None:
    index.write(tmp_path, "id", [b"12345678abcdefgh"], [3])
    assert Asked([b"12345678ABCDEFGH", *hashed(others)]).find(tmp_path, "id") == {}


def test_empty(tmp_path: Path) -> None:
    index.write(tmp_path, "id", [], [])
    assert Asked([bytes(16)]).find(tmp_path, "id") == {}
    assert Asked([]).find(tmp_path, "id") == {}


@settings(max_examples=50)
@given(known=keys, asked=keys)
def test_look_up_is_a_dictionary(tmp_path_factory: object, known: list[bytes], asked: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("index")  # type: ignore[attr-defined]
    index.write(folder, "digest", known, range(len(known)))
    both = {*asked, *known}
    found = Asked(both).find(folder, "digest")
    assert found == {key: row for row, key in enumerate(known)}
