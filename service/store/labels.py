"""Labels: what a campaign believes. Versions are never overwritten; a round works on a snapshot of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from service.records import Place, Role
from service.store import campaigns
from service.store.database import now
from service.store.schema import label


def import_known(connection: Connection, campaign: str, given: Mapping[Place, tuple[str, int]]) -> int:
    """Labels that came with the data: (value, role key) for each example. They train and never measure.

    An example that has a label keeps it. Returns how many are new.
    """
    return _add(connection, campaign, given, "import", "came with the data", dict.fromkeys(given, 1.0))


def add_synthetic(
    connection: Connection,
    campaign: str,
    given: Mapping[Place, tuple[str, int]],
    reason: str,
    weights: Mapping[Place, float],
) -> int:
    """Labels that synthetic texts were made for, as `import_known`: they train and never measure."""
    return _add(connection, campaign, given, "synthetic", reason, weights)


def end_synthetic(connection: Connection, campaign: str, shard: int) -> int:
    """Let the synthetic labels of a shard hold no more; how many did. What people answered stays."""
    here = and_(_current(campaign), label.c.shard == shard, label.c.source == "synthetic")
    if not connection.execute(select(func.count()).select_from(label).where(here)).scalar_one():
        return 0
    version = campaigns.count_up(connection, campaign, "label_version")
    return connection.execute(update(label).where(here).values(ended=version)).rowcount


def _add(
    connection: Connection,
    campaign: str,
    given: Mapping[Place, tuple[str, int]],
    source: str,
    reason: str,
    weights: Mapping[Place, float],
) -> int:
    if not given:
        return 0
    held = select(label.c.shard, label.c.row).where(
        _current(campaign),
        label.c.shard.in_({place.shard for place in given}),
        label.c.row.in_({place.row for place in given}),
    )
    taken = {Place(*row) for row in connection.execute(held)}
    new = {place: value for place, value in given.items() if place not in taken}
    if not new:
        return 0
    version = campaigns.count_up(connection, campaign, "label_version", len(new))
    rows = [
        _values(campaign, version + at, place, value, source, "train", 0, key, reason)
        | {"weight": weights[place]}
        for at, (place, (value, key)) in enumerate(new.items())
    ]
    made_at = connection.execute(select(now())).scalar_one()
    connection.execute(insert(label), [row | {"made_at": made_at} for row in rows])
    return len(rows)


def believe(
    connection: Connection,
    campaign: str,
    place: Place,
    value: str | None,
    role: Role,
    role_key: int,
    annotations: int,
    reason: str,
) -> bool:
    """Set what so many annotations say of one example (None: nothing any more); True where that is news.

    An imported label gives way to what people answer, and comes back with nothing: it stays ended. So does a
    synthetic one, which ends also where who was asked about it could give no answer.
    """
    held = connection.execute(select(label).where(_current(campaign), _at(place))).first()
    if held is not None and held.source == "import" and value is None:
        return False
    before = None if held is None else (held.value, held.source, held.annotations)
    if before == (None if value is None else (value, "annotation", annotations)):
        return False
    version = campaigns.count_up(connection, campaign, "label_version")
    if held is not None:
        connection.execute(
            update(label)
            .where(label.c.campaign == campaign, label.c.version == held.version)
            .values(ended=version)
        )
    if value is not None:
        connection.execute(
            insert(label).values(
                **_values(campaign, version, place, value, "annotation", role, annotations, role_key, reason),
                made_at=now(),
            )
        )
    return True


class Revision(msgspec.Struct, frozen=True):
    """What is now believed of an example, in place of the label that had this version."""

    version: int
    value: str
    weight: float
    probability: float | None
    reason: str | None


def revise(connection: Connection, campaign: str, revisions: Iterable[Revision]) -> int:
    """Put other labels in the place of those that still hold, of the same answers; how many."""
    wanted = {one.version: one for one in revisions}
    mine = select(label).where(_current(campaign), label.c.version.in_(wanted)).order_by(label.c.version)
    held = list(connection.execute(mine)) if wanted else []
    if not held:
        return 0
    first = campaigns.count_up(connection, campaign, "label_version", len(held))
    rows = []
    for version, row in enumerate(held, first):
        new = wanted[row.version]
        here = and_(label.c.campaign == campaign, label.c.version == row.version)
        connection.execute(update(label).where(here).values(ended=version))
        rows.append(dict(row._mapping) | msgspec.structs.asdict(new) | {"version": version})
    connection.execute(insert(label), rows)
    return len(rows)


def end(connection: Connection, campaign: str, versions: Iterable[int]) -> int:
    """Labels that hold no more, with nothing in their place; how many of these versions did."""
    held = and_(_current(campaign), label.c.version.in_(list(versions)))
    found = connection.execute(select(label.c.version).where(held).order_by(label.c.version)).scalars().all()
    if not found:
        return 0
    first = campaigns.count_up(connection, campaign, "label_version", len(found))
    for version, one in enumerate(found, first):
        here = and_(label.c.campaign == campaign, label.c.version == one)
        connection.execute(update(label).where(here).values(ended=version))
    return len(found)


def snapshot(connection: Connection, campaign: str, version: int) -> list[Row[Any]]:
    """All labels as they stood at `version`, oldest first."""
    then = and_(
        label.c.campaign == campaign,
        label.c.version <= version,
        or_(label.c.ended.is_(None), label.c.ended > version),
    )
    return list(connection.execute(select(label).where(then).order_by(label.c.version)).all())


def current(connection: Connection, campaign: str) -> list[Row[Any]]:
    """All labels that hold now, oldest first."""
    return list(connection.execute(select(label).where(_current(campaign)).order_by(label.c.version)).all())


def values(connection: Connection, campaign: str) -> list[tuple[int, int, str]]:
    """(shard, row, value) of the labels that hold now, but for synthetic ones."""
    query = select(label.c.shard, label.c.row, label.c.value)
    mine = query.where(_current(campaign), label.c.source != "synthetic")
    return [(shard, row, value) for shard, row, value in connection.execute(mine).all()]


def between(
    connection: Connection, campaign: str, since: int, until: int
) -> tuple[dict[tuple[int, int], str], dict[tuple[int, int], str]]:
    """{(shard, row): value} at version `since` and at version `until`, of examples that had news between."""
    held = select(label.c.shard, label.c.row, label.c.value).where(label.c.campaign == campaign)
    gone = held.where(label.c.version <= since, label.c.ended > since, label.c.ended <= until)
    came = held.where(
        label.c.version > since,
        label.c.version <= until,
        or_(label.c.ended.is_(None), label.c.ended > until),
    )
    then, now_ = (
        {(shard, row): value for shard, row, value in connection.execute(query).all()}
        for query in (gone, came)
    )
    return then, now_


def count(connection: Connection, campaign: str) -> dict[str, int]:
    """How many labels hold now, by role; imported and synthetic ones under `import` and `synthetic`."""
    group = select(label.c.source, label.c.role, func.count()).where(_current(campaign))
    rows = connection.execute(group.group_by(label.c.source, label.c.role))
    return by_role({(source, role): number for source, role, number in rows})


def by_role(numbers: Mapping[tuple[str, ...], int]) -> dict[str, int]:
    """Numbers by (source, role), as `count` has them."""
    counts: dict[str, int] = {}
    for (source, role), number in numbers.items():
        key = role if source == "annotation" else source
        counts[key] = counts.get(key, 0) + number
    return counts


def changes_since(connection: Connection, campaign: str, version: int) -> int:
    """How many examples got, changed or lost a label after `version`."""
    changed = or_(label.c.version > version, label.c.ended > version)
    query = (
        select(label.c.shard, label.c.row).where(label.c.campaign == campaign, changed).distinct().subquery()
    )
    return connection.execute(select(func.count()).select_from(query)).scalar_one()


def _current(campaign: str) -> Any:
    return and_(label.c.campaign == campaign, label.c.ended.is_(None))


def _at(place: Place) -> Any:
    return and_(label.c.shard == place.shard, label.c.row == place.row)


def _values(
    campaign: str,
    version: int,
    place: Place,
    value: str,
    source: str,
    role: str,
    annotations: int,
    role_key: int,
    reason: str,
) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "version": version,
        "shard": place.shard,
        "row": place.row,
        "value": value,
        "weight": 1.0,
        "reason": reason,
        "source": source,
        "role": role,
        "annotations": annotations,
        "role_key": role_key,
    }
