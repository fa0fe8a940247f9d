"""Finding the first examples of every class, by what its name means.

While a class has fewer than 3 labels, the example that is likeliest of it by its name: softmax over 20 ·
cosine to the embedded label names, zero-shot as in Radford et al.: Learning Transferable Visual Models From
Natural Language Supervision (ICML 2021), with the scale that sentence encoders are trained with. A name that
says nothing gives the example farthest from all that were asked for. A pick counts as the label that is hoped
for; when no class is short, TypiClust chooses. Rare classes are what it is for: it asks for few of the others.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, greatest, in_order
from strategies.blocks import blocks, distances, nearest, squares
from strategies.typiclust import TYPICLUST

ENOUGH = 3
SCALE = 20.0
FLAT = 1e-5
"""A posterior that differs by less from example to example says nothing."""


def posterior(
    embeddings: NDArray[np.floating], prototypes: NDArray[np.floating], wanted: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(n, d), (C, d), (w,) classes -> (n, w): softmax over all C of SCALE · cosine, of the wanted ones."""
    result = np.empty((len(embeddings), len(wanted)), np.float32)
    names = (SCALE * prototypes / _lengths(prototypes)).T.astype(np.float32)
    for rows in blocks(len(embeddings), embeddings.shape[1] + len(prototypes)):
        points = embeddings[rows].astype(np.float32, copy=False)
        shares = points @ names  # (b, C)
        shares /= _lengths(points)
        shares -= shares.max(axis=1, keepdims=True)
        np.exp(shares, out=shares)
        result[rows] = shares[:, wanted] / shares.sum(axis=1, keepdims=True)
    return result


def _lengths(table: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, d) -> (n, 1), 1 for zeros."""
    lengths = np.sqrt(squares(table))[:, None].astype(np.float32)
    return np.where(lengths > 0, lengths, np.float32(1))


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.labels is not None  # all are checked by Strategy.select
    assert view.prototypes is not None
    assert view.embeddings is not None
    assert view.labeled_embeddings is not None
    labels = np.bincount(view.labels[view.labels >= 0], minlength=len(view.prototypes))
    turns = shortest(labels, count, rng)
    if len(turns) == 0:
        return TYPICLUST.choose(view, count, rng)
    wanted = np.unique(turns)
    likely = posterior(view.embeddings, view.prototypes, wanted)  # (n, w), -1 for the picks
    flat = np.ptp(likely, axis=0) < FLAT
    flat |= ~view.prototypes[wanted].any(axis=1)
    gaps = nearest(view.embeddings, view.labeled_embeddings) if flat.any() else np.zeros(view.size)
    chosen: list[int] = []
    for column in np.searchsorted(wanted, turns).tolist():
        position = greatest(gaps if flat[column] else likely[:, column], rng)
        chosen.append(position)
        likely[position] = -1
        if flat.any():
            np.minimum(gaps, distances(view.embeddings, view.embeddings[position]), out=gaps)
        gaps[position] = -1
    return in_order(chosen + _typical(view, chosen, count - len(chosen), rng))


def likeliest(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], count: int, rng: Generator
) -> list[int]:
    """At most `count` positions of (n, C): for each turn of a class that is short of labels (m,) its likeliest row."""
    turns = shortest(np.bincount(labels[labels >= 0], minlength=probabilities.shape[1]), count, rng)
    chosen: list[int] = []
    for one in turns.tolist():
        likely = probabilities[:, one].astype(np.float64)
        likely[chosen] = -1
        chosen.append(greatest(likely, rng))
    return chosen


def shortest(labels: NDArray[np.int64], count: int, rng: Generator) -> NDArray[np.int64]:
    """At most `count` classes to look for, each as often as it is short of ENOUGH, the fewest labels first."""
    classes = rng.permutation(np.flatnonzero(labels < ENOUGH))  # of equals not always the same come first
    short = [(have, one) for one in classes for have in range(labels[one], ENOUGH)]
    short.sort(key=lambda turn: turn[0])
    return np.array([one for _, one in short[:count]], np.int64)


def _typical(view: View, chosen: list[int], count: int, rng: Generator) -> list[int]:
    """`count` more by TypiClust, for which the chosen are labeled."""
    if count == 0:
        return []
    left, rest = view.without(chosen)
    found: list[int] = rest[TYPICLUST.choose(left, count, rng).positions].tolist()
    return found


DISCOVERY = Strategy(
    "discovery",
    frozenset({"embeddings", "labeled_embeddings", "labels", "prototypes"}),
    _choose,
    "The first examples of every label, by what its name means; for rare labels.",
)
