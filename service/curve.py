"""The learning curve: what each round's adapter gets right on the examples that measure.

A round keeps its predictions of every example that measures or may come to; its point is computed from them on
the truth as it is known now, so that all points of a curve stand on the same examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from service import measure
from service.files import Files
from service.measure import Interval, Metrics
from service.pool import pool, shards
from service.records import Campaign, Place
from service.store.schema import label

PLACES, ADAPTER, BASELINE, CONTROL = "places.npy", "adapter.npy", "baseline.npy", "control.npy"
ABOUT_AS_MANY = 1.25


@dataclass(frozen=True)
class Truth:
    """The examples that measure, and their labels (positions in the campaign's list). Equal ones hash alike."""

    source: str
    """"test" or "hold-out"."""
    labels: dict[Place, int]

    def __hash__(self) -> int:
        return hash((self.source, frozenset(self.labels.items())))


class Control(msgspec.Struct, frozen=True):
    """A reference model, trained on the control labels alone, against the campaign's own of about as many labels."""

    labels: int
    accuracy: Interval
    own_round: int | None = None
    own_labels: int | None = None
    gain: Interval | None = None
    """The campaign's accuracy minus the reference's, paired."""


class Point(msgspec.Struct, frozen=True):
    """One round on the curve."""

    round: int
    labels: int
    """Labels there were, those that only measure among them."""
    trained_on: int
    measured_on: str
    metrics: Metrics | None
    """None where nothing measures yet."""
    baseline_accuracy: float | None
    """Logistic regression on the base model's embeddings, with the same labels."""
    control: Control | None
    change: Interval | None
    """Accuracy minus the previous round's, paired."""


def truth(connection: Connection, files: Files, campaign: Campaign) -> Truth:
    """The test set where there is one, else the hold-out's labels as they are now."""
    index = {name: at for at, name in enumerate(campaign.labels)}
    tests = [row for row in pool.all_shards(connection, campaign.id, "test") if row.state == "sealed"]
    if tests:
        found: dict[Place, int] = {}
        for row in tests:
            names = shards.columns(files, row.content, ["label"])["label"]
            found |= {Place(row.number, at): index[name] for at, name in enumerate(names)}
        return Truth("test", found)
    held = select(label.c.shard, label.c.row, label.c.value).where(
        label.c.campaign == campaign.id,
        label.c.ended.is_(None),
        label.c.role == "hold-out",
        label.c.source == "annotation",
    )
    return Truth(
        "hold-out", {Place(number, row): index[value] for number, row, value in connection.execute(held)}
    )


def points(files: Files, campaign: Campaign, done: Sequence[Row[Any]], known: Truth) -> list[Point]:
    """A point for each round that was trained, oldest first, all on the same truth."""
    made: list[Point] = []
    correct: dict[int, dict[Place, bool]] = {}
    trained = {row.number: row.metrics["trained_on"] for row in done if row.predictions}
    for row in done:
        if row.predictions is None:
            continue
        folder = files.path(row.predictions)
        at, places, answers = _known(folder, known)
        right = np.load(folder / ADAPTER)[at].argmax(axis=1) == answers
        correct[row.number] = dict(zip(places, right.tolist(), strict=True))
        before = [number for number in correct if number < row.number]
        made.append(
            Point(
                round=row.number,
                labels=row.labels,
                trained_on=trained[row.number],
                measured_on=known.source,
                metrics=_metrics(folder, known, row.seed),
                baseline_accuracy=_accuracy(folder / BASELINE, at, answers),
                control=_control(folder, row, at, places, answers, trained, correct),
                change=_paired(correct[row.number], correct[before[-1]]) if before else None,
            )
        )
    return made


@lru_cache(maxsize=256)
def _metrics(folder: Path, known: Truth, seed: int) -> Metrics | None:
    """Kept, since whoever watches asks for the whole curve again and again, and a bootstrap takes its time."""
    at, _, answers = _known(folder, known)
    return measure.measure(np.load(folder / ADAPTER)[at], answers, np.random.default_rng(seed))


def _known(folder: Path, known: Truth) -> tuple[NDArray[np.int64], list[Place], NDArray[np.int64]]:
    """(positions in the predictions, examples, labels) of what is predicted and known."""
    stored = [Place(int(number), int(row)) for number, row in np.load(folder / PLACES)]
    at = [position for position, place in enumerate(stored) if place in known.labels]
    places = [stored[position] for position in at]
    answers = np.array([known.labels[place] for place in places], dtype=np.int64)
    return np.array(at, dtype=np.int64), places, answers


def _accuracy(path: Path, at: NDArray[np.int64], answers: NDArray[np.int64]) -> float | None:
    return float((np.load(path)[at].argmax(axis=1) == answers).mean()) if len(at) else None


def _control(
    folder: Path,
    row: Row[Any],
    at: NDArray[np.int64],
    places: list[Place],
    answers: NDArray[np.int64],
    trained: dict[int, int],
    correct: dict[int, dict[Place, bool]],
) -> Control | None:
    if not len(at) or not (folder / CONTROL).exists():
        return None
    right = np.load(folder / CONTROL)[at].argmax(axis=1) == answers
    number = row.metrics["control_labels"]
    peers = [one for one in correct if number / ABOUT_AS_MANY <= trained[one] <= number * ABOUT_AS_MANY]
    peer = min(peers, key=lambda one: abs(trained[one] - number), default=None)
    return Control(
        labels=number,
        accuracy=measure.wilson(int(right.sum()), len(right)),
        own_round=peer,
        own_labels=None if peer is None else trained[peer],
        gain=None if peer is None else _paired(correct[peer], dict(zip(places, right.tolist(), strict=True))),
    )


def _paired(ours: dict[Place, bool], theirs: dict[Place, bool]) -> Interval | None:
    """Difference in accuracy on the examples that both predicted."""
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        return None
    return measure.paired_difference(
        np.array([ours[one] for one in both]), np.array([theirs[one] for one in both])
    )
