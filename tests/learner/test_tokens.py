from pathlib import Path

import numpy as np
import pytest

from service.errors import Invalid
from workers.tokens import Tokens, concat, pack

TOKENS = pack([[2, 5, 3], [2, 3], [2, 7, 7, 9, 3]], [False, False, True], 10, unknown=7)


def rows_of(tokens: Tokens) -> list[list[int]]:
    return [tokens.ids[a:b].tolist() for a, b in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)]


def test_pack_lays_rows_end_to_end() -> None:
    assert TOKENS.ids.tolist() == [2, 5, 3, 2, 3, 2, 7, 7, 9, 3]
    assert TOKENS.offsets.tolist() == [0, 3, 5, 10]
    assert TOKENS.lengths.tolist() == [3, 2, 5]
    assert len(TOKENS) == 3
    assert TOKENS.truncated == 1
    assert TOKENS.unknown.tolist() == [0, 0, 2]
    assert TOKENS.unknown_share == pytest.approx(0.2)


@pytest.mark.parametrize(("vocabulary", "kind"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_ids_are_as_small_as_the_vocabulary_allows(vocabulary: int, kind: type) -> None:
    tokens = pack([[vocabulary - 1]], [False], vocabulary)

    assert tokens.ids.dtype == kind
    assert tokens.ids.tolist() == [vocabulary - 1]


def test_take_keeps_the_order_asked_for_and_may_repeat() -> None:
    taken = TOKENS.take(np.array([2, 0, 2]))

    assert rows_of(taken) == [[2, 7, 7, 9, 3], [2, 5, 3], [2, 7, 7, 9, 3]]
    assert taken.cut.tolist() == [True, False, True]
    assert rows_of(TOKENS.take(np.array([], int))) == []


def test_concat_puts_parts_one_after_another() -> None:
    both = concat([TOKENS, TOKENS.take(np.array([1]))])

    assert rows_of(both) == [[2, 5, 3], [2, 3], [2, 7, 7, 9, 3], [2, 3]]
    assert both.truncated == 1
    assert both.unknown.tolist() == [0, 0, 2, 0]


def test_saved_tokens_come_back_mapped(tmp_path: Path) -> None:
    TOKENS.save(tmp_path / "tokens")
    loaded = Tokens.load(tmp_path / "tokens")

    assert isinstance(loaded.ids, np.memmap)
    assert loaded.ids.dtype == np.uint16
    assert rows_of(loaded) == rows_of(TOKENS)
    assert rows_of(loaded.take(np.array([1]))) == [[2, 3]]
    assert loaded.truncated == 1


def test_a_folder_without_tokens_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"no tokens can be read from .*: encode the shard again"):
        Tokens.load(tmp_path)


def test_arrays_of_different_shards_are_refused(tmp_path: Path) -> None:
    TOKENS.save(tmp_path)
    np.save(tmp_path / "ids.npy", TOKENS.ids[:-1])

    with pytest.raises(Invalid, match="do not fit together"):
        Tokens.load(tmp_path)
