"""Logistic regression on frozen embeddings: what an adapter has to beat."""

import warnings
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from service.errors import Invalid

Floats = NDArray[np.float32]

ABSENT = -100.0
"""Logit of a class without a single label: its probability is zero for practical purposes."""


def fit(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    classes: int,
    inverse_penalty: float = 50.0,
) -> tuple[Floats, Floats]:
    """(coefficients (classes, d), intercepts (classes,)): softmax of their logits is the model.

    `embeddings` (n, d), `labels` (n,) in 0..classes - 1, `weights` (n,); rows of weight zero count as absent.
    Raises Invalid where no row has a weight above zero.
    """
    rows = np.flatnonzero(weights > 0)
    if not len(rows):
        raise Invalid("there is no label with a weight above zero to learn from", "labels")
    seen = np.unique(labels[rows])
    coefficients = np.zeros((classes, embeddings.shape[1]), np.float32)
    intercepts = np.full(classes, ABSENT, np.float32)
    intercepts[seen] = 0.0
    if len(seen) > 1:
        model = LogisticRegression(C=inverse_penalty, max_iter=1_000)
        with warnings.catch_warnings(), _one_thread():
            # Few labels of many classes are the rule here, not a mistaken regression.
            warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
            model.fit(embeddings[rows].astype(np.float32), labels[rows], weights[rows] / weights[rows].mean())
        # With two classes scikit-learn keeps the second one's coefficients alone; the first one's are zero.
        part = seen if len(seen) > 2 else seen[1:]
        coefficients[part], intercepts[part] = model.coef_, model.intercept_
    return coefficients, intercepts


def fit_each(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.bool_],
    weights: NDArray[np.float32],
    inverse_penalty: float,
) -> tuple[Floats, Floats]:
    """The same for labels (n, C) that do not exclude each other: a regression for each (one against the rest).

    A label that no text has gets the logit of 1 / (2 n + 2), one that all have its opposite (Krichevsky and Trofimov).
    """
    n, classes = labels.shape
    coefficients = np.zeros((classes, embeddings.shape[1]), np.float32)
    intercepts = np.empty(classes, np.float32)
    with _one_thread():
        for one in range(classes):
            share = labels[:, one].mean()
            if 0 < share < 1:
                model = LogisticRegression(C=inverse_penalty, max_iter=1_000)
                model.fit(embeddings.astype(np.float32), labels[:, one], weights / weights.mean())
                coefficients[one], intercepts[one] = model.coef_[0], model.intercept_[0]
            else:
                intercepts[one] = np.log(2 * n + 1) * (1 if share else -1)
    return coefficients, intercepts


def _one_thread() -> AbstractContextManager[Any]:
    """Products this small take four times as long when threads wait for each other."""
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def predict(coefficients: Floats, intercepts: Floats, embeddings: NDArray[np.floating]) -> Floats:
    """(m, classes) probabilities of `embeddings` (m, d)."""
    return softmax(embeddings.astype(np.float32) @ coefficients.T + intercepts)


def fit_predict(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    others: NDArray[np.floating],
    classes: int,
) -> Floats:
    """(m, classes) probabilities of `others` (m, d) by a model fitted on the labeled `embeddings` (n, d)."""
    return predict(*fit(embeddings, labels, weights, classes), others)


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Softmax along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities
