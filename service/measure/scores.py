"""Precision, recall and F1 out of counts, and calibration bins: what several problems are measured by."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 15
SMALLEST = 1e-7
"""Probabilities below count as this in the log loss: one confident error must not make it infinite."""


class ClassMetrics(Struct, frozen=True):
    """One class. Precision is 0 where nothing was predicted as it, recall and F1 where it does not occur."""

    precision: float
    recall: float
    f1: float
    support: int
    """How often it truly occurs."""


def f1(hits: Floats, predicted: Floats, true: Floats) -> Floats:
    """2 hits / (predicted + true), that is the harmonic mean of precision and recall; NaN where there is neither."""
    return ratio(2 * hits, predicted + true)


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole; NaN where `whole` is 0."""
    found: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
    return found


def macro_f1(counts: Floats) -> Floats:
    """(…, C, 3) hits, predicted and true of each class -> (…): mean F1 of the classes that truly occur."""
    hits, predicted, true = counts[..., 0], counts[..., 1], counts[..., 2]
    occurs = true > 0
    return ratio(np.where(occurs, f1(hits, predicted, true), 0.0).sum(axis=-1), occurs.sum(axis=-1))


def per_class(counts: Floats) -> list[ClassMetrics]:
    """(C, 3) hits, predicted and true."""
    hits, predicted, true = counts.T
    rates = np.stack([ratio(hits, predicted), ratio(hits, true), f1(hits, predicted, true)], axis=1)
    return [
        ClassMetrics(p, r, f, int(support))
        for (p, r, f), support in zip(np.nan_to_num(rates).tolist(), true, strict=True)
    ]


def bins(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """The bin of each confidence: bin m is (m/15, (m+1)/15], and the first one holds 0 too."""
    return np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
