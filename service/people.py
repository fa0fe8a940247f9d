"""The people who answer: how much each did, how often each is right, how far they agree, and where they do not."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, Row, select

from service import annotations, answers
from service.annotations import Answered
from service.habits import MEANING, Habits, habits
from service.measure import agreement, intervals
from service.measure.intervals import Interval
from service.records import Campaign, Place
from service.store import labels, rounds, selections
from service.store.schema import annotation
from service.thinning import spread

HISTORY = 60
"""Rounds that are told of each person."""
MOST_ANSWERS = 5
"""Of one example, second opinions among them: what so many cannot settle, one more will not."""


class Then(msgspec.Struct, frozen=True):
    """What a round took a person for."""

    round: int
    answers: int
    accuracy: float | None


class Person(msgspec.Struct, frozen=True):
    annotator: int | None
    """Label Studio's id of the account."""
    answers: int
    skips: int
    invalid: int
    accuracy: float | None
    """How often they are right, as the newest round took it, which knows no truth; null where nothing tells."""
    agreement: Interval | None
    """The share of others' answers to the same examples that are the same; null where there are none."""
    seconds: Interval | None
    shown: int
    changed: Interval | None
    """As in `service.habits.Habits`."""
    rounds: list[Then]
    """Of many rounds some, the newest among them."""


class Pair(msgspec.Struct, frozen=True):
    """Two people, on the examples that both answered."""

    annotators: tuple[int | None, int | None]
    examples: int
    agreement: Interval


class Review(msgspec.Struct, frozen=True):
    """What became of the labels that were in doubt and were asked again."""

    asked: int
    answered: int
    changed: Interval | None
    """Of those answered, the share of which something else is believed now than was said at first: how right the
    suspicion was. Null where none was answered."""


class People(msgspec.Struct, frozen=True):
    annotators: list[Person]
    pairs: list[Pair]
    review: Review
    alpha: Interval | None
    """Krippendorff's: 1 where all agree, 0 where they do as by chance; null for spans, and where no example has two
    answers."""
    meaning: str
    pending: bool = False
    """Whether newer ones are being computed, and these are those before: ask again."""


class Said(msgspec.Struct, frozen=True):
    """`answer` is of the campaign's problem (service.answers)."""

    annotator: int | None
    answer: Any


class Disagreement(msgspec.Struct, frozen=True):
    """An example whose answers differ, and what is believed of it; `probability` is of that being right."""

    id: str
    text: str
    role: str
    task: int | None
    url: str | None
    waits: bool
    """For one more answer."""
    answers: list[Said]
    believed: Any
    probability: float | None
    weight: float
    reason: str | None


class Disagreements(msgspec.Struct, frozen=True):
    """`total` there are; the least sure ones first."""

    total: int
    disagreements: list[Disagreement]
    pending: bool = False
    """As of `People`."""


def people(connection: Connection, campaign: Campaign) -> People:
    """Everybody who answered or skipped."""
    mine = select(annotation.c.annotator, annotation.c.kind).where(
        annotation.c.campaign == campaign.id, annotation.c.current
    )
    kinds = Counter((row.annotator, row.kind) for row in connection.execute(mine))
    everybody = sorted({who for who, kind in kinds if kind in ("answer", "skip", "invalid")}, key=_order)
    then: dict[int | None, list[Then]] = {who: [] for who in everybody}
    trained = rounds.trained(connection, campaign.id)
    told = [trained[at] for at in spread(len(trained), HISTORY)]
    for row in rounds.some(connection, campaign.id, told):
        for one in (row.metrics or {}).get("annotators", ()):
            taken = Then(row.number, one["answers"], one["accuracy"])
            then.setdefault(one["annotator"], []).append(taken)
    work = habits(connection, campaign)
    nothing = Habits(None, 0, None)
    units = _units(annotations.answers_now(connection, campaign))
    same: Counter[tuple[int | None, int | None]] = Counter()
    both: Counter[tuple[int | None, int | None]] = Counter()
    for unit in units.values():
        for one, other in combinations(sorted(unit.items(), key=lambda each: _order(each[0])), 2):
            both[one[0], other[0]] += 1
            same[one[0], other[0]] += one[1] == other[1]
    spans = campaign.problem == "spans"
    rng = np.random.default_rng(campaign.seed)
    coded = [[comparable(campaign, value) for value in unit.values()] for unit in units.values()]
    return People(
        [
            Person(
                who,
                kinds[who, "answer"],
                kinds[who, "skip"],
                kinds[who, "invalid"],
                then[who][-1].accuracy if then[who] else None,
                intervals.share(
                    sum(number for pair, number in same.items() if who in pair),
                    sum(number for pair, number in both.items() if who in pair),
                ),
                work.get(who, nothing).seconds,
                work.get(who, nothing).shown,
                work.get(who, nothing).changed,
                then[who],
            )
            for who in everybody
        ],
        [
            Pair(pair, number, intervals.wilson(same[pair], number))
            for pair, number in sorted(both.items(), key=str)
        ],
        _review(connection, campaign, units),
        None if spans else agreement.alpha(coded, rng),
        MEANING,
    )


def _review(connection: Connection, campaign: Campaign, units: dict[Place, dict[int | None, str]]) -> Review:
    asked = selections.asked_again(connection, campaign.id, campaign.overlap)
    answered = [
        place
        for row in asked
        if row.state == "answered" and len(units.get(place := Place(row.shard, row.row), ())) > 1
    ]
    now = {Place(row.shard, row.row): row.value for row in labels.current(connection, campaign.id)}
    changed = sum(now.get(place) != next(iter(units[place].values())) for place in answered)
    return Review(len(asked), len(answered), intervals.share(changed, len(answered)))


def askable(connection: Connection, campaign: Campaign) -> set[Place]:
    """Answered examples about which somebody else may be asked; none where nobody else is at work."""
    everybody = len(annotations.annotators(connection, campaign.id))
    if everybody < 2:
        return set()
    numbers = annotations.numbers(connection, campaign.id)
    closed = selections.in_states(connection, campaign.id, ["answered"])
    answered = {Place(row.shard, row.row) for row in closed}
    return {place for place in answered if numbers.get(place, 0) < min(everybody, MOST_ANSWERS)}


def disagreements(connection: Connection, campaign: Campaign, page: str | None, limit: int) -> Disagreements:
    """Examples of which not all say the same; `page` is the address of the campaign's project in Label Studio."""
    units = _units(annotations.answers_now(connection, campaign))
    differing = {place for place, unit in units.items() if len(set(unit.values())) > 1}
    known = [row for row in labels.current(connection, campaign.id) if Place(row.shard, row.row) in differing]
    known.sort(key=lambda row: (2.0 if row.probability is None else row.probability, row.version))
    shown = known[:limit]
    where = selections.at(connection, campaign.id, [Place(row.shard, row.row) for row in shown])
    return Disagreements(
        len(known), [_shown(campaign, row, where[Place(row.shard, row.row)], units, page) for row in shown]
    )


def _shown(
    campaign: Campaign,
    row: Row[Any],
    selected: Row[Any],
    units: dict[Place, dict[int | None, str]],
    page: str | None,
) -> Disagreement:
    place = Place(row.shard, row.row)
    return Disagreement(
        id=selected.ext_id if selected.ext_id is not None else str(place),
        text=selected.text,
        role=row.role,
        task=selected.task,
        url=None if page is None or selected.task is None else f"{page}/data?task={selected.task}",
        waits=selected.state in selections.SERVABLE,
        answers=[Said(who, answers.read(campaign.problem, value)) for who, value in units[place].items()],
        believed=answers.read(campaign.problem, row.value),
        probability=row.probability,
        weight=row.weight,
        reason=row.reason,
    )


def _units(given: Sequence[Answered]) -> dict[Place, dict[int | None, str]]:
    """What each said of an example; of somebody's several answers the last."""
    found: dict[Place, dict[int | None, str]] = {}
    for row in given:
        found.setdefault(Place(row.shard, row.row), {})[row.annotator] = row.value
    return found


def comparable(campaign: Campaign, value: str) -> str | frozenset[str]:
    """A stored answer as `agreement.alpha` takes it; of spans, of which there is no alpha, as it is stored."""
    said = answers.read(campaign.problem, value)
    if isinstance(said, str) or campaign.problem == "spans":
        return value
    return frozenset(one for one in said if isinstance(one, str))


def _order(who: int | None) -> tuple[bool, int]:
    return who is None, who or 0
