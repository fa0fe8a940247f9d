"""Rounds, and the learning curve."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Row

from service import curve
from service.curve import Curve
from service.exam import Truth
from service.groups import Groups
from service.http.api import Api
from service.http.schemas import Rounds, RoundView
from service.records import Campaign
from service.rounds.ask import Asked, ask
from service.store import rounds

T = TypeVar("T")


def list_all(api: Api, c: str) -> Rounds:
    """All rounds, oldest first."""
    with api.reading(c) as (connection, campaign):
        return Rounds([_view(row) for row in rounds.all_of(connection, campaign.id)])


def begin(api: Api, c: str) -> Asked:
    """Begin a round now, although fewer labels than `round_size` are new; 409 where none is, or a round is at work."""
    with api.changing(c) as (connection, campaign):
        return ask(connection, campaign)


def show(api: Api, c: str, n: int) -> RoundView:
    """One round."""
    with api.reading(c) as (connection, campaign):
        return _view(rounds.get(connection, campaign.id, n))


def learning_curve(api: Api, c: str) -> Curve:
    """A point for each round that was trained, all measured on today's truth; when to stop, and what choosing saved."""
    with api.reading(c) as (connection, campaign):
        done = rounds.all_of(connection, campaign.id)
        known = curve.truth(connection, api.files, campaign)
        active = rounds.active(connection, campaign)
    made = kept(api, campaign, done, known)
    return made if active is None else msgspec.structs.replace(made, active=active.number)


def by_group(api: Api, c: str) -> Groups:
    """The curve by domains; domains and classes by the newest adapter, the weakest first."""
    with api.reading(c) as (connection, campaign):
        done = rounds.all_of(connection, campaign.id)
        known = curve.truth(connection, api.files, campaign)
    predicted = tuple(row.predictions for row in done)
    return _kept(
        api.groups, campaign, predicted, known, lambda: curve.by_group(api.files, campaign, done, known)
    )


def kept(api: Api, campaign: Campaign, done: Sequence[Row[Any]], known: Truth) -> Curve:
    """The curve."""
    predicted = tuple(row.predictions for row in done)
    return _kept(
        api.curves, campaign, predicted, known, lambda: curve.learning(api.files, campaign, done, known)
    )


def kept_for(api: Api, campaign: Campaign, predicted: tuple[str | None, ...], known: Truth) -> Curve:
    """The curve, of which the rounds' predictions alone are known, by number: all else is read where it is made."""

    def make() -> Curve:
        with api.database.reading() as connection:
            done = rounds.all_of(connection, campaign.id)
        return curve.learning(api.files, campaign, done, known)

    return _kept(api.curves, campaign, predicted, known, make)


def _kept(
    here: dict[str, tuple[Hashable, T]],
    campaign: Campaign,
    predicted: tuple[str | None, ...],
    known: Truth,
    make: Callable[[], T],
) -> T:
    """What is made is kept until a round or what is known of the measuring examples changes."""
    key = (
        known.source,
        frozenset(known.answers.items()),
        predicted,
        len(campaign.label_changes),
    )
    found = here.get(campaign.id)
    if found is None or found[0] != key:
        found = here[campaign.id] = (key, make())
    return found[1]


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
