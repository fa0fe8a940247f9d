"""Consensus: which of the answers that people gave to an example is believed, and how sure that is.

How good each person is and what is true are estimated in turn until both stand still (Dawid and Skene 1979). Who sees
class y says y with probability a(y), and else another class l by shares E(y, l), which all have in common: a confusion
matrix of each person would need more answers than there are. Before anybody answers, what is true is as the classes'
shares say, or, with a `prior`, as a model says that did not learn from the example. The model is one more voter then,
and single answers can be doubted, too (after Raykar et al., JMLR 11, 2010).

Nothing is believed that nobody said: doubt lowers an answer's weight. To believe the model instead was measured to be
worse (tests/bench/LOG.md).
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

STEPS, STILL = 100, 1e-4
RIGHT, WRONG = 4.0, 1.0
"""Answers that everybody is taken to have given already: few say little of who gave them."""
SHRINK = 10.0
"""Answers to one class that say as much of what a person does there as all their answers do."""
SMOOTH = 0.05
"""The share of errors that may be any class."""
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Votes:
    """k answers, the oldest first, to n examples by some people."""

    of: Rows
    """(k,) in 0..n-1."""
    by: Rows
    """(k,) in 0..people-1."""
    said: NDArray[Any]
    """(k, …) as `workers.coding.classes` has answers."""
    n: int
    people: int


@dataclass(frozen=True, eq=False)
class Belief:
    chosen: Rows
    """(n,) whose answer is believed, a position among the votes, of equal ones the first; -1 without any."""
    weight: Floats
    """(n,) how probable it is that this answer is right, 0..1; NaN where nothing tells."""
    accuracy: Floats
    """(people,) how often each is right; NaN where nothing tells."""


def agree(votes: Votes, classes: int, prior: NDArray[np.floating] | None = None) -> Belief:
    """What is believed of single labels or of label sets.

    `prior` (n, classes): the model's probabilities (of label sets, of each label's being there); rows of NaN where it
    has none to give. The weight of a label set is the mean over its labels, and over those that others or the model
    see there.
    """
    if votes.said.ndim == 1:
        q, accuracy = _estimate(votes.of, votes.by, votes.said, votes.n, classes, votes.people, prior)
        return _best(votes, q[votes.of, votes.said], accuracy)
    # Each label of each example is a question of its own, answered by yes or no.
    k, n = len(votes.of), votes.n
    of = (votes.of[:, None] * classes + np.arange(classes)).ravel()
    said = votes.said.astype(np.int64).ravel()
    both = None if prior is None else np.stack([1 - prior, prior], axis=-1).reshape(-1, 2)
    q, accuracy = _estimate(of, votes.by.repeat(classes), said, n * classes, 2, votes.people, both)
    asked = q[:, 1].reshape(n, classes) > SMOOTH
    np.logical_or.at(asked, votes.of, votes.said)
    counts = np.where(asked.any(axis=1, keepdims=True), asked, True)[votes.of]
    right = q[of, said].reshape(k, classes)
    return _best(votes, (right * counts).sum(axis=1) / counts.sum(axis=1), accuracy)


def likest(votes: Votes) -> Belief:
    """Of answers that are hardly ever quite the same, spans, the one that is most like the others'.

    Likeness is F1; a person's accuracy is the mean likeness of their answers to others' for the same examples, and
    says how much their word counts.
    """
    of, by, k = votes.of, votes.by, len(votes.of)
    order = np.argsort(of, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(of[order])) + 1) if k else []
    pairs = [(int(a), int(b)) for group in groups for a, b in permutations(group, 2) if by[a] != by[b]]
    if not pairs:
        return _best(votes, np.full(k, np.nan), np.full(votes.people, np.nan))
    one, other = np.array(pairs).T
    like = np.array([_f1(set(votes.said[a]), set(votes.said[b])) for a, b in pairs])
    number = np.bincount(by[one], minlength=votes.people)
    with np.errstate(invalid="ignore"):
        accuracy = np.bincount(by[one], like, votes.people) / number
    trust = np.maximum(accuracy[by[other]], TINY)
    total = np.bincount(one, trust, k)
    found = np.where(total > 0, np.bincount(one, trust * like, k) / np.maximum(total, TINY), np.nan)
    return _best(votes, found, accuracy)


def _estimate(
    of: Rows, by: Rows, said: Rows, n: int, classes: int, people: int, prior: NDArray[np.floating] | None
) -> tuple[Floats, Floats]:
    """(what is true of n questions (n, classes), accuracy (people,))."""
    told = np.zeros(n, np.bool_) if prior is None else ~np.isnan(prior).any(axis=1)
    model = np.zeros((n, classes)) if prior is None else np.where(told[:, None], prior, 0.0)
    model /= np.maximum(model.sum(axis=1, keepdims=True), TINY)
    answers = np.bincount(by, minlength=people)
    k, answered = len(of), np.unique(of)
    ones = np.ones(k)
    question = csr_array((ones, (of, np.arange(k))), (n, k))
    person = csr_array((ones, (by, np.arange(k))), (people, k))
    answer = csr_array((ones, (np.arange(k), said)), (k, classes))
    rate, shares = np.full(people, RIGHT / (RIGHT + WRONG)), np.full(classes, 1 / classes)
    hits, seen, q = np.zeros((people, classes)), np.zeros((people, classes)), model
    for _ in range(STEPS):
        right = (hits + SHRINK * rate[:, None]) / (seen + SHRINK)
        likely = (1 - right[by]) * _errors(q.T @ model + (answer.T @ q[of]).T)[:, said].T
        likely[np.arange(k), said] = right[by, said]
        logs = np.log(np.maximum(np.where(told[:, None], model, shares), TINY))
        logs += question @ np.log(np.maximum(likely, TINY))
        new = np.exp(logs - logs.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        moved, q = np.abs(new - q).max(initial=0.0), new
        sure = q[of, said]
        rate = (np.bincount(by, sure, people) + RIGHT) / (answers + RIGHT + WRONG)
        hits, seen = (person @ answer.multiply(sure[:, None])).toarray(), person @ q[of]
        shares = (q[answered].sum(axis=0) + 1) / (len(answered) + classes)
        if moved < STILL:
            break
    return q, np.where(answers > 0, rate, np.nan)


def _errors(seen: Floats) -> Floats:
    """E (classes, classes) out of how often each class was seen as each: as what it is seen where not as itself."""
    classes = len(seen)
    seen = seen * (1 - np.eye(classes))
    mass, even = seen.sum(axis=1, keepdims=True), (1 - np.eye(classes)) / max(1, classes - 1)
    shares = np.where(mass > TINY, seen / np.maximum(mass, TINY), even)
    mixed: Floats = (1 - SMOOTH) * shares + SMOOTH * even
    return mixed


def _best(votes: Votes, sure: Floats, accuracy: Floats) -> Belief:
    """Of each example the surest vote, of equally sure ones the first."""
    order = np.lexsort((np.arange(len(sure)), -np.round(sure, 9), votes.of))
    first = order[np.unique(votes.of[order], return_index=True)[1]]
    chosen, weight = np.full(votes.n, -1), np.full(votes.n, np.nan)
    chosen[votes.of[first]] = first
    weight[votes.of[first]] = sure[first]
    return Belief(chosen, weight, accuracy)


def _f1(one: set[Any], other: set[Any]) -> float:
    """1 for two empty ones."""
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0
