"""One turn of a campaign: a model of its labels, measured beside its references. Arrays in and out.

What a worker does in a round, and `postil simulate` in each of its steps.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.predictions import ADAPTER, BASELINE, CONTROL, Spans
from workers import learner, tagger
from workers.candidates import LEAST_ROWS, PROBE_ROWS, Probe
from workers.corpus import Corpus
from workers.encoder import Encoder, Progress
from workers.learner import Fitted
from workers.linear import Head
from workers.objective import OBJECTIVES, thresholds
from workers.recipe import Recipe
from workers.tagger import Tagger

CONTROL_AT_LEAST = 10
"""With fewer random labels a reference model says nothing."""

Telling: TypeAlias = Callable[[str], Progress | None]
"""Makes of what is being done a function that tells how far it is."""
Said: TypeAlias = NDArray[np.float32] | Spans
"""What a model says of the examples that measure: probabilities (m, C), or spans."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What trains: `rows` of the corpus, what is true of them, weights, and which were drawn at random (`control`)."""

    rows: NDArray[np.int64]
    classes: NDArray[Any]
    """As `workers.coding.classes` has them."""
    weights: NDArray[np.float32]
    control: NDArray[np.bool_]
    groups: NDArray[np.int64] | None = None
    """Equal for texts that were made of one; None: none was."""

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, at: NDArray[np.bool_]) -> "Labels":
        groups = None if self.groups is None else self.groups[at]
        return Labels(self.rows[at], self.classes[at], self.weights[at], self.control[at], groups)


@dataclass(frozen=True, eq=False)
class Turn:
    fitted: Fitted | Tagger
    models: dict[str, Said]
    """By ADAPTER; BASELINE, which is logistic regression on the same labels and frozen embeddings (none for spans); and
    where there are control labels enough CONTROL, by a model of those alone."""
    thresholds: dict[str, tuple[float, ...]]
    """(C,) of each model, in multi_label."""
    rate: float
    """Texts that the adapter reads in a second."""
    train_seconds: float


def take(
    problem: str,
    encoder: Encoder,
    corpus: Corpus,
    labels: Labels,
    classes: int,
    measured: Corpus,
    seed: int,
    telling: Telling = lambda words: None,
    recipe: Recipe | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> Turn:
    """Train and measure. For spans both corpora need their texts; they have a recipe of their own.

    `earlier`: the `metrics` of the turn before, as `learner.fit` takes them.
    """
    kind = _Tagging if problem == "spans" else _Classification
    task = kind(problem, encoder, corpus, classes, measured, seed, telling, recipe)
    started = time.perf_counter()
    fitted = task.fit(labels, f"training on {len(labels)} labels", earlier)
    train_seconds = time.perf_counter() - started
    said, rate = task.ask(fitted)
    models, decided = {ADAPTER: said}, {ADAPTER: task.thresholds(fitted)}
    baseline = task.baseline(labels)
    if baseline is not None:
        models[BASELINE], decided[BASELINE] = baseline, tuple(thresholds(baseline).tolist())
    control = labels.part(labels.control)
    if len(control) >= CONTROL_AT_LEAST and task.teach(control):
        reference = task.fit(control, f"a reference on {len(control)} random labels")
        models[CONTROL], decided[CONTROL] = task.ask(reference)[0], task.thresholds(reference)
    several = problem == "multi_label"
    return Turn(
        fitted,
        models,
        {model: found for model, found in decided.items() if found is not None} if several else {},
        rate,
        train_seconds,
    )


def probe(
    problem: str,
    encoder: Encoder,
    fitted: Fitted | Tagger,
    corpus: Corpus,
    rows: NDArray[np.int64],
    rng: np.random.Generator,
) -> Probe | None:
    """Distilled from what the adapter says of some of these rows of the corpus; None where they are too few."""
    if len(rows) < LEAST_ROWS:
        return None
    some = rng.choice(rows, min(PROBE_ROWS, len(rows)), replace=False)
    if isinstance(fitted, Tagger):
        said = tagger.predict(encoder, fitted, corpus.some_texts(some)).token_uncertainty
    else:
        said = learner.predict(encoder, fitted, corpus.tokens, corpus.base, some).probabilities
    return Probe.distill(problem, corpus.base[some], said)


@dataclass(frozen=True, eq=False)
class _Classification:
    """Labels of whole texts."""

    problem: str
    encoder: Encoder
    corpus: Corpus
    classes: int
    measured: Corpus
    seed: int
    telling: Telling
    recipe: Recipe | None

    def fit(self, labels: Labels, words: str, earlier: Mapping[str, Any] | None = None) -> Any:
        return learner.fit(
            self.encoder,
            self.corpus,
            labels.rows,
            labels.classes,
            labels.weights,
            self.classes,
            self.seed,
            self.recipe,
            self.problem,
            self.telling(words),
            labels.groups,
            earlier,
        )

    def ask(self, fitted: Any) -> tuple[Said, float]:
        """(what it says, texts per second)"""
        telling = self.telling(f"measuring on {len(self.measured)} examples")
        tokens, base = self.measured.tokens, self.measured.base
        found = learner.predict(self.encoder, fitted, tokens, base, progress=telling)
        return found.probabilities, found.rate

    def thresholds(self, fitted: Any) -> tuple[float, ...] | None:
        found: tuple[float, ...] | None = fitted.thresholds
        return found

    def baseline(self, labels: Labels) -> NDArray[np.float32] | None:
        objective, points = OBJECTIVES[self.problem], self.corpus.base[labels.rows].astype(np.float32)
        head = Head(*objective.regression(points, labels.classes, labels.weights, self.classes))
        return objective.probabilities(head.logits(self.measured.base.astype(np.float32)))

    def teach(self, labels: Labels) -> bool:
        """Whether these labels tell anything apart."""
        members = OBJECTIVES[self.problem].members(labels.classes, self.classes)
        return bool((members.any(axis=0) & ~members.all(axis=0)).any())


class _Tagging(_Classification):
    """Spans of texts."""

    def fit(self, labels: Labels, words: str, earlier: Mapping[str, Any] | None = None) -> Any:
        return tagger.fit(
            self.encoder,
            self.corpus.some_texts(labels.rows),
            labels.classes.tolist(),
            labels.weights,
            self.classes,
            self.seed,
            progress=self.telling(words),
        )

    def ask(self, fitted: Any) -> tuple[Said, float]:
        telling = self.telling(f"measuring on {len(self.measured)} examples")
        texts = self.measured.some_texts(np.arange(len(self.measured)))
        found = tagger.predict(self.encoder, fitted, texts, progress=telling)
        return found.spans, found.rate

    def thresholds(self, fitted: Any) -> tuple[float, ...] | None:
        return None

    def baseline(self, labels: Labels) -> NDArray[np.float32] | None:
        return None

    def teach(self, labels: Labels) -> bool:
        return any(labels.classes)
