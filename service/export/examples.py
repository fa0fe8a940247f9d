"""Examples as exports have them: with a name, and every id that was sent for their text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from service.files import Files
from service.pool import shards
from service.records import Place
from service.store.schema import alias, staged

PAGE = 2_000
"""Rows of an export that are in memory at a time."""


class Named(msgspec.Struct, frozen=True):
    id: str
    """As it was sent, else the example's place."""
    ids: list[str]
    text: str
    domain: str | None
    meta: dict[str, Any] | None
    told: str | None
    """What came with it as its answer, in codes (`service.vocabulary`)."""


@dataclass(frozen=True)
class Part:
    """Some rows of a shard, as they stood in SQL at one moment; their content may be in files."""

    shard: Row[Any]
    rows: Sequence[int]
    kept: dict[int, dict[str, Any]]
    """The content of rows that are not sealed yet."""
    aliases: Mapping[int, Sequence[str]]


def aliases(connection: Connection, campaign: str, kind: str, number: int) -> dict[int, list[str]]:
    """Further ids that were sent for the texts of a shard, by row; asked for once, since no index leads to them."""
    others = select(alias.c.row, alias.c.ext_id).where(
        alias.c.campaign == campaign, alias.c.kind == kind, alias.c.shard == number
    )
    found: dict[int, list[str]] = {}
    for row, ext_id in connection.execute(others.order_by(alias.c.row, alias.c.ext_id)):
        found.setdefault(row, []).append(ext_id)
    return found


def look(
    connection: Connection,
    campaign: str,
    shard: Row[Any],
    rows: Sequence[int],
    aliases: Mapping[int, Sequence[str]],
) -> Part:
    """Of a row of the table `shard`; `rows` ascend."""
    if shard.state == "sealed" or not rows:
        return Part(shard, rows, {}, aliases)
    columns = staged.c.text, staged.c.ext_id, staged.c.domain, staged.c.meta, staged.c.label
    content = select(staged.c.row, *columns).where(
        staged.c.campaign == campaign,
        staged.c.shard == shard.number,
        staged.c.row.between(rows[0], rows[-1]),
    )
    return Part(shard, rows, {one.row: dict(one._mapping) for one in connection.execute(content)}, aliases)


def read(files: Files, part: Part) -> list[Named]:
    """The examples of these rows, in their order."""
    if part.shard.state == "sealed":
        found = [shards.with_meta(one) for one in shards.examples(files, part.shard.content, part.rows)]
    else:
        found = [part.kept[row] for row in part.rows]
    return [
        _named(Place(part.shard.number, row), one, part.aliases.get(row, []))
        for row, one in zip(part.rows, found, strict=True)
    ]


def _named(place: Place, example: dict[str, Any], others: Sequence[str]) -> Named:
    own = example["ext_id"]
    return Named(
        str(place) if own is None else own,
        [id_ for id_ in [own, *others] if id_ is not None],
        example["text"],
        example["domain"],
        example["meta"],
        example["label"],
    )
