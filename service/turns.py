"""What a round did: what its adapter asked for, which labels were new to it, and what came of it."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from service import curve, exam
from service.files import Files
from service.measure.intervals import Interval
from service.predictions import ADAPTER
from service.records import HEADLINES, Campaign
from service.store import labels, rounds
from service.store.schema import selection

REASONS = 3


class Asked(msgspec.Struct, frozen=True):
    """Tasks that were chosen by one strategy for one role, and what became of them."""

    strategy: str
    role: str
    n: int
    answered: int
    skipped: int
    waiting: int
    """In the queue, or on the way there."""
    withdrawn: int
    """Taken back before anybody began, for better ones."""
    reasons: list[str]
    """Some of them, the most frequent first."""


class Renamed(msgspec.Struct, frozen=True):
    """Labels that gave way to others."""

    old: list[str]
    new: list[str]


class Turn(msgspec.Struct, frozen=True):
    """Round 0 stands for what was asked before there was any: random draws, and texts for coverage."""

    round: int
    before: int | None
    """The trained round before it, which it is compared with."""
    asked: list[Asked]
    """Chosen by this round's scores, the most first."""
    new: int
    """Labels that the round before had not."""
    changed: int
    """Labels that say something else than then."""
    ended: int
    """Labels that hold no more."""
    vocabulary: list[Renamed]
    change: Interval | None
    """The headline metric minus that of the round before, paired."""
    headline: str


def turn(connection: Connection, files: Files, campaign: Campaign, number: int) -> Turn:
    """Raises NotFound."""
    this = rounds.get(connection, campaign.id, number) if number else None
    earlier = [one for one in rounds.trained(connection, campaign.id) if one < number]
    before = rounds.get(connection, campaign.id, earlier[-1]) if earlier else None
    new = changed = ended = 0
    vocabulary: list[Renamed] = []
    if this is not None:
        since = 0 if before is None else before.label_version
        new, changed, ended = _learned(connection, campaign.id, since, this.label_version)
        known = 0 if before is None else before.label_changes
        some = campaign.label_changes[known : this.label_changes]
        vocabulary = [Renamed(one.old, one.new) for one in some]
    return Turn(
        number,
        None if before is None else before.number,
        _asked(connection, campaign.id, number),
        new,
        changed,
        ended,
        vocabulary,
        _change(connection, files, campaign, this, before),
        HEADLINES[campaign.problem],
    )


def _learned(connection: Connection, campaign: str, since: int, until: int) -> tuple[int, int, int]:
    """(new, changed, ended) labels from one version to another."""
    then, now = labels.between(connection, campaign, since, until)
    both = then.keys() & now.keys()
    return len(now.keys() - both), sum(then[at] != now[at] for at in both), len(then.keys() - both)


def _change(
    connection: Connection, files: Files, campaign: Campaign, this: Row[Any] | None, before: Row[Any] | None
) -> Interval | None:
    if this is None or before is None or not this.predictions:
        return None
    known = curve.truth(connection, files, campaign)
    old, new = (one.exam for one in curve.sittings(files, campaign, [before, this], known))
    return exam.paired(new, ADAPTER, old, ADAPTER) if new.has(ADAPTER) and old.has(ADAPTER) else None


def _asked(connection: Connection, campaign: str, number: int) -> list[Asked]:
    mine = (selection.c.campaign == campaign) & (selection.c.round == number)
    query = select(
        selection.c.strategy, selection.c.role, selection.c.state, selection.c.reason, func.count()
    )
    each = selection.c.strategy, selection.c.role, selection.c.state, selection.c.reason
    grouped = query.where(mine).group_by(*each).order_by(func.count().desc(), selection.c.reason)
    states: dict[tuple[str, str], dict[str, int]] = {}
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for strategy, role, state, reason, n in connection.execute(grouped).all():
        key = strategy, role
        found = states.setdefault(key, {})
        found[state] = found.get(state, 0) + n
        reasons.setdefault(key, {})[reason] = None
    made = [
        Asked(
            *key,
            sum(found.values()),
            found.get("answered", 0),
            found.get("skipped", 0),
            found.get("chosen", 0) + found.get("open", 0),
            found.get("withdrawn", 0) + found.get("withdrawing", 0),
            list(reasons[key])[:REASONS],
        )
        for key, found in states.items()
    ]
    return sorted(made, key=lambda one: (-one.n, one.strategy, one.role))
