import pytest
from sqlalchemy import select

from service.pool.lines import Rejection
from service.pool.pool import Receipt
from service.pool.text import role_key
from service.records import Example
from service.store.schema import label
from tests.pool.conftest import World


@pytest.mark.parametrize("sealed", [False, True])
def test_by_id_by_alias_and_by_text(world: World, sealed: bool) -> None:
    world.add(Example("one", "a"), Example("two", "b"), Example("two", "c"), Example("three"))
    if sealed:
        world.seal()
    receipt = world.add_labels(
        Example("", "a", label="good"),
        Example("", "c", label="bad"),
        Example("three", label="good"),
        Example("four", "d", label="bad"),
    )
    assert receipt == Receipt(received=4, added=1, duplicates=3, labels=4)
    with world.database.reading() as connection:
        rows = connection.execute(select(label)).all()
    assert {(row.value, row.role_key) for row in rows} == {
        ("good", role_key("one")),
        ("bad", role_key("two")),
        ("good", role_key("three")),
        ("bad", role_key("four")),
    }


def test_what_cannot_be_used_is_told(world: World) -> None:
    world.add(Example("one", "a"))
    receipt = world.add_labels(
        Example("one"),
        Example("", label="good"),
        Example("", "x", label="good"),
        Example("", "a", label="ugly"),
        Example("other", "a", label="good"),
    )
    assert (receipt.received, receipt.rejected, receipt.labels) == (5, 5, 0)
    assert sorted(receipt.errors, key=lambda one: one.line) == [
        Rejection(1, "'label' is missing: give one of the campaign's labels"),
        Rejection(2, "neither 'id' nor 'text' is given"),
        Rejection(3, "the id 'x' is not in the pool: give its text too"),
        Rejection(4, "the label 'ugly' is not one of the campaign's"),
        Rejection(5, "the id 'a' already names another text"),
    ]


def test_a_label_that_is_there_stays(world: World) -> None:
    world.add(Example("one", "a", label="good"))
    assert world.add_labels(Example("", "a", label="bad"), Example("", "a", label="bad")) == Receipt(
        received=2, duplicates=2
    )


def test_several_labels_or_none(labels_world: World) -> None:
    labels_world.add(Example("one", "a"), Example("two", "b", label=["bad", "good"]))

    receipt = labels_world.add_labels(
        Example("", "a", label=[]), Example("three"), Example("four", label=["ugly"])
    )

    assert (receipt.labels, [one.reason for one in receipt.errors]) == (
        1,
        [
            "'labels' is missing: give a list of the campaign's labels, empty where none holds",
            "the label 'ugly' is not one of the campaign's",
        ],
    )
    with labels_world.database.reading() as connection:
        assert connection.execute(select(label.c.value).order_by(label.c.version)).scalars().all() == [
            '["good","bad"]',
            "[]",
        ]


@pytest.mark.parametrize("sealed", [False, True])
def test_spans_by_id_are_held_against_the_stored_text(spans_world: World, sealed: bool) -> None:
    spans_world.add(Example("😀 Bob", "a"), Example("Eve", "b"))
    if sealed:
        spans_world.seal()

    receipt = spans_world.add_labels(
        Example("", "a", label=[{"start": 2, "end": 5, "label": "good"}]),
        Example("", "b", label=[{"start": 2, "end": 5, "label": "good"}]),
    )

    assert (receipt.labels, receipt.errors) == (
        1,
        [
            Rejection(
                2,
                "the span {'start': 2, 'end': 5, 'label': 'good'} ends beyond the text, which has 3 characters",
            )
        ],
    )
