import hashlib
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pool import index

keys = st.lists(st.binary(min_size=16, max_size=16), unique_by=lambda key: key[:8], max_size=50)


def test_finds_rows_and_misses(tmp_path: Path) -> None:
    known = [hashlib.blake2b(bytes([at]), digest_size=16).digest() for at in range(200)]
    index.write(tmp_path, "id", known, range(1000, 1200))
    assert index.look_up(tmp_path, "id", [known[7], bytes(16), known[199]]).tolist() == [1007, -1, 1199]


def test_half_a_key_is_not_enough(tmp_path: Path) -> None:
    index.write(tmp_path, "id", [b"12345678abcdefgh"], [3])
    assert index.look_up(tmp_path, "id", [b"12345678ABCDEFGH"]).tolist() == [-1]


def test_empty(tmp_path: Path) -> None:
    index.write(tmp_path, "id", [], [])
    assert index.look_up(tmp_path, "id", [bytes(16)]).tolist() == [-1]
    assert index.look_up(tmp_path, "id", []).dtype == np.int64


@settings(max_examples=50)
@given(known=keys, asked=keys)
def test_look_up_is_a_dictionary(tmp_path_factory: object, known: list[bytes], asked: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("index")  # type: ignore[attr-defined]
    index.write(folder, "digest", known, range(len(known)))
    wanted = {key: row for row, key in enumerate(known)}
    both = [*asked, *known]
    assert index.look_up(folder, "digest", both).tolist() == [wanted.get(key, -1) for key in both]
