"""Rounds, and the learning curve."""

from collections.abc import Hashable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.requests import Request

from service import curve, turns
from service.curve import Curve
from service.exam import Truth
from service.groups import Groups
from service.http.api import Api
from service.http.schemas import CurveQuery, Rounds, RoundsQuery, RoundView
from service.records import Campaign
from service.rounds.ask import Asked, ask
from service.store import rounds
from service.turns import Turn

GROUP_POINTS = 40
"""Rounds that a small chart shows."""


def list_all(api: Api, c: str, query: RoundsQuery) -> Rounds:
    """All rounds, or the newest ones, oldest first."""
    with api.reading(c) as (connection, campaign):
        return Rounds([_view(row) for row in rounds.all_of(connection, campaign.id, query.newest)])


def begin(api: Api, c: str) -> Asked:
    """Begin a round now, although fewer labels than `round_size` are new; 409 where none is, or a round is at work."""
    with api.changing(c) as (connection, campaign):
        return ask(connection, campaign)


def show(api: Api, c: str, n: int) -> RoundView:
    """One round."""
    with api.reading(c) as (connection, campaign):
        return _view(rounds.get(connection, campaign.id, n))


def turn(api: Api, c: str, n: int) -> Turn:
    """What a round did: what it asked for and why, what labels were new to it, and how its score differs; 0: before the
    first one."""
    with api.reading(c) as (connection, campaign):
        return turns.turn(connection, api.files, campaign, n)


def learning_curve(api: Api, c: str, query: CurveQuery, request: Request) -> Curve:
    """A point for each round that was trained, all measured on today's truth; when to stop, and what choosing saved.

    Of many rounds `points` are told of, the newest ones among them. Who allows for the answer's age may be told of the
    curve before the last change, with `pending`, where a newer one takes its time.
    """
    with api.reading(c) as (connection, campaign):
        known = curve.truth(connection, api.files, campaign)
        active = rounds.active(connection, campaign)
    found = kept(api, campaign, known, query.points, may_be_old(request))
    return found if active is None else msgspec.structs.replace(found, active=active.number)


def by_group(api: Api, c: str, request: Request) -> Groups:
    """Domains and classes by the newest adapter, the weakest first, and the weakest ones from round to round."""
    with api.reading(c) as (connection, campaign):
        _, shown = curve.chosen(rounds.trained(connection, campaign.id), GROUP_POINTS)
        done = rounds.some(connection, campaign.id, sorted(shown))
        known = curve.truth(connection, api.files, campaign)
    found, pending = api.groups.get(
        campaign.id,
        _key(campaign, done, known, shown),
        lambda: curve.by_group(api.files, campaign, done, known),
        may_be_old(request),
    )
    return msgspec.structs.replace(found, pending=True) if pending else found


def kept(
    api: Api, campaign: Campaign, known: Truth, points: int = CurveQuery().points, old: bool = False
) -> Curve:
    """The curve, of about so many points; with `old` the one before the last change will do for now."""
    with api.database.reading() as connection:
        needed, shown = curve.chosen(rounds.trained(connection, campaign.id), points)
        done = rounds.some(connection, campaign.id, needed)
    found, pending = api.curves.get(
        campaign.id,
        _key(campaign, done, known, shown),
        lambda: curve.learning(api.files, campaign, done, known, shown),
        old,
    )
    return msgspec.structs.replace(found, pending=True) if pending else found


def _key(campaign: Campaign, done: Sequence[Row[Any]], known: Truth, shown: frozenset[int]) -> Hashable:
    """What is made is kept until a round or what is known of the measuring examples changes."""
    return known, tuple(row.predictions for row in done), shown, len(campaign.label_changes)


def may_be_old(request: Request) -> bool:
    """Whether who asks allows for the answer's age."""
    return "max-age" in request.headers.get("cache-control", "")


def _view(row: Row[Any]) -> RoundView:
    return RoundView(
        number=row.number,
        state=row.state,
        label_version=row.label_version,
        labels=row.labels,
        trained_on=(row.metrics or {}).get("trained_on"),
        strategy=row.strategy,
        scored_by=row.scored_by,
        train_seconds=row.train_seconds,
        score_seconds=row.score_seconds,
        select_seconds=row.select_seconds,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ranked_at=row.ranked_at,
        error=row.error,
        metrics=row.metrics,
    )
