"""A campaign's labels over time: what was said in the labels of then, read in those of today.

What stands outside of the table of labels (answers as they were given, pre-annotations, test sets, the page of Label
Studio) is in codes. A label's code is its name, with an invisible mark at its end for every earlier label of that name:
an answer tells by itself which of them it means, whenever it was given and whenever it comes in.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service import answers
from service.answers import Answer
from service.errors import Conflict, Invalid
from service.records import Campaign, LabelChange

MARK = "\u2060"
"""WORD JOINER: nothing to see, and no white space that would be cut off."""


def changed(labels: Sequence[str], old: Sequence[str], new: Sequence[str]) -> list[str]:
    """The labels after `old` gave way to `new`, which stand in the place of the first of them, added ones at the end.

    None to one is a label that is added, one to one a label renamed, several to one merged, one to several split; a
    label may stay as one of those that it is merged into or split into. Raises Invalid, and Conflict for a name that
    is taken.
    """
    have = f"the campaign has {', '.join(labels)}"
    for label in old:
        if label not in labels:
            raise Invalid(f"there is no label {label!r}: {have}", "labels")
    for names in (old, new):
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise Invalid(f"the label {twice[0]!r} is named twice", "labels")
    if not new or (len(old) > 1 and len(new) > 1) or (not old and len(new) > 1):
        raise Invalid("one label is added or renamed, several are merged into one, or one is split", "labels")
    if list(old) == list(new):
        raise Invalid(f"the label {new[0]!r} would stay as it is", "labels")
    for label in new:
        if label in labels and label not in old:
            raise Conflict(f"there is a label {label!r} already: choose another name, or merge the two")
    at = min((labels.index(label) for label in old), default=len(labels))
    return [*labels[:at], *new, *(label for label in labels[at:] if label not in old)]


def through(change: LabelChange, label: str) -> str | None:
    """What a label is after a change; None where it may be any of several."""
    if label not in change.old:
        return label
    return change.new[0] if len(change.new) == 1 else None


def translated(
    problem: str, labels: Sequence[str], answer: Answer, to: Callable[[str], str | None]
) -> Answer | None:
    """The answer with each of its labels put through `to`, which gives one of `labels`; None where it gives None."""
    if isinstance(answer, str):
        return to(answer)
    found: list[Any] = []
    for one in answer:
        name = to(one if isinstance(one, str) else one["label"])
        if name is None:
            return None
        found.append(name if isinstance(one, str) else {**one, "label": name})
    return answers.check(problem, labels, found, None)


@dataclass(frozen=True)
class Columns:
    """Where the columns of an earlier model's arrays, one for each label of then, belong among today's `count`.

    A label that was added since has a column of zeros. Labels that were merged had their parts: of probabilities of
    exactly one label the sum is the merged one's, of labels that do not exclude each other the greatest. What a model
    said of a label that was split it said of one thing: all of it goes to the first part (`unsure` are all of them), so
    that the score of an earlier round is what it would be if people had meant that part. A model is not made to know
    what it was never told.
    """

    to: tuple[int, ...]
    count: int
    unsure: frozenset[int]
    """Today's labels that are parts of one that was split since, or what became of them."""

    def shares(self, problem: str, said: NDArray[Any]) -> NDArray[Any]:
        """(…, C of then) probabilities, or decisions, as (…, C of today)."""
        if self.to == tuple(range(self.count)):
            return said
        found = np.zeros((*said.shape[:-1], self.count), said.dtype)
        for at, new in enumerate(self.to):
            if problem == "single_label":
                found[..., new] += said[..., at]
            else:
                found[..., new] = np.maximum(found[..., new], said[..., at])
        return found

    def thresholds(self, decided: Sequence[float]) -> tuple[float, ...]:
        """Of labels merged the lowest; of one that the model does not know 1, which its zeros do not come to."""
        found = [1.0] * self.count
        for at, new in enumerate(self.to):
            found[new] = min(found[new], decided[at])
        return tuple(found)

    def classes(self, said: NDArray[Any]) -> NDArray[Any]:
        """Class numbers of then as today's."""
        found: NDArray[Any] = np.array(self.to, said.dtype)[said]
        return found


@dataclass(frozen=True)
class Vocabulary:
    problem: str
    labels: tuple[str, ...]
    """Today's."""
    changes: tuple[LabelChange, ...] = ()

    @classmethod
    def of(cls, campaign: Campaign) -> "Vocabulary":
        return cls(campaign.problem, tuple(campaign.labels), tuple(campaign.label_changes))

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Of today's labels, in their order."""
        newest = {name: code for code, (name, _) in self._coined.items()}
        return tuple(newest[label] for label in self.labels)

    @property
    def ever(self) -> tuple[str, ...]:
        """Codes of all labels that there ever were."""
        return tuple(self._coined)

    @cached_property
    def today(self) -> dict[str, str | None]:
        """What each code means today; None where that may be several labels."""
        return {code: self._through(name, since) for code, (name, since) in self._coined.items()}

    def coded(self, answer: Answer) -> Answer:
        """An answer in today's labels, in codes."""
        if not self.changes:
            return answer
        to = dict(zip(self.labels, self.codes, strict=True))
        found = translated(self.problem, self.codes, answer, to.__getitem__)
        assert found is not None  # each label has a code
        return found

    def read(self, stored: str) -> Answer | None:
        """A stored answer in codes as one in today's labels; None where that cannot be said any more."""
        answer = answers.read(self.problem, stored)
        return translated(self.problem, self.labels, answer, self.today.get) if self.changes else answer

    def renewed(self, stored: str) -> str | None:
        """As `read`, stored again."""
        if not self.changes:
            return stored
        answer = self.read(stored)
        return None if answer is None else answers.store(answer)

    def shown(self, prediction: Mapping[str, Any]) -> dict[str, Any] | None:
        """A pre-annotation in codes (`selections.Chosen`) as one in today's labels, less what cannot be said any more.

        None where nothing is left of it.
        """
        return _prediction(prediction, self.today)

    def current(self, prediction: Mapping[str, Any]) -> dict[str, Any] | None:
        """As `shown`, in codes of today's labels."""
        code = dict(zip(self.labels, self.codes, strict=True))
        to = {old: None if label is None else code[label] for old, label in self.today.items()}
        return _prediction(prediction, to)

    def columns(self, since: int) -> Columns:
        """Of arrays that a model made which knew the first `since` changes."""
        then = self.changes[since].before if since < len(self.changes) else self.labels
        at = {label: position for position, label in enumerate(self.labels)}
        parts: set[str] = set()
        for change in self.changes[since:]:
            if parts & set(change.old) or (len(change.new) > 1):
                parts |= set(change.new)
            parts -= set(change.old) - set(change.new)
        return Columns(
            tuple(at[self._first(label, since)] for label in then),
            len(self.labels),
            frozenset(at[label] for label in parts),
        )

    @cached_property
    def _coined(self) -> dict[str, tuple[str, int]]:
        """By code, in the order in which they came into use: (name, after how many changes)."""
        first = self.changes[0].before if self.changes else self.labels
        found = {label: (label, 0) for label in first}
        used = Counter(first)
        for number, change in enumerate(self.changes, 1):
            for name in change.new:
                # What others are merged into is what it was.
                if len(change.new) > 1 or name not in change.old:
                    found[name + MARK * used[name]] = (name, number)
                    used[name] += 1
        return found

    def _through(self, name: str, since: int) -> str | None:
        label: str | None = name
        for change in self.changes[since:]:
            label = None if label is None else through(change, label)
        return label

    def _first(self, name: str, since: int) -> str:
        """As `_through`, the first part of what was split."""
        for change in self.changes[since:]:
            name = change.new[0] if name in change.old else name
        return name


def _prediction(prediction: Mapping[str, Any], to: Mapping[str, str | None]) -> dict[str, Any] | None:
    if "label" in prediction:
        label = to.get(prediction["label"])
        return None if label is None else {**prediction, "label": label}
    if "spans" in prediction:
        spans = [{**one, "label": to.get(one["label"])} for one in prediction["spans"]]
        once = {(one["start"], one["end"], one["label"]): one for one in spans if one["label"] is not None}
        return {**prediction, "spans": list(once.values())}
    sure: dict[str, float] = {}
    for one in prediction["labels"]:
        label, confidence = to.get(one), prediction["confidences"][one]
        if label is not None:
            sure[label] = max(confidence, sure.get(label, 0.0))
    return {**prediction, "labels": list(sure), "confidences": sure}
