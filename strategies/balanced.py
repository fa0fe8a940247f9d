"""Margins in equal parts from every class that the learner predicts, the rarest first.

After Bengar, van de Weijer, Lopez Fuentes, Raducanu: Class-Balanced Active Learning for Image Classification
(WACV 2022). They solve a linear program that trades the balance of predicted classes against utility; this is
its greedy form with balance first: the class with the fewest labels and picks gives its greatest margin utility.
"""

import heapq

import numpy as np
from numpy.random import Generator

from strategies.base import Picks, Strategy, View, best, in_order
from strategies.blocks import rowwise
from strategies.uncertainty import margin


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.probabilities is not None  # both are checked by Strategy.select
    assert view.labels is not None
    order = best(rowwise(margin, view.probabilities), view.size, rng)
    predicted = view.probabilities.argmax(axis=1)[order.positions]
    labels = np.bincount(view.labels[view.labels >= 0], minlength=view.probabilities.shape[1])
    # Of each class: its labels and picks, its next candidate as a place in the order, those after it reversed.
    heap: list[tuple[int, int, list[int]]] = []
    for one in np.unique(predicted).tolist():
        places = np.flatnonzero(predicted == one)[::-1].tolist()
        heap.append((int(labels[one]), places.pop(), places))
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < count:
        taken, place, places = heapq.heappop(heap)
        chosen.append(int(order.positions[place]))
        if places:
            heapq.heappush(heap, (taken + 1, places.pop(), places))
    return in_order(chosen)


BALANCED_MARGIN = Strategy(
    "balanced_margin",
    frozenset({"probabilities", "labels"}),
    _choose,
    "Examples that waver between two labels, as many of each predicted label, rare labels first.",
)
