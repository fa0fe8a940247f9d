import pytest
from sqlalchemy import select

from service.errors import Conflict
from service.pool import pool, shards
from service.pool.batch import Batch
from service.pool.lines import Line, Rejection
from service.pool.packed import pack
from service.pool.pool import BATCH, BATCH_S, Receipt, ingest
from service.pool.shards import SHARD_ROWS
from service.pool.text import role_key
from service.records import Example, Place
from service.store import campaigns
from service.store.campaigns import NewCampaign
from service.store.schema import alias, label, staged
from tests.filling import fill, numbered
from tests.pool.conftest import World


def test_examples_get_places_in_order(world: World) -> None:
    assert world.add(Example("one", "a"), Example("two")) == Receipt(received=2, added=2)
    assert world.add(Example("three", "c")) == Receipt(received=1, added=1)
    with world.database.reading() as connection:
        by_id, by_text = pool.find(connection, world.files, world.id, ["a", "c", "x"], ["two", "none"])
        assert pool.size(connection, world.id) == 3
    assert by_id == {"a": Place(0, 0), "c": Place(0, 2)}
    assert by_text == {"two": Place(0, 1)}


@pytest.mark.parametrize("sealed", [False, True])
def test_duplicates_become_aliases_of_the_first(world: World, sealed: bool) -> None:
    first = world.add(
        Example("one text", "a"), Example(" one\ttext", "b"), Example("one text"), Example("two", "c")
    )
    assert first == Receipt(received=4, added=2, duplicates=2)
    if sealed:
        assert world.seal() == [0]
    again = world.add(Example("one text", "a"), Example("one text", "d"), Example("two"), Example("three"))
    assert again == Receipt(received=4, added=1, duplicates=3)
    with world.database.reading() as connection:
        known = connection.execute(
            select(alias.c.ext_id, alias.c.shard, alias.c.row).order_by(alias.c.ext_id)
        ).all()
        by_id, _ = pool.find(connection, world.files, world.id, ["a", "b", "c", "d"], [])
    assert [tuple(row) for row in known] == [("b", 0, 0), ("d", 0, 0)]
    assert by_id == {"a": Place(0, 0), "b": Place(0, 0), "c": Place(0, 1), "d": Place(0, 0)}


@pytest.mark.parametrize("sealed", [False, True])
def test_an_id_names_one_text_for_ever(world: World, sealed: bool) -> None:
    world.add(Example("one", "a"), Example("one", "alias"))
    if sealed:
        world.seal()
    receipt = world.add(
        Example("another", "a"), Example("another", "alias"), Example("new", "n"), Example("newer", "n")
    )
    assert receipt == Receipt(
        received=4,
        added=1,
        rejected=3,
        errors=[
            Rejection(1, "the id 'a' already names another text"),
            Rejection(2, "the id 'alias' already names another text"),
            Rejection(4, "the id 'n' already names another text"),
        ],
    )


def test_the_same_upload_twice_adds_nothing(world: World) -> None:
    examples = [Example(f"text {at // 2}", f"id {at}") for at in range(20)]
    assert world.add(*examples) == Receipt(received=20, added=10, duplicates=10)
    assert world.add(*examples) == Receipt(received=20, duplicates=20)
    world.seal()
    assert world.add(*examples) == Receipt(received=20, duplicates=20)
    with world.database.reading() as connection:
        assert pool.size(connection, world.id) == 10


def test_labels_that_come_along_train_once(world: World) -> None:
    receipt = world.add(
        Example("one", label="good"),
        Example("one", label="bad"),
        Example("two", label="ugly"),
        Example("three"),
    )
    assert (receipt.added, receipt.duplicates, receipt.labels) == (2, 1, 1)
    assert receipt.errors == [Rejection(3, "the label 'ugly' is not one of the campaign's")]
    assert world.add(Example("three", label="bad"), Example("one", label="bad")).labels == 1
    with world.database.reading() as connection:
        rows = connection.execute(select(label).order_by(label.c.version)).all()
    assert [(row.version, row.row, row.value, row.source, row.role, row.role_key) for row in rows] == [
        (1, 0, "good", "import", "train", role_key("one")),
        (2, 1, "bad", "import", "train", role_key("three")),
    ]


def test_the_test_set_is_apart_and_needs_labels(world: World) -> None:
    world.add(Example("one", "a"))
    receipt = world.add(Example("one", "a", label="good"), Example("two"), kind="test")
    assert receipt == Receipt(
        received=2, added=1, rejected=1, errors=[Rejection(2, "a test example needs a 'label'")]
    )
    assert world.seal() == [0, 1]
    with world.database.reading() as connection:
        (row,) = pool.all_shards(connection, world.id, "test")
        assert (pool.size(connection, world.id), pool.size(connection, world.id, "test")) == (1, 1)
    assert shards.columns(world.files, row.content, ["label", "ext_id"]) == {
        "label": ["good"],
        "ext_id": ["a"],
    }


@pytest.mark.parametrize("sealed", [False, True])
def test_spans_are_of_the_text_that_is_kept(spans_world: World, sealed: bool) -> None:
    """Given a text that is in the pool with other white space, then offsets into the new one are not taken for its."""
    spans_world.add(Example("Bob  left", "a"), Example("Eve", "b"))
    if sealed:
        spans_world.seal()

    receipt = spans_world.add(
        Example("Bob left", label=[{"start": 4, "end": 8, "label": "good"}]),
        Example("Bob  left", label=[{"start": 5, "end": 9, "label": "good"}]),
        Example("new\ttext", label=[]),
        Example("new text", label=[{"start": 4, "end": 8, "label": "bad"}]),
        Example("Eve", label=[{"start": 1, "end": 4, "label": "bad"}]),
    )

    assert (receipt.added, receipt.duplicates, receipt.rejected, receipt.labels) == (1, 1, 3, 2)
    assert [(one.line, one.reason.split(",")[0]) for one in receipt.errors] == [
        (1, "the text is in the pool already"),
        (4, "the text is in the pool already"),
        (5, "the span {'start': 1"),
    ]
    with spans_world.database.reading() as connection:
        rows = connection.execute(select(label).order_by(label.c.version)).all()
    assert [row.value for row in rows] == ['[{"start":5,"end":9,"label":"good"}]', "[]"]


def test_a_test_set_of_spans(spans_world: World) -> None:
    receipt = spans_world.add(
        Example("Bob", label=[{"start": 0, "end": 3, "label": "good"}]), Example("Eve"), kind="test"
    )
    assert receipt.errors == [Rejection(2, "a test example needs a 'spans'")]
    spans_world.seal()
    with spans_world.database.reading() as connection:
        (row,) = pool.all_shards(connection, spans_world.id, "test")
    assert shards.columns(spans_world.files, row.content, ["label"]) == {
        "label": ['[{"start":0,"end":3,"label":"good"}]']
    }


def test_a_full_shard_is_closed_and_the_next_one_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", 4)
    assert SHARD_ROWS == 65_536
    world.add(*(Example(f"text {at}") for at in range(10)))
    with world.database.reading() as connection:
        rows = [(row.number, row.state, row.rows) for row in pool.all_shards(connection, world.id)]
    assert rows == [(0, "full", 4), (1, "full", 4), (2, "filling", 2)]
    world.add(*(Example(f"more {at}") for at in range(2)))
    with world.database.reading() as connection:
        assert pool.all_shards(connection, world.id)[-1].state == "full"
    assert world.seal() == [0, 1, 2]
    with world.database.reading() as connection:
        assert connection.execute(select(staged)).first() is None
        _, by_text = pool.find(connection, world.files, world.id, [], ["text 9", "more 1"])
    assert by_text == {"text 9": Place(2, 1), "more 1": Place(2, 3)}


def test_many_new_examples_make_a_shard_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a shard that is filling, then many new examples leave it as it is, and are found like all others."""
    monkeypatch.setattr(pool, "APART", 4)
    world.add(Example("one", "a"), Example("two", "b"))
    receipt = world.add(
        Example("three", "c", "web", {"n": [1, None]}),
        Example("three", "c2"),
        Example("one", "a2"),
        Example("four", label="good"),
        Example("five", "a"),
        Example("six"),
        Example(" six", label="bad"),
        Example("seven", "g", label="ugly"),
        Example("eight", "h"),
    )
    world.add(Example("nine", "i"), Example("three", "c3"), Example("other", "h"))
    assert (receipt.received, receipt.added, receipt.duplicates, receipt.labels) == (9, 4, 3, 2)
    assert receipt.errors == [
        Rejection(5, "the id 'a' already names another text"),
        Rejection(8, "the label 'ugly' is not one of the campaign's"),
    ]
    with world.database.reading() as connection:
        rows = pool.all_shards(connection, world.id)
        assert [(row.number, row.state, row.rows) for row in rows] == [(0, "filling", 3), (1, "sealed", 4)]
        by_id, by_text = pool.find(
            connection, world.files, world.id, ["a", "a2", "c", "c2", "c3", "g", "h", "i"], ["four", "six"]
        )
        held = connection.execute(select(label).order_by(label.c.version)).all()
    assert by_id == {
        "a": Place(0, 0),
        "a2": Place(0, 0),
        "c": Place(1, 0),
        "c2": Place(1, 0),
        "c3": Place(1, 0),
        "h": Place(1, 3),
        "i": Place(0, 2),
    }
    assert by_text == {"four": Place(1, 1), "six": Place(1, 2)}
    assert [(row.shard, row.row, row.value) for row in held] == [(1, 1, "good"), (1, 2, "bad")]
    assert held[0].role_key == role_key("four")
    assert shards.examples(world.files, rows[1].content, [0, 1]) == [
        {"text": "three", "ext_id": "c", "domain": "web", "meta": '{"n":[1,null]}', "label": None},
        {"text": "four", "ext_id": None, "domain": None, "meta": None, "label": "good"},
    ]


def test_a_shard_is_the_same_whichever_way_it_came(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [Example(f"text {at}", f"id {at}" if at % 3 else None, meta={"at": at}) for at in range(3000)]
    world.add(*examples)
    world.seal()
    with world.database.transaction() as connection:
        (through_sql,) = pool.all_shards(connection, world.id)
        other = campaigns.create(connection, NewCampaign("another", ["good", "bad"], "none"))
    monkeypatch.setattr(pool, "APART", 1)
    with world.database.transaction() as connection:
        fill(connection, world.files, other.id, examples)
        (at_once,) = pool.all_shards(connection, other.id)
    assert at_once.content == through_sql.content


def test_a_shard_is_sealed_once(world: World) -> None:
    world.add(Example("one"))
    world.seal()
    with (
        pytest.raises(Conflict, match=r"shard 0 of campaign .* is not waiting"),
        world.database.transaction() as connection,
    ):
        pool.sealed(connection, world.id, 0, "other")


def test_ingest_commits_by_batches_and_counts_rejections() -> None:
    receipt, batches = Receipt(), []
    bad = [Rejection(at, "bad") for at in range(150)]
    good: list[Line] = numbered([Example(str(at)) for at in range(BATCH + 1)])
    ingest([*bad, *good], receipt, lambda batch: batches.append(len(batch)))
    assert batches == [BATCH, 1]
    assert (receipt.received, receipt.rejected, len(receipt.errors)) == (150, 150, 100)


def test_a_batch_ends_within_many_lines() -> None:
    texts = [f"text {at}" for at in range(2 * BATCH)]
    nothing = [None] * len(texts)
    batches: list[Batch] = []
    lines = [Line(1, Example("first"), False), pack(2, texts, nothing, nothing, nothing)]
    ingest(lines, Receipt(), batches.append)
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 1]
    assert [batch.text(0) for batch in batches] == ["first", f"text {BATCH - 1}", f"text {2 * BATCH - 1}"]
    assert [batch.numbers[-1] for batch in batches] == [BATCH, 2 * BATCH, 2 * BATCH + 1]


def test_long_texts_make_small_batches() -> None:
    batches: list[int] = []
    lines = numbered([Example("x" * 50_000)] * 400 + [Example("y", meta={"z": "m" * 1_000_000})] * 17)
    ingest(lines, Receipt(), lambda batch: batches.append(len(batch)))
    assert batches == [320, 92, 5]


def test_a_slow_store_makes_no_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a store that takes longer than a slow sender may, then its time is not taken for the sender's."""
    at = 0.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return at

    def store(batch: Batch) -> None:
        nonlocal at
        at += 10 * BATCH_S
        sizes.append(len(batch))

    monkeypatch.setattr("service.pool.pool.time", Clock)
    sizes: list[int] = []
    ingest(numbered([Example("text")] * (BATCH + 100)), Receipt(), store)
    assert sizes == [BATCH, 100]
