"""Campaigns: make, list, show, change."""

import re
from typing import Any

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from service import quotas, retention, teachers
from service.answers import FIELDS
from service.errors import Conflict, Invalid, NotFound
from service.http import adopting
from service.http.api import Api
from service.http.schemas import (
    CampaignBody,
    CampaignChange,
    Campaigns,
    CampaignView,
    Strategies,
    StrategyView,
)
from service.http.status import lines, view
from service.label_studio.problems import problem
from service.records import Campaign
from service.rounds.advance import advance
from service.store import campaigns, events, jobs, rounds
from service.store.campaigns import NewCampaign
from service.store.tokens import Token
from service.vocabulary import MARK
from strategies import registry, weighted

MAX_NAME_CHARS = 200
MAX_LABELS = 1_000
MAX_LABEL_CHARS = 200
TAKEN_FIELDS = ("id", "domain", "meta", *FIELDS.values())
MAX_CURRENCY_CHARS = 12
PRICED = ("hour_price", "compute_price", "point_price", "budget_money")
_ID = re.compile(r"c[0-9a-f]{8}")
_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**31 - 1),
    "round_size": (1, 100_000),
    "budget": (1, 2**31 - 1),
    "low_water": (1, 10_000),
    "random_share": (0, 1),
    "holdout_size": (0, 100_000),
    "score_seconds": (1, 86_400),
    "adapter": (1, 2**31 - 1),
    "overlap": (1, 20),
    "second_opinions": (0, 0.9),
    "class_balance": (0, 1),
    "hour_price": (0, 1_000_000),
    "compute_price": (0, 1_000_000),
    "point_price": (0, 1_000_000_000),
    "budget_hours": (0.01, 1_000_000),
    "budget_money": (0.01, 1_000_000_000),
}


def create(api: Api, body: CampaignBody) -> CampaignView:
    """Make a campaign, in a project of its own in Label Studio; or in one that people made (`adopt`)."""
    project = None if body.adopt is None else adopting.look(api, body)
    asked = {name: value for name, value in msgspec.to_builtins(body).items() if name != "adopt"}
    asked |= {} if project is None else project.says
    own = () if project is None else ("text_field",)  # of which anything may be the name in a project
    _check({name: value for name, value in asked.items() if name not in own})
    teachers.check(body.teacher or "", api.settings.generators)
    with api.database.transaction() as connection:
        made = campaigns.create(connection, msgspec.convert(asked, NewCampaign))
        if project is not None:
            adopting.begin(connection, made.id, project)
        queues = advance(connection, made.id)
        answer = view(connection, api.settings, campaigns.get(connection, made.id))
    api.doorbell.ring(queues)
    return answer


def list_all(api: Api, token: Token) -> Campaigns:
    """All campaigns that the token is for, oldest first."""
    with api.database.reading() as connection:
        found = [
            one
            for one in campaigns.all_of(connection)
            if token.campaigns is None or one.id in token.campaigns
        ]
        return Campaigns(lines(connection, found))


def show(api: Api, c: str) -> CampaignView:
    """One campaign and how it stands."""
    with api.reading(c) as (connection, campaign):
        return view(connection, api.settings, campaign)


def change(api: Api, c: str, body: CampaignChange) -> CampaignView:
    """Change a campaign; it takes effect at once."""
    wanted: dict[str, Any] = msgspec.to_builtins(body)
    with api.changing(c) as (connection, campaign):
        before = msgspec.to_builtins(campaign)
        news = {name: value for name, value in wanted.items() if value != before[name]}
        together = [("weak_share", "quotas"), PRICED]
        beside = {one: before[one] for names in together if news.keys() & set(names) for one in names}
        _check({"problem": campaign.problem} | beside | news)
        adopting.check(connection, campaign.id, news)
        if news.get("adapter") is not None:
            _check_adapter(connection, campaign, news["adapter"])
        if "name" in news and _taken(connection, news["name"]):
            raise Conflict(f"a campaign named {news['name']!r} exists already: choose another name")
        if news:
            # Who tells it to stop no more, or anew, begins with a clean slate.
            slate = {"stopped_round": None} if "stop_at_advice" in news else {}
            campaigns.change(connection, campaign.id, **news, **slate)
            jobs.hint(connection, campaign.id, "sync")  # annotators see name and instruction
            events.record(connection, campaign.id, "campaign-changed", **news)
    return show(api, campaign.id)


def remove(api: Api, c: str) -> Response:
    """Delete a campaign with its pool, labels and adapters; its project in Label Studio stays as it is.

    One that has adopted its project has to release it first.
    """
    with api.database.transaction() as connection:
        adopting.may_go(connection, c)
        id_ = retention.delete_campaign(connection, c)
    api.curves.forget(id_)
    api.groups.forget(id_)
    return Response(status_code=204)


def list_strategies(api: Api) -> Strategies:
    """Strategies that a campaign may have."""
    known = []
    for name in registry.names():
        try:
            strategy = registry.get(name)
            known.append(StrategyView(name, strategy.summary, sorted(strategy.problems)))
        except ValueError as error:
            known.append(StrategyView(name, f"cannot be used: {error}", []))
    return Strategies(known)


def _taken(connection: Connection, name: str) -> bool:
    try:
        campaigns.get(connection, name)
    except NotFound:
        return False
    return True


def _check_adapter(connection: Connection, campaign: Campaign, number: int) -> None:
    row = next(iter(rounds.some(connection, campaign.id, [number])), None)
    if row is None:
        raise Invalid(
            f"there is no round {number}: `GET …/adapters` lists those that have an adapter", "adapter"
        )
    if row.state == "failed":
        raise Invalid(f"round {number} failed, so its adapter cannot be active: {row.error}", "adapter")
    if row.adapter is None:
        why = "it is training" if row.scored_by is None else f"it went by that of round {row.scored_by}"
        raise Invalid(f"round {number} has no adapter of its own: {why}", "adapter")


def _check(values: dict[str, Any]) -> None:
    """Raises Invalid for the first value that cannot be used; what is not among `values` is fine."""
    if "name" in values:
        _check_name(values["name"])
    if "labels" in values:
        check_labels(values["problem"], values["labels"])
    for name in ("model", "text_field", "teacher", "formula"):
        if values.get(name) is not None and not values[name].strip():
            raise Invalid(f"{name} is empty", name)
    if values.get("text_field") in TAKEN_FIELDS:
        raise Invalid(
            f"text_field is {values['text_field']!r}, which means something else in a pool", "text_field"
        )
    if values.get("near_duplicates") == "propagate" and values["problem"] == "spans":
        raise Invalid(
            "labels of spans cannot be passed on to near-duplicates, in which offsets differ: drop or keep them",
            "near_duplicates",
        )
    if values.get("class_balance") and values["problem"] == "spans":
        raise Invalid(
            "class_balance is for labels of whole texts: spans have none to balance", "class_balance"
        )
    if "strategy" in values:
        try:
            strategy = registry.get(values["strategy"])
        except ValueError as error:
            raise Invalid(str(error), "strategy") from None
        if values["problem"] not in strategy.problems:
            fit = ", ".join(registry.names(values["problem"]))
            raise Invalid(
                f"strategy {strategy.name!r} is not for {values['problem']}; choose one of {fit}", "strategy"
            )
    if values.get("formula") is not None:
        try:
            weighted.parse(values["formula"])
        except ValueError as error:
            raise Invalid(str(error), "formula") from None
    for name, (low, high) in _RANGES.items():
        value = values.get(name)
        if value is not None and not low <= value <= high:
            raise Invalid(f"{name} is {value}: choose {low:,} to {high:,}", name)
    _check_prices(values)
    if "quotas" in values:
        quotas.check(values["quotas"], values["weak_share"])


def _check_prices(values: dict[str, Any]) -> None:
    currency = values.get("currency", "")
    if currency != currency.strip() or len(currency) > MAX_CURRENCY_CHARS or not currency.isprintable():
        raise Invalid(
            f"currency: give up to {MAX_CURRENCY_CHARS} characters that can be shown, such as EUR", "currency"
        )
    priced = values.get("hour_price") is not None or values.get("compute_price") is not None
    for name in ("budget_money", "point_price"):
        if values.get(name) is not None and not priced:
            raise Invalid(f"{name} takes a price to count with: set hour_price or compute_price", name)


def _check_name(name: str) -> None:
    if not name or name != name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise Invalid(
            f"name: give 1 to {MAX_NAME_CHARS} characters that can be shown, no spaces around them", "name"
        )
    if "/" in name or name in (".", ".."):
        raise Invalid("name: it is a part of addresses, so it cannot hold a '/' or be '.' or '..'", "name")
    if _ID.fullmatch(name):
        raise Invalid(f"name: {name!r} looks like a campaign's id; choose another one", "name")


def check_labels(kind: str, labels: list[str]) -> None:
    """Raises Invalid for labels that a campaign cannot have."""
    if hidden := next((label for label in labels if MARK in label), None):
        raise Invalid(f"label {hidden!r} holds a character that cannot be shown", "labels")
    problem(kind, labels)
    if len(labels) > MAX_LABELS:
        raise Invalid(f"{len(labels)} labels: {MAX_LABELS:,} are the most", "labels")
    long = next((label for label in labels if len(label) > MAX_LABEL_CHARS), None)
    if long is not None:
        raise Invalid(f"the label {long[:50]!r}… is longer than {MAX_LABEL_CHARS} characters", "labels")
