"""Influence: by how much the mean log loss of what measures would be greater without a label that trains.

Above 0 the label helped, below 0 it hurt.

Leaving a label out moves the head by about H^-1 · g, with H the Hessian of the training loss and g the gradient of the
label's own part in it, and the measured loss, whose gradient is m, by m · H^-1 · g (Koh and Liang, arXiv:1703.04730).
So one system of equations, H · s = m, tells the influence s · g of every label. A label that the head knows by heart
has next to no gradient: its g is taken where a head stands that did not learn from it. That is what Newton's step to
the model without it comes to (approximate leave-one-out; Rad and Maleki, arXiv:1801.10243).

The head is logistic regression on labels and their names; m is the gradient at the adapter's own predictions. What a
label does through pseudo-labels or LoRA is left out (tests/bench/LOG.md).
"""

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from workers import learner, linear
from workers.corpus import Corpus
from workers.encoder import Encoder, Progress
from workers.learner import Fitted
from workers.linear import Head, Lesson
from workers.objective import OBJECTIVES, Doubles, Floats, Labels
from workers.turn import Labels as Taught

FOLDS = 20
"""Heads that did not learn from a label should be without few others: of 5 folds the order is worse."""
TOLERANCE, TURNS = 1e-4, 500
"""Of conjugate gradients: the residual that is left, of the whole; and steps at most."""


def of(
    encoder: Encoder,
    fitted: Fitted,
    corpus: Corpus,
    taught: Taught,
    measured: Corpus,
    truth: Labels,
    progress: Progress | None = None,
) -> tuple[Doubles, float]:
    """((n,) the influence of the labels that an adapter learned from, the mean log loss of what measures).

    `corpus` and `taught` as it learned from them; `truth` (m, …) of the `measured` texts.
    """
    aim, classes = OBJECTIVES[fitted.problem], len(fitted.bias)
    said = learner.predict(encoder, fitted, measured.tokens, measured.base, progress=progress).probabilities
    slopes = (said - aim.members(truth, classes)).astype(np.float64) / (fitted.temperature * len(truth))
    if truth.ndim > 1:
        slopes /= classes
    weights = (taught.weights / taught.weights.mean()).astype(np.float32)
    lesson = Lesson(aim, corpus, taught.rows, taught.classes, weights, classes, fitted.recipe)
    names = bool(fitted.metrics["linear"]["names"])
    away = linear.unseen(lesson, names, FOLDS, np.random.default_rng(fitted.seed))
    found = effects(lesson, names, away, measured.base.astype(np.float32), slopes)
    return found, float(aim.losses(said, truth).mean())


def effects(lesson: Lesson, names: bool, away: Floats, points: Floats, slopes: Doubles) -> Doubles:
    """(n,) the influence of the lesson's labels on a loss with these `slopes` (m, C) by the logits of `points` (m, d).

    `away` (n, C): what a head says of each label's text that did not learn from it; where it is NaN, it is the head's
    own probability that counts.
    """
    aim, n = lesson.objective, len(lesson.rows)
    x, labels, weights = linear.examples(lesson, names)
    head = Head(*aim.regression(x, labels, weights, lesson.classes))
    members = aim.members(labels, lesson.classes)
    free = aim.free(members)
    if not free.any():
        return np.zeros(n)
    said, wide = aim.probabilities(head.logits(x)), _wide(x)
    p = said.astype(np.float64)[:, free]
    weighs = aim.inverse_penalty * weights.astype(np.float64) / weights.mean()
    wanted = slopes[:, free].T @ _wide(points)
    if lesson.labels.ndim == 1 and len(wanted) > 1:
        # What all classes' biases have in common changes nothing, and H knows nothing of it.
        wanted[:, -1] -= wanted[:, -1].mean()

    def hessian(flat: Doubles) -> Doubles:
        moved = flat.reshape(wanted.shape)
        made: Doubles = (weighs[:, None] * aim.curved(p, wide @ moved.T)).T @ wide
        made[:, :-1] += moved[:, :-1]  # the penalty, which leaves out the bias
        return made.ravel()

    whole = LinearOperator((wanted.size, wanted.size), hessian)
    solved, _ = cg(whole, wanted.ravel(), rtol=TOLERANCE, maxiter=TURNS)
    pulls = np.where(np.isnan(away), said[:n], away)[:, free] - members[:n, free]
    found: Doubles = weighs[:n] * ((wide[:n] @ solved.reshape(wanted.shape).T) * pulls).sum(axis=1)
    return found


def _wide(points: Floats) -> Doubles:
    """(n, d + 1) with a one behind each, for the bias."""
    wide: Doubles = np.hstack([points, np.ones((len(points), 1))]).astype(np.float64)
    return wide
