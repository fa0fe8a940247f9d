"""Linear heads on frozen embeddings: logistic regression on labels, their names, and pseudo-labels of the pool.

A label's name is one more labeled text: with few labels of many classes it is worth more than they are. Pseudo-labels
come from labels spread over nearest neighbours: worth much where the classes are regions of the embedding space, and
harmful where they are not. Cross-validation on the labels at hand decides how much of each there is: tests/bench/LOG.md
has both cases.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers import objective
from workers.corpus import Corpus
from workers.objective import Floats, Labels, Objective, Rows
from workers.recipe import Recipe

FOLDS = 5
"""Of the cross-validation. Models on half of the labels are so much poorer that temperatures come out too high."""
CONTEST_ROWS = 20
"""With fewer held-out rows a comparison is a lottery."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the model with pseudo-labels in the final one."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned from: `labels` (n, …) of the corpus's `rows` (n,), with `weights` (n,), 1 on average."""

    objective: Objective
    corpus: Corpus
    rows: Rows
    labels: Labels
    weights: Floats
    classes: int
    recipe: Recipe
    groups: Rows | None = None
    """(n,) equal for texts that were made of one: what is held out is held out with all of them."""

    @property
    def members(self) -> NDArray[np.bool_]:
        """(n, C)"""
        return self.objective.members(self.labels, self.classes)

    def part(self, at: Rows) -> "Lesson":
        """The lesson of the labels at these positions alone."""
        groups = None if self.groups is None else self.groups[at]
        return replace(
            self, rows=self.rows[at], labels=self.labels[at], weights=self.weights[at], groups=groups
        )

    def known(self, at: Rows, part: "Lesson") -> Rows:
        """Those of these positions whose classes all occur in a part of the lesson: of others it can say nothing."""
        return at[~(self.members[at] & ~part.members.any(axis=0)).any(axis=1)]

    def points(self, at: Rows) -> Floats:
        """(len(at), d) base embeddings of the labels at these positions."""
        return self.corpus.base[self.rows[at]].astype(np.float32)

    def each(self) -> Labels:
        """(C, …) labels of C texts, one of each class and of no other."""
        return np.arange(self.classes) if self.labels.ndim == 1 else np.eye(self.classes, dtype=np.bool_)

    def splits(self, folds: int, rng: np.random.Generator) -> list[tuple[Rows, Rows]]:
        """(positions to learn from, positions held out), each position held out once."""
        if self.groups is None:
            fold = _folds(self.members, folds, rng)
        else:
            _, first, group = np.unique(self.groups, return_index=True, return_inverse=True)
            fold = _folds(self.members[first], folds, rng)[group]
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]


@dataclass(frozen=True, eq=False)
class Head:
    """logits = points · weight.T + bias, of weight (C, d) and bias (C,)."""

    weight: Floats
    bias: Floats

    def logits(self, points: Floats) -> Floats:
        """(n, C)"""
        return points @ self.weight.T + self.bias

    def mixed(self, other: "Head", share: float) -> "Head":
        """The head whose logits are (1 - share) of these and `share` of the other's."""
        own, its = np.float32(1 - share), np.float32(share)
        return Head(own * self.weight + its * other.weight, own * self.bias + its * other.bias)


@dataclass(frozen=True, eq=False)
class Held:
    """Predictions of labels by models that did not learn from them."""

    objective: Objective
    at: Rows
    """(m,) positions in the lesson."""
    logits: Floats
    """(m, C)"""
    labels: Labels
    weights: Floats

    def temperature(self) -> float:
        return objective.temperature(self.objective, self.logits, self.labels, self.weights)

    def best_log_loss(self) -> float:
        """At its own best temperature: models are compared by what they know, not by how loudly they say it."""
        return objective.scaled(self.objective, self.logits, self.labels, self.weights)[1]

    def best_temperature(self) -> float:
        """Of however few rows."""
        return objective.scaled(self.objective, self.logits, self.labels, self.weights)[0]

    def losses(self) -> NDArray[np.float64]:
        """(m,), at the best temperature."""
        t = self.best_temperature()
        return self.objective.losses(self.objective.probabilities(self.logits / np.float32(t)), self.labels)

    def mixed(self, other: Floats, share: float) -> "Held":
        """Predictions whose logits are (1 - share) of these and `share` of the others (m, C)."""
        return replace(self, logits=np.float32(1 - share) * self.logits + np.float32(share) * other)


@dataclass(frozen=True, eq=False)
class Linear:
    """The head that won, and how."""

    head: Head
    names: bool
    """Whether the labels' names are among its examples."""
    share: float
    """0..1, of the model with pseudo-labels."""
    held: Held | None
    """None where nothing could be held out."""

    @property
    def metrics(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"names": self.names, "pseudo_labels": self.share, "rows": 0}
        if self.held is None:
            return facts
        return facts | {"rows": len(self.held.labels), "log_loss": self.held.best_log_loss()}


def fit(lesson: Lesson, rng: np.random.Generator) -> Linear:
    """The head for this lesson; names and pseudo-labels have the part in it that cross-validation finds best."""
    every = np.arange(len(lesson.rows))
    # Labels that do not exclude each other would have to spread each on its own: not tried.
    pool = len(lesson.corpus) > len(every) and lesson.labels.ndim == 1
    parts = lesson.splits(FOLDS, rng) if len(every) > 1 else []
    names = lesson.corpus.names is not None
    if names:
        with_names, without = (_held(lesson, parts, use, seen=True) for use in (True, False))
        if with_names is not None and without is not None and len(without.labels) >= CONTEST_ROWS:
            names = with_names.best_log_loss() <= without.best_log_loss()
    held = _held(lesson, parts, names)
    if held is None or len(held.labels) < CONTEST_ROWS or not pool:
        return Linear(_regression(lesson, names), names, 0.0, held)
    spread = _held(lesson, parts, names, rng=rng)
    assert spread is not None  # the same rows are held out
    mixes = [held.mixed(spread.logits, share) for share in SHARES]
    best = int(np.argmin([mix.best_log_loss() for mix in mixes]))
    return Linear(_mixed(lesson, names, SHARES[best], rng), names, SHARES[best], mixes[best])


def opinions(lesson: Lesson, rng: np.random.Generator) -> Floats:
    """(n, C) calibrated probabilities for each text of the lesson, by a head that did not learn from it.

    NaN where there was none to ask.
    """
    found = np.full((len(lesson.rows), lesson.classes), np.nan, np.float32)
    held = fit(lesson, rng).held
    if held is not None:
        found[held.at] = lesson.objective.probabilities(held.logits / np.float32(held.temperature()))
    return found


def unseen(lesson: Lesson, names: bool, folds: int, rng: np.random.Generator) -> Floats:
    """(n, C) probabilities for each text of the lesson by regression on the other folds' labels, and on the names.

    NaN where that knows nothing of the text's class.
    """
    found = np.full((len(lesson.rows), lesson.classes), np.nan, np.float32)
    held = _held(lesson, lesson.splits(folds, rng), names)
    if held is not None:
        found[held.at] = lesson.objective.probabilities(held.logits)
    return found


def head(lesson: Lesson, like: Linear, rng: np.random.Generator, without: Rows) -> Head:
    """The head for another lesson with the same part of names and pseudo-labels; no pseudo-labels of `without`."""
    return _mixed(lesson, like.names, like.share, rng, without)


def _mixed(
    lesson: Lesson, names: bool, share: float, rng: np.random.Generator, without: Rows | None = None
) -> Head:
    plain = _regression(lesson, names)
    if not share:
        return plain
    return plain.mixed(_regression(lesson, names, *pseudo_labels(lesson, names, rng, without)), share)


def pseudo_labels(
    lesson: Lesson, names: bool, rng: np.random.Generator, without: Rows | None = None
) -> tuple[Rows, Rows]:
    """(rows of the corpus, their classes): the surest half of each class, at most `recipe.pseudo` rows in all.

    A text's class is the one that reaches it most when labels (and names) spread over the graph; it is the surer the
    greater that class's share is. Labeled rows are never among them, nor those `without`.
    """
    n, classes = len(lesson.corpus), lesson.classes
    graph = lesson.corpus.graph
    seeds = np.zeros((graph.links.shape[0], classes), np.float32)
    seeds[lesson.rows, lesson.labels] = lesson.weights
    if names:
        seeds[n + np.arange(classes), np.arange(classes)] = 1
    reached = graph.spread(seeds)[:n]
    total = reached.sum(axis=1)
    found = reached.argmax(axis=1)
    sure = reached[np.arange(n), found] / np.maximum(total, 1e-12)
    free = total > 1e-12
    free[lesson.rows] = False
    if without is not None:
        free[without] = False
    each = -(-lesson.recipe.pseudo // classes)
    chosen = []
    for one in range(classes):
        members = np.flatnonzero(free & (found == one))
        half = members[np.argsort(-sure[members], kind="stable")][: -(-len(members) // 2)]
        chosen.append(rng.choice(half, min(each, len(half)), replace=False))
    rows = np.sort(np.concatenate(chosen))
    return rows, found[rows]


def _held(
    lesson: Lesson,
    parts: list[tuple[Rows, Rows]],
    names: bool,
    seen: bool = False,
    rng: np.random.Generator | None = None,
) -> Held | None:
    """Held-out predictions; with pseudo-labels where `rng` is given. None where there are none.

    `seen`: only of rows whose class the model had labels of; without names no others can be told.
    """
    logits, at = [], []
    for train, test in parts:
        part = lesson.part(train)
        if seen or not names:
            test = lesson.known(test, part)
        if not len(test):
            continue
        extra = pseudo_labels(part, names, rng, without=lesson.rows) if rng is not None else ()
        logits.append(_regression(part, names, *extra).logits(lesson.points(test)))
        at.append(test)
    if not at:
        return None
    rows = np.concatenate(at)
    return Held(lesson.objective, rows, np.concatenate(logits), lesson.labels[rows], lesson.weights[rows])


def _regression(lesson: Lesson, names: bool, rows: Rows | None = None, labels: Rows | None = None) -> Head:
    """Logistic regression on the lesson, with the names and pseudo-labeled rows of the corpus where given."""
    return Head(*lesson.objective.regression(*examples(lesson, names, rows, labels), lesson.classes))


def examples(
    lesson: Lesson, names: bool, rows: Rows | None = None, labels: Rows | None = None
) -> tuple[Floats, Labels, Floats]:
    """(points, labels, weights) of the lesson, then of the names and of pseudo-labeled rows of the corpus, if given."""
    points, classes, weights = [lesson.points(np.arange(len(lesson.rows)))], [lesson.labels], [lesson.weights]
    if names and lesson.corpus.names is not None:
        points.append(lesson.corpus.names.base.astype(np.float32))
        classes.append(lesson.each())
        weights.append(np.ones(lesson.classes, np.float32))
    if rows is not None and labels is not None:
        points.append(lesson.corpus.base[rows].astype(np.float32))
        classes.append(labels)
        weights.append(np.ones(len(rows), np.float32))
    return np.concatenate(points), np.concatenate(classes), np.concatenate(weights)


def _folds(members: NDArray[np.bool_], folds: int, rng: np.random.Generator) -> Rows:
    """(n,) fold of each row: rows of one class are dealt out in turn, so every fold has its share of each.

    Of several labels the rarest counts.
    """
    rarest = np.where(members, members.sum(axis=0), len(members) + 1).argmin(axis=1)
    order = rng.permutation(len(members))
    order = order[np.argsort(rarest[order], kind="stable")]
    fold = np.empty(len(members), np.int64)
    fold[order] = np.arange(len(members)) % folds
    return fold
