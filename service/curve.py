"""The learning curve: what each round's adapter gets right on the examples that measure.

A round keeps its predictions of every example that measures or may come to; its point is computed from them on
the truth as it is known now, so that all points of a curve stand on the same examples. A curve shows one number of
each model, the problem's headline metric (`records.HEADLINES`).
"""

from collections.abc import Container, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from service import answers, exam
from service.exam import Exam, Metrics, Sitting, Truth
from service.files import Files
from service.gain import Gain, gain, match
from service.groups import Groups, Weakest, groups, weakest
from service.measure.intervals import Interval
from service.pool import pool, shards
from service.predictions import ADAPTER, BASELINE, CONTROL
from service.records import HEADLINES, Campaign, Place
from service.stopping import WINDOW, Stopping, stopping
from service.store.schema import label, selection
from service.thinning import spread
from service.vocabulary import Vocabulary


class Control(msgspec.Struct, frozen=True):
    """A reference model, trained on the control labels alone, against the campaign's own of about as many labels."""

    labels: int
    score: Interval
    """Its headline metric."""
    own_round: int | None = None
    own_labels: int | None = None
    gain: Interval | None = None
    """The campaign's headline metric minus the reference's, paired."""


class Point(msgspec.Struct, frozen=True):
    """One round on the curve."""

    round: int
    labels: int
    """Labels there were, those that only measure among them."""
    trained_on: int
    measured_on: str
    headline: str
    """Which of the metrics the curve shows: accuracy, macro_f1 or f1."""
    metrics: Metrics | None
    """None where nothing measures yet."""
    baseline: float | None
    """The headline metric of logistic regression on the base model's embeddings, with the same labels."""
    control: Control | None
    change: Interval | None
    """The headline metric minus the previous round's, paired."""


class Curve(msgspec.Struct, frozen=True):
    points: list[Point]
    """Oldest first."""
    stopping: Stopping | None
    """None where no round was trained yet."""
    gain: Gain | None
    """None where there is no reference on random labels yet, or nothing measures."""
    weakest: Weakest | None
    """Domain and class that the newest adapter does worst on; None where no round was trained yet."""
    active: int | None = None
    """The round whose adapter the campaign goes by; None where there is none yet."""
    pending: bool = False
    """Whether a newer one is being computed, and this is the one before: ask again."""


def truth(connection: Connection, files: Files, campaign: Campaign) -> Truth:
    """The test set where there is one, else the hold-out's labels as they are now.

    Without examples of which a change of labels left it open which one they have.
    """
    code, words = answers.coder(campaign.problem, campaign.labels), Vocabulary.of(campaign)
    tests = [row for row in pool.all_shards(connection, campaign.id, "test") if row.state == "sealed"]
    if tests:
        answered: dict[Place, answers.Coded] = {}
        domains: dict[Place, str] = {}
        for row in tests:
            columns = shards.columns(files, row.content, ["label", "domain"])
            answered |= {
                Place(row.number, at): code(renewed)
                for at, stored in enumerate(columns["label"])
                if (renewed := words.renewed(stored)) is not None
            }
            domains |= {
                Place(row.number, at): one for at, one in enumerate(columns["domain"]) if one is not None
            }
        return Truth("test", answered, domains)
    held = select(label.c.shard, label.c.row, label.c.value).where(
        label.c.campaign == campaign.id,
        label.c.ended.is_(None),
        label.c.role == "hold-out",
        label.c.source == "annotation",
    )
    drawn = select(selection.c.shard, selection.c.row, selection.c.domain).where(
        selection.c.campaign == campaign.id,
        selection.c.role == "hold-out",
        selection.c.domain.is_not(None),
    )
    return Truth(
        "hold-out",
        {Place(number, row): code(value) for number, row, value in connection.execute(held)},
        {Place(number, row): domain for number, row, domain in connection.execute(drawn)},
    )


def chosen(trained: Sequence[int], most: int) -> tuple[list[int], frozenset[int]]:
    """Of the rounds that were trained, oldest first: (those that are needed, those that become points).

    Points are about `most`, the newest ones among them. Others are needed where a point is compared with the round
    before it.
    """
    shown = {*spread(len(trained), most), *range(max(0, len(trained) - 1 - WINDOW), len(trained))}
    needed = sorted(shown | {at - 1 for at in shown if at})
    return [trained[at] for at in needed], frozenset(trained[at] for at in shown)


def learning(
    files: Files,
    campaign: Campaign,
    done: Sequence[Row[Any]],
    known: Truth,
    shown: Container[int] | None = None,
) -> Curve:
    """The curve of rounds that were trained, and what it says of stopping and of the campaign's gain.

    `shown`: the numbers of those that become points, see `chosen`; else all do.
    """
    sat = sittings(files, campaign, done, known)
    told = [one for one in sat if shown is None or one.number in shown]
    return Curve(
        _points(campaign, done, known, sat, shown),
        stopping(sat, HEADLINES[campaign.problem], shown) if sat else None,
        gain(told),
        weakest(sat[-1].exam, campaign.labels) if sat else None,
    )


def by_group(files: Files, campaign: Campaign, done: Sequence[Row[Any]], known: Truth) -> Groups:
    """The same rounds by domains, and the newest by classes."""
    return groups(sittings(files, campaign, done, known), HEADLINES[campaign.problem], campaign.labels)


def points(files: Files, campaign: Campaign, done: Sequence[Row[Any]], known: Truth) -> list[Point]:
    """A point for each round that was trained, oldest first, all on the same truth."""
    return _points(campaign, done, known, sittings(files, campaign, done, known))


def _points(
    campaign: Campaign,
    done: Sequence[Row[Any]],
    known: Truth,
    sat: Sequence[Sitting],
    shown: Container[int] | None = None,
) -> list[Point]:
    made: list[Point] = []
    by_number = {row.number: row for row in done}
    for at, one in enumerate(sat):
        if shown is not None and one.number not in shown:
            continue
        made.append(
            Point(
                round=one.number,
                labels=by_number[one.number].labels,
                trained_on=one.trained_on,
                measured_on=known.source,
                headline=HEADLINES[campaign.problem],
                metrics=_metrics(one.exam),
                baseline=one.exam.score(BASELINE),
                control=_control(one, sat[: at + 1]) if one.exam.has(CONTROL) else None,
                change=None if at == 0 else exam.paired(one.exam, ADAPTER, sat[at - 1].exam, ADAPTER),
            )
        )
    return made


def sittings(files: Files, campaign: Campaign, done: Sequence[Row[Any]], known: Truth) -> list[Sitting]:
    """Of the rounds that were trained."""
    return [
        Sitting(
            row.number,
            row.metrics["trained_on"],
            row.metrics.get("control_labels", 0),
            exam.exam(
                campaign,
                files.path(row.predictions),
                known,
                row.seed,
                row.metrics.get("thresholds"),
                row.label_changes,
            ),
        )
        for row in done
        if row.predictions
    ]


@lru_cache(maxsize=256)
def _metrics(sat: Exam) -> Metrics | None:
    """Kept, since whoever watches asks for the whole curve again and again, and a bootstrap takes its time."""
    return sat.metrics()


def _control(sat: Sitting, until_now: Sequence[Sitting]) -> Control:
    peer = match(sat, until_now)
    return Control(
        labels=sat.control_labels,
        score=sat.exam.interval(sat.exam.marks(CONTROL)),
        own_round=None if peer is None else peer.number,
        own_labels=None if peer is None else peer.trained_on,
        gain=None if peer is None else exam.paired(peer.exam, ADAPTER, sat.exam, CONTROL),
    )
