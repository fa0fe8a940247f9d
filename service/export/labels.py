"""Labels as they are taken away: what the campaign believes, who said it, how sure that is, and why it was asked."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Row, select

from service import answers
from service.answers import Answer
from service.export import examples
from service.export.examples import Named
from service.files import Files
from service.pool import pool, repeats
from service.records import Campaign, Place
from service.store.database import Database
from service.store.schema import annotation, label, selection
from service.vocabulary import Vocabulary


class Labeled(NamedTuple):
    place: Place
    row: dict[str, Any]
    """As exports have it (`service.export.columns`)."""
    said: Sequence[Row[Any]]
    """People's newest answers and skips, the oldest first: annotator, kind, value (in codes), lead_time, made_at and
    ls_id."""


def every(database: Database, files: Files, campaign: Campaign) -> Iterator[list[Labeled]]:
    """All labels that hold now, a page at a time: those of examples themselves, then those that others pass on."""
    yield from own(database, files, campaign)
    yield from propagated(database, files, campaign)


def own(
    database: Database, files: Files, campaign: Campaign, measures: bool | None = None
) -> Iterator[list[Labeled]]:
    """Labels of examples themselves; `measures`: only those of the hold-out, or only the others."""
    words = Vocabulary.of(campaign)
    with database.reading() as connection:
        found = pool.all_shards(connection, campaign.id, None)
    for number, kind in [(row.number, row.kind) for row in found if row.kind in ("pool", "synthetic")]:
        after, others = -1, None
        while True:
            with database.reading() as connection:
                known = _current(connection, campaign.id, number, after, measures)
                if not known:
                    break
                rows = [one.row for one in known]
                asked = _asked(connection, campaign.id, number, rows)
                said = _said(connection, campaign.id, number, rows)
                if others is None:
                    others = examples.aliases(connection, campaign.id, kind, number)
                shard = pool.shard_row(connection, campaign.id, number)
                part = examples.look(connection, campaign.id, shard, rows, others)
            after = rows[-1]
            yield [
                Labeled(
                    Place(number, one.row),
                    _believed(campaign, words, example, one, asked.get(one.row), said.get(one.row, ())),
                    said.get(one.row, ()),
                )
                for one, example in zip(known, examples.read(files, part), strict=True)
            ]


def propagated(database: Database, files: Files, campaign: Campaign) -> Iterator[list[Labeled]]:
    """Labels that examples have from one that they repeat, where the campaign passes them on."""
    if campaign.near_duplicates != "propagate":
        return
    with database.reading() as connection:
        compared = [row for row in pool.all_shards(connection, campaign.id) if row.near is not None]
    leaders, versions = [], []
    for shard in compared:
        with database.reading() as connection:
            known = _trained(connection, campaign.id, shard.number)
        rows, version = np.array(known, np.int64).reshape(-1, 2).T
        leaders.append(repeats.keys(files.path(shard.near))[rows])
        versions.append(version)
    if not compared:
        return
    # All that is in memory of each label: its leader and its version.
    labeled, version_of = np.concatenate(leaders), np.concatenate(versions)
    for shard in compared:
        with database.reading() as connection:
            own_labels = _rows_with_labels(connection, campaign.id, shard.number)
            others = examples.aliases(connection, campaign.id, shard.kind, shard.number)
        keys = repeats.keys(files.path(shard.near))
        free = np.ones(len(keys), np.bool_)
        free[own_labels] = False
        at, which = repeats.inherited(labeled, keys, free)
        for start in range(0, len(at), examples.PAGE):
            page, wanted = (
                at[start : start + examples.PAGE].tolist(),
                version_of[which[start : start + examples.PAGE]].tolist(),
            )
            with database.reading() as connection:
                passed = _versions(connection, campaign.id, set(wanted))
                part = examples.look(connection, campaign.id, shard, page, others)
            yield [
                Labeled(Place(shard.number, row), _passed_on(campaign, example, passed[version]), ())
                for row, version, example in zip(page, wanted, examples.read(files, part), strict=True)
            ]


def tests(database: Database, files: Files, campaign: Campaign) -> Iterator[list[Labeled]]:
    """The test set that was posted, less what cannot be said in today's labels."""
    words = Vocabulary.of(campaign)
    with database.reading() as connection:
        numbers = [row.number for row in pool.all_shards(connection, campaign.id, "test")]
    for number in numbers:
        with database.reading() as connection:
            others = examples.aliases(connection, campaign.id, "test", number)
        first, rows = 0, 1
        while first < rows:
            with database.reading() as connection:
                shard = pool.shard_row(connection, campaign.id, number)
                rows = shard.rows
                page = range(first, min(first + examples.PAGE, rows))
                part = examples.look(connection, campaign.id, shard, page, others)
            first = page.stop
            found = examples.read(files, part)
            said = [None if one.told is None else words.read(one.told) for one in found]
            yield [
                Labeled(Place(number, row), _tested(campaign, example, answer), ())
                for row, example, answer in zip(page, found, said, strict=True)
                if answer is not None
            ]


def _current(
    connection: Connection, campaign: str, number: int, after: int, measures: bool | None
) -> list[Row[Any]]:
    here = select(label).where(
        label.c.campaign == campaign, label.c.shard == number, label.c.ended.is_(None), label.c.row > after
    )
    if measures is not None:
        here = here.where(label.c.role == "hold-out" if measures else label.c.role != "hold-out")
    return list(connection.execute(here.order_by(label.c.row).limit(examples.PAGE)))


def _asked(connection: Connection, campaign: str, number: int, rows: Sequence[int]) -> dict[int, Row[Any]]:
    columns: tuple[Any, ...] = selection.c.row, selection.c.round, selection.c.strategy
    query = select(*columns).where(
        selection.c.campaign == campaign,
        selection.c.shard == number,
        selection.c.row.between(rows[0], rows[-1]),
        selection.c.state != "withdrawn",
    )
    return {one.row: one for one in connection.execute(query)}


def _said(
    connection: Connection, campaign: str, number: int, rows: Sequence[int]
) -> dict[int, list[Row[Any]]]:
    of = annotation.c
    columns: tuple[Any, ...] = of.row, of.annotator, of.kind, of.value, of.lead_time, of.made_at, of.ls_id
    query = select(*columns).where(
        of.campaign == campaign,
        of.shard == number,
        of.row.between(rows[0], rows[-1]),
        of.current,
        of.kind.in_(("answer", "skip")),
    )
    found: dict[int, list[Row[Any]]] = {}
    for one in connection.execute(query.order_by(of.row, of.made_at, of.ls_id)):
        found.setdefault(one.row, []).append(one)
    return found


def _trained(connection: Connection, campaign: str, number: int) -> list[tuple[int, int]]:
    """(row, version) of a shard's labels that may be passed on, in its order."""
    mine = select(label.c.row, label.c.version).where(
        label.c.campaign == campaign,
        label.c.shard == number,
        label.c.ended.is_(None),
        label.c.role != "hold-out",
    )
    return [(row, version) for row, version in connection.execute(mine.order_by(label.c.row))]


def _rows_with_labels(connection: Connection, campaign: str, number: int) -> list[int]:
    mine = select(label.c.row).where(
        label.c.campaign == campaign, label.c.shard == number, label.c.ended.is_(None)
    )
    return list(connection.execute(mine).scalars())


def _versions(connection: Connection, campaign: str, wanted: set[int]) -> dict[int, Row[Any]]:
    mine = select(label).where(label.c.campaign == campaign, label.c.version.in_(wanted))
    return {row.version: row for row in connection.execute(mine)}


def _believed(
    campaign: Campaign,
    words: Vocabulary,
    example: Named,
    known: Row[Any],
    asked: Row[Any] | None,
    said: Sequence[Row[Any]],
) -> dict[str, Any]:
    # Those count whose answers can be said in today's labels (`service.annotations`).
    who = (one.annotator for one in said if one.kind == "answer" and words.renewed(one.value) is not None)
    return _row(
        campaign,
        example,
        answers.read(campaign.problem, known.value),
        weight=known.weight,
        probability=known.probability,
        reason=known.reason,
        source=known.source,
        role=known.role,
        annotations=known.annotations,
        annotators=list(dict.fromkeys(number for number in who if number is not None)),
        round=None if asked is None else asked.round,
        strategy=None if asked is None else asked.strategy,
        version=known.version,
        made_at=known.made_at,
    )


def _passed_on(campaign: Campaign, example: Named, source: Row[Any]) -> dict[str, Any]:
    return _row(
        campaign,
        example,
        answers.read(campaign.problem, source.value),
        weight=round(repeats.PROPAGATED * source.weight, 4),
        reason=f"repeats {Place(source.shard, source.row)}: {repeats.PROPAGATED:g} of its label's weight",
        source="propagated",
        role="train",
        version=source.version,
        made_at=source.made_at,
    )


def _tested(campaign: Campaign, example: Named, answer: Answer) -> dict[str, Any]:
    return _row(
        campaign, example, answer, weight=1.0, reason="came with the test set", source="test", role="test"
    )


def _row(campaign: Campaign, example: Named, answer: Answer, **facts: Any) -> dict[str, Any]:
    """`facts`: the other columns, where they differ from those of an example that nobody was asked about."""
    return {
        "id": example.id,
        "ids": example.ids,
        "text": example.text,
        answers.FIELDS[campaign.problem]: answer,
        "weight": None,
        "probability": None,
        "reason": None,
        "source": None,
        "role": None,
        "annotations": 0,
        "annotators": [],
        "round": None,
        "strategy": None,
        "domain": example.domain,
        "meta": example.meta,
        "version": None,
        "made_at": None,
        **facts,
    }
