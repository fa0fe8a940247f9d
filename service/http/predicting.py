"""Predictions on demand: texts in, what the campaign's adapter says of them out."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from anyio import to_thread

from service import scorer
from service.errors import Conflict, ScorerUnavailable
from service.http.api import Api
from service.records import Campaign
from service.scorer import MOST_TEXTS, Said
from service.store import rounds

T = TypeVar("T")

WAITING = 64
"""Requests that may wait for a turn with the scorer, in each process."""


class PredictBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts, as they are."""

    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_TEXTS)]


class Predictions(msgspec.Struct, frozen=True):
    """What the adapter of `round` says of each text, in the order asked, by the campaign's problem.

    {label, confidence, probabilities: {label: probability}}, {labels, probabilities}, or
    {spans: [{start, end, label, confidence}]}; offsets count characters (code points).
    """

    round: int
    predictions: list[dict[str, Any]]
    unsure: list[str]
    """Labels that this adapter cannot tell from others, since they were split after its training."""


async def predict(api: Api, c: str, body: PredictBody) -> Predictions:
    """What the campaign's adapter says of texts, at once and never behind a training.

    409 before the first adapter is there; 503 where no `postil worker predict` answers.
    """
    return await in_turn(api, lambda: _predict(api, c, body.texts))


async def in_turn(api: Api, work: Callable[[], T]) -> T:
    """What `work` returns; it waits for the scorer, in a thread that other requests do not need."""
    if api.predict_limit.statistics().tasks_waiting >= WAITING:
        raise ScorerUnavailable("too many ask for predictions at the same moment: try again")
    return await to_thread.run_sync(work, limiter=api.predict_limit)


def adapter(api: Api, c: str) -> tuple[Campaign, int]:
    """The campaign, and the round whose adapter answers for it; raises Conflict where there is none yet."""
    with api.reading(c) as (connection, campaign):
        active = rounds.active(connection, campaign)
    if active is None:
        raise Conflict(
            f"campaign {campaign.name!r} has no adapter yet: its first round makes one, and "
            f"`postil campaign train {campaign.name}` begins it as soon as there are labels"
        )
    return campaign, active.number


def ask(api: Api, campaign: Campaign, round_: int, texts: list[str]) -> Said:
    redis = api.doorbell.redis
    return scorer.ask(redis, campaign.id, round_, texts, scorer.TAKEN_S, scorer.DONE_S)


def _predict(api: Api, c: str, texts: list[str]) -> Predictions:
    campaign, round_ = adapter(api, c)
    said = ask(api, campaign, round_, texts)
    return Predictions(round_, said.predictions, said.unsure)
