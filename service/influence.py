"""Influence: which labels helped or hurt what measures, and asking somebody else about those that hurt most.

Whoever asks again because of the hold-out lets it choose a little of what trains. So only the most harmful ones may be,
a twentieth of the labels, and only where a person says so: nothing else is steered by what measures.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from service import annotations, answers, curve, people
from service.errors import Conflict
from service.exam import Truth
from service.files import Files
from service.records import Campaign, Place
from service.rounds.advance import facts
from service.rounds.decide import answers_left
from service.store import campaigns, events, jobs, labels, rounds, selections

LEAST = 20
"""With fewer labels, or fewer examples that measure, influence is luck."""
SHARE, MOST, FEWEST = 20, 100, 5
"""Of the labels that train one in so many is told as harmful, at most and at least so many."""
SHOWN = 20
"""Of the most helpful ones."""
MEANING = (
    "Influence is how much greater the mean log loss of what measures would be without the label: above 0 it helped, "
    "below 0 it hurt."
)
CAVEAT = (
    "A label that is asked again because it hurts the hold-out lets the hold-out choose a little of what trains: its "
    "scores are then slightly optimistic. A test set of your own, posted later, is not."
)


class Effect(msgspec.Struct, frozen=True):
    """What a label did; `value` is the label as it is stored."""

    shard: int
    row: int
    id: str
    text: str
    value: str
    influence: float

    @property
    def place(self) -> Place:
        return Place(self.shard, self.row)


class Found(msgspec.Struct, frozen=True):
    """What a job found out, of the `labels` that the adapter of a `round` learned from."""

    at: float
    round: int
    labels: int
    measured_on: str
    """test or hold-out"""
    measured: int
    log_loss: float
    """The mean of those that measure."""
    harmful: list[Effect]
    """The most harmful ones first; only such as hurt."""
    helpful: list[Effect]
    """The most helpful ones first."""


class Told(msgspec.Struct, frozen=True):
    """A label, and what it did; `label` is what the round believed (service.answers)."""

    id: str
    text: str
    label: Any
    annotators: list[int | None]
    """Who answered; nobody did where it was imported."""
    influence: float
    words: str
    task: int | None
    url: str | None
    waits: bool
    """For one more answer."""
    changed: bool
    """Whether something else, or nothing, is believed by now."""


class Influence(msgspec.Struct, frozen=True):
    at: float
    round: int
    labels: int
    measured_on: str
    measured: int
    log_loss: float
    meaning: str
    caveat: str
    harmful: list[Told]
    helpful: list[Told]


class Reviewed(msgspec.Struct, frozen=True):
    """How many labels somebody else is asked about now; `reason` says why they are fewer than were wanted."""

    asked: int
    reason: str | None
    caveat: str


def most_harmful(labels: int) -> int:
    """How many labels may be told as harmful."""
    return min(MOST, max(FEWEST, labels // SHARE))


def subject(connection: Connection, files: Files, campaign: Campaign) -> tuple[Row[Any], Truth]:
    """(the newest round with an adapter, what measures today); raises Conflict where influence cannot be told."""
    if campaign.problem == "spans":
        raise Conflict("influence can be told of labels of whole texts, not of spans")
    trained = [row for row in rounds.all_of(connection, campaign.id) if row.adapter]
    if not trained:
        raise Conflict(f"{campaign.name!r} has no adapter yet: wait for its first round")
    if trained[-1].label_changes < len(campaign.label_changes):
        raise Conflict(
            f"the labels changed since round {trained[-1].number}: ask again when the next round has learned them"
        )
    truth = curve.truth(connection, files, campaign)
    if len(truth.answers) < LEAST:
        raise Conflict(
            f"{len(truth.answers)} examples measure, and influence on fewer than {LEAST} is luck: label more of the "
            "hold-out, or post a test set"
        )
    known = [
        row
        for row in labels.snapshot(connection, campaign.id, trained[-1].label_version)
        if row.role != "hold-out"
    ]
    if len(known) < LEAST:
        raise Conflict(
            f"round {trained[-1].number} learned from {len(known)} labels: at least {LEAST} are needed"
        )
    if len({row.value for row in known}) < 2:
        raise Conflict(
            f"the labels of round {trained[-1].number} all say the same: there is nothing they could tell apart"
        )
    return trained[-1], truth


def newest(connection: Connection, campaign: Campaign) -> Found | None:
    done = [row for row in jobs.of_kind(connection, campaign.id, "influence") if row.state == "done"]
    return msgspec.convert(done[-1].result, Found) if done else None


def told(connection: Connection, campaign: Campaign, found: Found, page: str | None) -> Influence:
    """As people see it; `page` is the address of the campaign's project in Label Studio."""
    places = [one.place for one in (*found.harmful, *found.helpful)]
    asked = selections.at(connection, campaign.id, places)
    now = {Place(row.shard, row.row): row.value for row in labels.current(connection, campaign.id)}
    who: dict[Place, list[int | None]] = {}
    for row in annotations.answers_now(connection, campaign):
        if row.shard is not None:
            who.setdefault(Place(row.shard, row.row), []).append(row.annotator)

    def shown(effects: Sequence[Effect]) -> list[Told]:
        made = []
        for one in effects:
            task = asked[one.place].task if one.place in asked else None
            made.append(
                Told(
                    one.id,
                    one.text,
                    answers.read(campaign.problem, one.value),
                    who.get(one.place, []),
                    one.influence,
                    _words(one.influence, found),
                    task,
                    None if page is None or task is None else f"{page}/data?task={task}",
                    one.place in asked and asked[one.place].state in selections.SERVABLE,
                    now.get(one.place) != one.value,
                )
            )
        return made

    return Influence(
        found.at,
        found.round,
        found.labels,
        found.measured_on,
        found.measured,
        found.log_loss,
        MEANING,
        CAVEAT,
        shown(found.harmful),
        shown(found.helpful),
    )


def review(connection: Connection, campaign: Campaign, n: int) -> Reviewed:
    """Have somebody else answer the `n` most harmful labels; call it in a transaction that locked the campaign.

    It keeps to the rules of second opinions: never the same person, never the hold-out, within the budget. Raises
    Conflict where nobody can be asked at all.
    """
    found = newest(connection, campaign)
    if found is None:
        raise Conflict("nothing is known of the labels' influence yet: ask for that first")
    if not campaign.second_opinions:
        raise Conflict("this campaign asks for no second opinions: set second_opinions above 0")
    if campaign.paused:
        raise Conflict("the campaign is paused: let it go on first")
    if len(annotations.annotators(connection, campaign.id)) < 2:
        raise Conflict(
            "a second opinion is somebody else's, and fewer than two annotators were at work lately"
        )
    known = {Place(row.shard, row.row): row for row in labels.current(connection, campaign.id)}
    may = people.askable(connection, campaign)
    left = [
        one
        for one in found.harmful
        if one.place in may
        and (now := known.get(one.place)) is not None
        and now.value == one.value
        and now.role != "hold-out"
    ]
    state = facts(connection, campaign).state()
    left_to_ask = answers_left(state)
    room = n if left_to_ask is None else left_to_ask
    chosen = left[: min(n, room)]
    for rank, one in enumerate(chosen, campaign.place):
        words = f"a second opinion: {_words(one.influence, found)}"
        selections.ask_again(connection, campaign.id, one.place, rank, words)
    if chosen:
        campaigns.count_up(connection, campaign.id, "place", len(chosen))
        events.record(connection, campaign.id, "review-asked", count=len(chosen), round=found.round)
        jobs.hint(connection, campaign.id, "sync")
    reason = None
    if len(chosen) < min(n, len(left)):
        reason = f"the budget has room for {room} more answers"
    elif len(chosen) < n:
        reason = (
            f"of the {len(found.harmful)} labels that are told as harmful, {len(left)} stand as they were and can be "
            "asked of somebody else"
        )
    return Reviewed(len(chosen), reason, CAVEAT)


def _words(influence: float, found: Found) -> str:
    change = "higher" if influence > 0 else "lower"
    where = "test set" if found.measured_on == "test" else "hold-out"
    return f"without it the log loss on the {where}, {found.log_loss:.3f}, would be about {abs(influence):.2g} {change}"
