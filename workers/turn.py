"""One turn of a campaign: a model of its labels, measured beside its references. Arrays in and out.

What a worker does in a round, and `postil simulate` in each of its steps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers import baseline, learner
from workers.corpus import Corpus
from workers.encoder import Encoder, Progress
from workers.learner import Fitted, Predictions

CONTROL_AT_LEAST = 10
"""With fewer random labels a reference model says nothing."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What trains: `rows` of the corpus, their `classes` and `weights`, and which were drawn at random (`control`)."""

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
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
    baseline: NDArray[np.float32]
    """(m, C), by logistic regression on the same labels and frozen embeddings."""
    control: NDArray[np.float32] | None
    """(m, C), by a model of the control labels alone; None where there are too few."""
    train_seconds: float


def take(
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
            progress=telling(words),
        )

    def ask(fitted: Fitted) -> Predictions:
        words = f"measuring on {len(measured)} examples"
        return learner.predict(encoder, fitted, measured.tokens, measured.base, progress=telling(words))

    started = time.perf_counter()
    fitted = fit(labels, f"training on {len(labels)} labels")
    train_seconds = time.perf_counter() - started
    control = labels.part(labels.control)
    reference = None
    if len(control) >= CONTROL_AT_LEAST and len(np.unique(control.classes)) > 1:
        reference = ask(fit(control, f"a reference on {len(control)} random labels")).probabilities
    return Turn(
        fitted,
        ask(fitted),
        baseline.fit_predict(
            corpus.base[labels.rows], labels.classes, labels.weights, measured.base, classes
        ),
        reference,
        train_seconds,
    )
