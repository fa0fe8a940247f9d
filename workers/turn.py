"""One turn of a campaign: a model of its labels, measured beside its references. Arrays in and out.

What a worker does in a round, and `postil simulate` in each of its steps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.predictions import ADAPTER, BASELINE, CONTROL
from workers import learner
from workers.corpus import Corpus
from workers.encoder import Encoder, Progress
from workers.learner import Fitted, Predictions
from workers.linear import Head
from workers.objective import OBJECTIVES, thresholds

CONTROL_AT_LEAST = 10
"""With fewer random labels a reference model says nothing."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What trains: `rows` of the corpus, what is true of them, weights, and which were drawn at random (`control`)."""

    rows: NDArray[np.int64]
    classes: NDArray[Any]
    """(n,) class numbers, or in multi_label (n, C) booleans."""
    weights: NDArray[np.float32]
    control: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, at: NDArray[np.bool_]) -> "Labels":
        return Labels(self.rows[at], self.classes[at], self.weights[at], self.control[at])


@dataclass(frozen=True, eq=False)
class Turn:
    fitted: Fitted
    predictions: Predictions
    """Of the examples that measure."""
    models: dict[str, NDArray[np.float32]]
    """(m, C) of them, by ADAPTER, BASELINE (logistic regression on the same labels and frozen embeddings), and, where
    there are control labels enough, CONTROL: by a model of those alone."""
    thresholds: dict[str, tuple[float, ...]]
    """(C,) of each model, in multi_label."""
    train_seconds: float


def take(
    problem: str,
    encoder: Encoder,
    corpus: Corpus,
    labels: Labels,
    classes: int,
    measured: Corpus,
    seed: int,
    telling: Callable[[str], Progress | None] = lambda words: None,
) -> Turn:
    """Train and measure; `telling` makes of what is being done a function that tells how far it is."""

    def fit(these: Labels, words: str) -> Fitted:
        return learner.fit(
            encoder,
            corpus,
            these.rows,
            these.classes,
            these.weights,
            classes,
            seed,
            problem=problem,
            progress=telling(words),
        )

    def ask(fitted: Fitted) -> Predictions:
        words = f"measuring on {len(measured)} examples"
        return learner.predict(encoder, fitted, measured.tokens, measured.base, progress=telling(words))

    started = time.perf_counter()
    fitted = fit(labels, f"training on {len(labels)} labels")
    train_seconds = time.perf_counter() - started
    predictions = ask(fitted)
    objective = OBJECTIVES[problem]
    head = Head(
        *objective.regression(
            corpus.base[labels.rows].astype(np.float32), labels.classes, labels.weights, classes
        )
    )
    models = {
        ADAPTER: predictions.probabilities,
        BASELINE: objective.probabilities(head.logits(measured.base.astype(np.float32))),
    }
    decided = {ADAPTER: fitted.thresholds, BASELINE: tuple(thresholds(models[BASELINE]).tolist())}
    control = labels.part(labels.control)
    members = objective.members(control.classes, classes)
    if len(control) >= CONTROL_AT_LEAST and (members.any(axis=0) & ~members.all(axis=0)).any():
        reference = fit(control, f"a reference on {len(control)} random labels")
        models[CONTROL], decided[CONTROL] = ask(reference).probabilities, reference.thresholds
    several = problem == "multi_label"
    return Turn(
        fitted,
        predictions,
        models,
        {model: found for model, found in decided.items() if found is not None} if several else {},
        train_seconds,
    )
