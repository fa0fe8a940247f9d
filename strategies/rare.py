"""Labels that the learner wavers on, the more the fewer texts there are of them, in texts that differ.

A label's uncertainty is the variance of the answer, 4 p (1 - p), 0 to 1. It is divided by the number of texts
that have the label, plus one: macro F1 counts every label alike, and of rare ones each text teaches most. No paper has
this form; what it buys is in service/docs/strategies.md. k-means as in `strategies.diverse`.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View
from strategies.blocks import rowwise
from strategies.diverse import diverse


def rare_uncertainty(probabilities: NDArray[np.floating], texts: NDArray[np.integer]) -> NDArray[np.float64]:
    """(n, C), (C,) texts that have each label -> (n,)."""
    exact = probabilities.astype(np.float64)
    found: NDArray[np.float64] = (4 * exact * (1 - exact)) @ (1 / (texts + 1))
    return found


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # all are checked by Strategy.select
    assert view.embeddings is not None
    assert view.label_sets is not None
    texts = view.label_sets.sum(axis=0)
    utilities = rowwise(lambda rows: rare_uncertainty(rows, texts), view.probabilities)
    return diverse(utilities, view.embeddings, count, rng)


RARE_UNCERTAINTY = Strategy(
    "rare_uncertainty",
    frozenset({"probabilities", "embeddings", "label_sets"}),
    _choose,
    "Examples with unsure labels, above all rare ones, that differ from each other.",
    frozenset({"multi_label"}),
)
