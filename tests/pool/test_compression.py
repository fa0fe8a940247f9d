import gzip
import random
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from service import memory
from service.errors import Invalid
from service.pool.compression import PIECE_BYTES, unpacked

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
}
TEXT = b"".join(b'{"text": "%d"}\n' % random.Random(0).getrandbits(64) for _ in range(40_000))


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture(params=PACK)
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("size", [1_000, 1 << 20])
def test_what_was_packed_is_unpacked(encoding: str, size: int) -> None:
    pieces = list(unpacked(chunks(PACK[encoding](TEXT), size), encoding))

    assert b"".join(pieces) == TEXT
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_streams_may_follow_each_other(encoding: str) -> None:
    packed = PACK[encoding](b"one\n") + PACK[encoding](b"two\n")

    assert b"".join(unpacked(chunks(packed, 5), encoding)) == b"one\ntwo\n"


def test_nothing_at_all(encoding: str) -> None:
    assert list(unpacked([PACK[encoding](b"")], encoding)) == []


def test_what_is_something_else_is_refused(encoding: str) -> None:
    with pytest.raises(Invalid, match=f"cannot be read as {encoding}"):
        list(unpacked([b'{"text": "plain"}\n' * 100], encoding))


def test_what_breaks_off_is_read_so_far(encoding: str) -> None:
    packed = PACK[encoding](TEXT)
    found: list[bytes] = []
    with pytest.raises(Invalid, match=f"cannot be read as {encoding}"):
        found.extend(unpacked(chunks(packed[: len(packed) // 2], 1_000), encoding))
    assert TEXT.startswith(b"".join(found))
    assert found


def test_a_bomb_is_unpacked_piece_by_piece(encoding: str) -> None:
    bomb = PACK[encoding](bytes(1 << 28))

    assert len(bomb) < 1 << 20
    assert max(len(piece) for piece in unpacked([bomb], encoding)) <= PIECE_BYTES


def test_a_sender_that_goes_away_is_told_as_such(encoding: str) -> None:
    class Gone(Exception):
        pass

    def broken() -> Iterator[bytes]:
        yield PACK[encoding](TEXT)[:1_000]
        raise Gone

    with pytest.raises(Gone):
        list(unpacked(broken(), encoding))


def test_a_broken_stream_leaves_nothing_behind(encoding: str) -> None:
    def taken(times: int) -> int:
        for _ in range(times):
            with pytest.raises(Invalid):
                list(unpacked([b"something else"], encoding))
        return memory.told("VmRSS") or 0

    before = taken(500)
    assert taken(2_000) - before < 2_000 * 1_000
