"""How people work: how long an answer takes them, and how often they change what the model showed them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from service import answers
from service.measure import intervals
from service.measure.intervals import Interval
from service.records import Campaign
from service.store.schema import annotation
from service.vocabulary import Vocabulary

MEANING = "A suggestion that is kept is not thereby right: people tend to agree with what they are shown."


class Habits(msgspec.Struct, frozen=True):
    """Of one person."""

    seconds: Interval | None
    """The median time of an answer, as Label Studio measures it. None where it measured none."""
    shown: int
    """Answers that began with a suggestion of the model."""
    changed: Interval | None
    """The share of these that say something else. Blind roles, second opinions and synthetic texts have none."""


def habits(connection: Connection, campaign: Campaign) -> dict[int | None, Habits]:
    """Of everybody who answered."""
    mine = select(
        annotation.c.shard,
        annotation.c.row,
        annotation.c.annotator,
        annotation.c.value,
        annotation.c.lead_time,
        annotation.c.shown,
    ).where(annotation.c.campaign == campaign.id, annotation.c.current, annotation.c.kind == "answer")
    words = Vocabulary.of(campaign)
    taken: dict[int | None, list[float]] = {}
    kept: dict[int | None, list[int]] = {}
    before: dict[tuple[int, int], int] = {}
    for row in connection.execute(mine.order_by(annotation.c.made_at, annotation.c.ls_id)).all():
        taken.setdefault(row.annotator, [])
        kept.setdefault(row.annotator, [0, 0])
        place = row.shard, row.row
        before[place] = before.get(place, 0) + 1
        if row.lead_time is not None and row.lead_time > 0:
            taken[row.annotator].append(row.lead_time)
        # What is asked of one more than the campaign's overlap is a second opinion, which is blind.
        if row.shown is None or before[place] > campaign.overlap:
            continue
        same = _same(words, row.shown, row.value)
        if same is not None:
            kept[row.annotator][0] += 1
            kept[row.annotator][1] += not same
    return {
        who: Habits(intervals.median(taken[who]), shown, intervals.share(changed, shown))
        for who, (shown, changed) in kept.items()
    }


def _same(words: Vocabulary, shown: Mapping[str, Any], value: str) -> bool | None:
    """Whether an answer is what was shown, in today's labels; None where either cannot be said in them any more."""
    suggestion, answer = words.shown(shown), words.read(value)
    if suggestion is None or answer is None:
        return None
    if isinstance(answer, str):
        return bool(suggestion["label"] == answer)
    if "labels" in suggestion:
        return set(suggestion["labels"]) == set(answer)
    stretches = [
        {(one["start"], one["end"], one["label"]) for one in some}
        for some in (suggestion["spans"], answers.spans(answer))
    ]
    return stretches[0] == stretches[1]
