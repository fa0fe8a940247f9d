"""Blind tasks: whoever answers them is told nothing, neither what a model thinks nor how others answered."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from service import synthesis
from service.errors import Invalid
from service.records import BLIND_ROLES, Campaign, Place
from service.store import selections
from service.store.schema import selection

CHUNK = 500


def is_blind(row: Row[Any], campaign: Campaign) -> bool:
    """Of a selection: random draws, which measure; second opinions and what is asked anew, which are to be their own;
    synthetic texts, of which people check what a generator meant."""
    return bool(
        row.role in BLIND_ROLES
        or row.wanted > campaign.overlap
        or row.void
        or row.strategy == synthesis.STRATEGY
    )


def tasks(
    connection: Connection, campaign: Campaign, ids: Sequence[Any], keys: Sequence[Any], texts: Sequence[Any]
) -> list[bool]:
    """Which of n tasks are blind: by Label Studio's id, by `data.ext_id`, or since a blind one has the very same text.

    Values of other types than these have are none.
    """
    numbers = [one for one in ids if type(one) is int and 0 <= one < 2**31]
    words = [one for one in texts if isinstance(one, str)]
    places = {key: place for key in keys if (place := _place(key)) is not None}
    found: list[Row[Any]] = []
    for start in range(0, max(len(numbers), len(words)), CHUNK):
        some = or_(
            selection.c.task.in_(numbers[start : start + CHUNK]),
            selection.c.text.in_(words[start : start + CHUNK]),
        )
        query = select(selection).where(
            selection.c.campaign == campaign.id, selection.c.state != "withdrawn", some
        )
        found += connection.execute(query)
    found += selections.at(connection, campaign.id, places.values()).values()
    blind = [row for row in found if is_blind(row, campaign)]
    known = (
        {row.task for row in blind},
        {row.text for row in blind},
        {Place(row.shard, row.row) for row in blind},
    )
    return [
        (type(id_) is int and id_ in known[0])
        or (isinstance(text, str) and text in known[1])
        or (isinstance(key, str) and places.get(key) in known[2])
        for id_, key, text in zip(ids, keys, texts, strict=True)
    ]


def example(key: str) -> Place:
    """Which example a task's `data.ext_id` names; raises Invalid for what names none."""
    place = _place(key)
    if place is None:
        raise Invalid(f"{key[:50]!r} names no example: it is a shard and a row, such as 0-17")
    return place


def _place(key: Any) -> Place | None:
    try:
        place = selections.example(key) if isinstance(key, str) else None
    except ValueError:
        return None
    return place if place is not None and 0 <= place.shard < 2**31 and 0 <= place.row < 2**31 else None
