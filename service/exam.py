"""Exams: the models of one round before the examples whose answers are known, whatever the problem."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from service import predictions
from service.answers import Coded
from service.measure import agreement, confusion, intervals, jackknife, multi_label, single_label, spans
from service.measure.confusion import Case
from service.measure.intervals import Floats, Interval, Statistic
from service.measure.multi_label import MultiLabelMetrics
from service.measure.single_label import SingleLabelMetrics
from service.measure.spans import SpanMetrics
from service.predictions import ADAPTER
from service.records import Campaign, Place
from service.vocabulary import Columns, Vocabulary

Metrics: TypeAlias = SingleLabelMetrics | MultiLabelMetrics | SpanMetrics
Marks: TypeAlias = NDArray[Any]
"""What the headline metric is summed from, a row an example: right or wrong (n,), or counts (n, C, 3)."""


@dataclass(frozen=True)
class Truth:
    """The examples that measure, and what is true of them, in class numbers. Equal ones hash alike."""

    source: str
    """"test" or "hold-out"."""
    answers: dict[Place, Coded]
    domains: dict[Place, str] = field(default_factory=dict, compare=False)
    """Of those that have one; that of an example never changes."""

    @cached_property
    def _hashed(self) -> int:
        return hash((self.source, frozenset(self.answers.items())))

    def __hash__(self) -> int:
        return self._hashed


@dataclass(frozen=True)
class Exam(ABC):
    """One round's predictions, in `folder`, against the truth. Equal ones have equal marks and hash alike."""

    folder: Path
    known: Truth
    classes: int
    seed: int
    thresholds: tuple[tuple[str, tuple[float, ...]], ...]
    columns: Columns
    """Where what the models said belongs among today's labels."""

    @cached_property
    def at(self) -> NDArray[np.int64]:
        """(n,) positions in the predictions of what is predicted and known, ascending."""
        stored = predictions.places(self.folder)
        return np.array([at for at, one in enumerate(stored) if one in self.known.answers], dtype=np.int64)

    @cached_property
    def places(self) -> list[Place]:
        """The n examples."""
        stored = predictions.places(self.folder)
        return [stored[at] for at in self.at]

    @property
    def rng(self) -> Generator:
        return np.random.default_rng(self.seed)

    @property
    def truth(self) -> list[Any]:
        """Of the n examples."""
        return [self.known.answers[place] for place in self.places]

    def has(self, model: str) -> bool:
        """Whether the model took part, and there is something to mark."""
        return bool(len(self.at)) and predictions.has(self.folder, model)

    def score(self, model: str) -> float | None:
        """The headline metric; None where there is nothing to mark."""
        return self.interval(self.marks(model)).value if self.has(model) else None

    @abstractmethod
    def metrics(self) -> Metrics | None:
        """All metrics of the round's adapter; None where there is nothing to mark."""

    @abstractmethod
    def marks(self, model: str) -> Marks: ...

    @abstractmethod
    def counts(self, model: str) -> NDArray[np.int64]:
        """(n, C, 3): of each example and class what is hit, is said, is true."""

    @abstractmethod
    def cases(self, model: str) -> list[Case]:
        """What the model said of the n examples against what is true of them."""

    @abstractmethod
    def parts(self, marks: Marks) -> NDArray[np.int64]:
        """(n, K): what each example adds to the sums that `statistic` takes."""

    @property
    @abstractmethod
    def statistic(self) -> Statistic:
        """From sums (r, K) to the headline metric (r, 1)."""

    @abstractmethod
    def agreement(self, before: Self) -> float | None:
        """How far its adapter's predictions are those of the round before, on all that both predicted, known or not.

        Cohen's kappa; of several labels its mean; of spans F1. None where that is not defined.
        """

    def _both(self, before: "Exam") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions, in either's predictions, of what both predicted."""
        earlier = {place: at for at, place in enumerate(predictions.places(before.folder))}
        pairs = [
            (at, earlier[one]) for at, one in enumerate(predictions.places(self.folder)) if one in earlier
        ]
        mine, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return mine, theirs

    @abstractmethod
    def interval(self, marks: Marks) -> Interval:
        """The headline metric of n >= 1 marks."""

    @abstractmethod
    def difference(self, ours: Marks, theirs: Marks) -> Interval | None:
        """Our headline metric minus theirs, on the same examples; None where there are none."""


@dataclass(frozen=True)
class Sitting:
    """A round's exam, and how many labels its models were trained on."""

    number: int
    trained_on: int
    control_labels: int
    exam: Exam


class _SingleLabel(Exam):
    def metrics(self) -> SingleLabelMetrics | None:
        return single_label.measure(self._said(ADAPTER), np.array(self.truth, np.int64), self.rng)

    def marks(self, model: str) -> Marks:
        right: Marks = self._said(model).argmax(axis=1) == np.array(self.truth, np.int64)
        return right

    def counts(self, model: str) -> NDArray[np.int64]:
        each = np.eye(self.classes, dtype=np.bool_)
        said, true = self._said(model).argmax(axis=1), np.array(self.truth, np.int64)
        return multi_label.counts(each[said], each[true])

    def cases(self, model: str) -> list[Case]:
        return confusion.single_label(self._said(model), np.array(self.truth, np.int64))

    def interval(self, marks: Marks) -> Interval:
        return intervals.wilson(int(marks.sum()), len(marks))

    def difference(self, ours: Marks, theirs: Marks) -> Interval | None:
        return intervals.paired_shares(ours, theirs)

    def parts(self, marks: Marks) -> NDArray[np.int64]:
        return single_label.parts(marks)

    @property
    def statistic(self) -> Statistic:
        return single_label.score

    def agreement(self, before: Self) -> float | None:
        mine, theirs = (
            one._shares(ADAPTER)[at].argmax(axis=1)
            for one, at in zip((self, before), self._both(before), strict=True)
        )
        return agreement.kappa(mine, theirs, self.classes)

    def _said(self, model: str) -> NDArray[np.floating]:
        return self._shares(model)[self.at]

    def _shares(self, model: str) -> NDArray[np.floating]:
        return self.columns.shares("single_label", predictions.probabilities(self.folder, model))


class _MultiLabel(Exam):
    def metrics(self) -> MultiLabelMetrics | None:
        said, decided = self._said(ADAPTER)
        return multi_label.measure(said, decided, self._true, self.rng)

    def marks(self, model: str) -> Marks:
        return self.counts(model)

    def counts(self, model: str) -> NDArray[np.int64]:
        return multi_label.counts(self._said(model)[1], self._true)

    def cases(self, model: str) -> list[Case]:
        return confusion.multi_label(*self._said(model), self._true)

    def interval(self, marks: Marks) -> Interval:
        return multi_label.headline(marks, self.rng)

    def difference(self, ours: Marks, theirs: Marks) -> Interval | None:
        return multi_label.difference(ours, theirs, self.rng)

    def parts(self, marks: Marks) -> NDArray[np.int64]:
        return multi_label.parts(marks)

    @property
    def statistic(self) -> Statistic:
        return multi_label.score

    def agreement(self, before: Self) -> float | None:
        mine, theirs = (
            one._decided(ADAPTER)[at] for one, at in zip((self, before), self._both(before), strict=True)
        )
        return agreement.mean_kappa(mine, theirs)

    @cached_property
    def _true(self) -> NDArray[np.bool_]:
        """(n, C)."""
        true = np.zeros((len(self.at), self.classes), np.bool_)
        for row, answer in zip(true, self.truth, strict=True):
            row[list(answer)] = True
        return true

    def _said(self, model: str) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """(n, C) probabilities, and which labels are decided."""
        said = predictions.probabilities(self.folder, model)
        return self.columns.shares("multi_label", said)[self.at], self._decided(model)[self.at]

    def _decided(self, model: str) -> NDArray[np.bool_]:
        """Of labels that were merged since, that one of them was decided decides."""
        said = predictions.probabilities(self.folder, model)
        return self.columns.shares("multi_label", said >= np.array(dict(self.thresholds)[model]))


class _Spans(Exam):
    def metrics(self) -> SpanMetrics | None:
        said = self._said(ADAPTER)
        texts = len(self.at)
        return spans.measure(said.rows, self._true, texts, self.classes, self.rng, said.confidence)

    def marks(self, model: str) -> Marks:
        return self.counts(model)

    def counts(self, model: str) -> NDArray[np.int64]:
        return spans.counts(self._said(model).rows, self._true, len(self.at), self.classes)

    def cases(self, model: str) -> list[Case]:
        said = self._said(model)
        return confusion.spans(said.rows, said.confidence, self._true)

    def interval(self, marks: Marks) -> Interval:
        return spans.headline(marks, self.rng)

    def difference(self, ours: Marks, theirs: Marks) -> Interval | None:
        return spans.difference(ours, theirs, self.rng)

    def parts(self, marks: Marks) -> NDArray[np.int64]:
        return spans.parts(marks)

    @property
    def statistic(self) -> Statistic:
        return spans.score

    def agreement(self, before: Self) -> float | None:
        places = zip((self, before), self._both(before), strict=True)
        mine, theirs = (_at(one._spans(ADAPTER).rows, at) for one, at in places)
        return agreement.spans_f1(mine, theirs)

    @cached_property
    def _true(self) -> NDArray[np.int64]:
        """(m, 4)."""
        rows = [(at, *span) for at, answer in enumerate(self.truth) for span in answer]
        return np.array(rows, dtype=np.int64).reshape(-1, 4)

    def _said(self, model: str) -> predictions.Spans:
        return self._spans(model).of(self.at)

    def _spans(self, model: str) -> predictions.Spans:
        """Of the same stretch twice, once labels were merged, the surer one."""
        return predictions.spans(self.folder, model).renamed(self.columns)


def _at(rows: NDArray[np.int32], positions: NDArray[np.int64]) -> NDArray[np.int32]:
    """Spans (k, 4) of the examples at these positions, in whatever order, which are numbered anew from 0."""
    number = {position: at for at, position in enumerate(positions.tolist())}
    found = [(number[row[0]], *row[1:]) for row in rows.tolist() if row[0] in number]
    return np.array(found, dtype=np.int32).reshape(-1, 4)


_KINDS: dict[str, type[Exam]] = {"single_label": _SingleLabel, "multi_label": _MultiLabel, "spans": _Spans}


def exam(
    campaign: Campaign,
    folder: Path,
    known: Truth,
    seed: int,
    thresholds: Mapping[str, Sequence[float]] | None = None,
    label_changes: int | None = None,
) -> Exam:
    """The exam of a round with its predictions in `folder`; `thresholds` of each model where labels are several.

    `label_changes`: how many of the campaign's the models know of; all unless said.
    """
    fixed = tuple((model, tuple(each)) for model, each in (thresholds or {}).items())
    since = len(campaign.label_changes) if label_changes is None else label_changes
    columns = Vocabulary.of(campaign).columns(since)
    return _KINDS[campaign.problem](folder, known, len(campaign.labels), seed, fixed, columns)


def paired(ours: Exam, model: str, theirs: Exam, other: str) -> Interval | None:
    """Our model's headline metric minus their other one's, on the examples that both exams have; None without any."""
    at = {place: position for position, place in enumerate(theirs.places)}
    both = [(position, at[place]) for position, place in enumerate(ours.places) if place in at]
    mine, its = np.array(both, dtype=np.int64).reshape(-1, 2).T
    return ours.difference(ours.marks(model)[mine], theirs.marks(other)[its])


def jointly(sat: Sequence[tuple[Exam, str]]) -> tuple[Floats, Floats]:
    """Errors (M,) of the models named, one minus the headline metric, and their covariance (M, M) over examples.

    Each is measured on all examples of its exam; what two models were asked both makes them vary together. There is
    one model at least, and two examples.
    """
    number = {
        place: at for at, place in enumerate(dict.fromkeys(place for one, _ in sat for place in one.places))
    }

    def aligned(one: Exam, model: str) -> NDArray[np.int64]:
        mine = one.parts(one.marks(model))
        parts = np.zeros((len(number), mine.shape[1]), np.int64)
        parts[[number[place] for place in one.places]] = mine
        return parts

    scores, covariance = jackknife.jointly((aligned(*each) for each in sat), sat[0][0].statistic)
    return 1 - scores, jackknife.careful(1 - scores, covariance, len(number))
