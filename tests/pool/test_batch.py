from service.pool import shards
from service.pool.batch import Batch
from service.pool.lines import Line
from service.pool.packed import pack
from service.pool.text import PIECE, digest
from service.records import Example


def test_lines_come_back_in_order_however_they_went_in() -> None:
    first = [
        Line(3, Example("one", "a", "web", {"n": [1, None]}), False),
        Line(5, Example("two", label="good", meta={"m": 1}), True),
    ]
    many = pack(6, ["three", "four"], ["c", None], [None, "d"], [{}, None])
    last = [Line(8 + at, Example(f"text {at}", f"id {at}"), False) for at in range(PIECE + 1)]
    batch = Batch()
    for line in first:
        batch.append(line)
    batch.extend(many)
    for line in last:
        batch.append(line)
    batch.pack()
    packed = [
        Line(6, Example("three", "c", None, {}), False),
        Line(7, Example("four", None, "d", None), False),
    ]
    assert list(batch.lines()) == [*first, *packed, *last]
    assert len(batch) == 4 + PIECE + 1
    assert batch.digests == [digest(line.example.text) for line in batch.lines()]
    assert batch.id_keys[:3] == [shards.id_key("a"), None, shards.id_key("c")]
    assert (batch.id(3), batch.text(3), batch.id(4 + PIECE)) == (None, "four", f"id {PIECE}")
    assert batch.ids() == ["a", "c", *(f"id {at}" for at in range(PIECE + 1))]
    assert (batch.truncated, list(batch.labeled)) == ({1}, [1])


def test_the_size_counts_texts_and_meta() -> None:
    batch = Batch.of([Line(1, Example("ab", meta={"n": 1}), False)])
    batch.extend(pack(2, ["c", "de"], [None, None], [None, None], [None, {"x": ""}]))
    assert batch.chars == 2 + len('{"n":1}') + 3 + len('{"x":""}')
