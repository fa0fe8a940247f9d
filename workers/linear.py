"""Linear heads on frozen embeddings: logistic regression on labels, their names, and pseudo-labels of the pool.

A label's name is one more labeled text: with few labels of many classes it is worth more than they are. Pseudo-labels
come from labels spread over nearest neighbours: worth much where the classes are regions of the embedding space, and
harmful where they are not. Cross-validation on the labels at hand decides how much of each there is: tests/bench/LOG.md
has both cases.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from workers import baseline
from workers.corpus import Corpus
from workers.recipe import Recipe

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

TEMPERATURES = (0.05, 5.0)
TEMPERATURE_ROWS = 50
"""With fewer cross-fitted rows a temperature does more harm than good, and stays 1."""
CONTEST_ROWS = 20
"""With fewer held-out rows a comparison is a lottery."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the model with pseudo-labels in the final one."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned from: `labels` (n,), classes of the corpus's `rows` (n,), with `weights` (n,), 1 on average."""

    corpus: Corpus
    rows: Rows
    labels: Rows
    weights: Floats
    classes: int
    recipe: Recipe

    def part(self, at: Rows) -> "Lesson":
        """The lesson of the labels at these positions alone."""
        return Lesson(
            self.corpus, self.rows[at], self.labels[at], self.weights[at], self.classes, self.recipe
        )

    def points(self, at: Rows) -> Floats:
        """(len(at), d) base embeddings of the labels at these positions."""
        return self.corpus.base[self.rows[at]].astype(np.float32)

    def splits(self, folds: int, rng: np.random.Generator) -> list[tuple[Rows, Rows]]:
        """(positions to learn from, positions held out), each position held out once."""
        fold = _folds(self.labels, folds, rng)
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

    logits: Floats
    """(m, C)"""
    labels: Rows
    weights: Floats

    def temperature(self) -> float:
        return temperature(self.logits, self.labels, self.weights)

    def log_loss(self, temperature: float = 1.0) -> float:
        return log_loss(baseline.softmax(self.logits / np.float32(temperature)), self.labels, self.weights)

    def correct(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.logits.argmax(1) == self.labels
        return found

    def accuracy(self) -> float:
        return float(np.average(self.correct(), weights=self.weights))


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
        t = self.held.temperature()
        measured = {"accuracy": self.held.accuracy(), "log_loss": self.held.log_loss(t)}
        return facts | {"rows": len(self.held.labels)} | measured


def fit(lesson: Lesson, rng: np.random.Generator) -> Linear:
    """The head for this lesson; names and pseudo-labels have the part in it that cross-validation finds best."""
    every = np.arange(len(lesson.rows))
    pool = len(lesson.corpus) > len(every)
    parts = lesson.splits(lesson.recipe.folds(len(every)), rng) if len(every) > 1 else []
    names = lesson.corpus.names is not None
    if names:
        with_names, without = (_held(lesson, parts, use, seen=True) for use in (True, False))
        if with_names is not None and without is not None:
            names = best_log_loss(with_names) <= best_log_loss(without)
    held = _held(lesson, parts, names)
    if held is None or len(held.labels) < CONTEST_ROWS or not pool:
        return Linear(_regression(lesson, names), names, 0.0, held)
    spread = _held(lesson, parts, names, rng=rng)
    assert spread is not None  # the same rows are held out
    mixes = [
        Held((1 - share) * held.logits + share * spread.logits, held.labels, held.weights) for share in SHARES
    ]
    best = int(np.argmin([best_log_loss(mix) for mix in mixes]))
    return Linear(_mixed(lesson, names, SHARES[best], rng), names, SHARES[best], mixes[best])


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


def temperature(logits: Floats, labels: Rows, weights: Floats) -> float:
    """The divisor of `logits` (n, C) with the least weighted log loss (Guo et al., arXiv:1706.04599)."""
    return _scaled(logits, labels, weights)[0] if len(labels) >= TEMPERATURE_ROWS else 1.0


def log_loss(probabilities: Floats, labels: Rows, weights: Floats) -> float:
    """Weighted mean of -log of the right class's probability, none counted as less than 1e-6."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(np.average(-np.log(np.maximum(right, 1e-6)), weights=weights))


def best_log_loss(held: Held) -> float:
    """At its own best temperature: models are compared by what they know, not by how loudly they say it."""
    return _scaled(held.logits, held.labels, held.weights)[1]


def _scaled(logits: Floats, labels: Rows, weights: Floats) -> tuple[float, float]:
    """(the best temperature, its log loss)"""
    found = minimize_scalar(
        lambda log_t: log_loss(baseline.softmax(logits / np.float32(np.exp(log_t))), labels, weights),
        bounds=(float(np.log(TEMPERATURES[0])), float(np.log(TEMPERATURES[1]))),
        method="bounded",
    )
    return float(np.exp(found.x)), float(found.fun)


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
            test = test[np.isin(lesson.labels[test], part.labels)]
        if not len(test):
            continue
        extra = pseudo_labels(part, names, rng, without=lesson.rows) if rng is not None else ()
        logits.append(_regression(part, names, *extra).logits(lesson.points(test)))
        at.append(test)
    if not at:
        return None
    rows = np.concatenate(at)
    return Held(np.concatenate(logits), lesson.labels[rows], lesson.weights[rows])


def _regression(lesson: Lesson, names: bool, rows: Rows | None = None, labels: Rows | None = None) -> Head:
    """Logistic regression on the lesson, with the names and pseudo-labeled rows of the corpus where given."""
    points, classes, weights = [lesson.points(np.arange(len(lesson.rows)))], [lesson.labels], [lesson.weights]
    if names and lesson.corpus.names is not None:
        points.append(lesson.corpus.names.base.astype(np.float32))
        classes.append(np.arange(lesson.classes))
        weights.append(np.ones(lesson.classes, np.float32))
    if rows is not None and labels is not None:
        points.append(lesson.corpus.base[rows].astype(np.float32))
        classes.append(labels)
        weights.append(np.ones(len(rows), np.float32))
    return Head(
        *baseline.fit(
            np.concatenate(points),
            np.concatenate(classes),
            np.concatenate(weights),
            lesson.classes,
            lesson.recipe.inverse_penalty,
        )
    )


def _folds(labels: Rows, folds: int, rng: np.random.Generator) -> Rows:
    """(n,) fold of each row: rows of one class are dealt out in turn, so every fold has its share of each."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold
