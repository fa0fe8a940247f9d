"""Confusions: what was said in place of what is true, case by case, whatever the problem."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Kind = Literal["right", "wrong label", "wrong boundary", "wrong label and boundary", "missed", "spurious"]
Stretch = tuple[int, int]
"""Start and end."""


class Case(NamedTuple):
    """One thing that is true, or was said, or both; in class numbers."""

    example: int
    """Position among the n examples."""
    kind: Kind
    truth: int | None
    """None where nothing is true that goes with what was said: spurious."""
    said: int | None
    """None where nothing was said: missed."""
    confidence: float | None
    """Of what was said; of a label that was missed its probability, of a span that was missed nothing."""
    true_span: Stretch | None = None
    said_span: Stretch | None = None


def single_label(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> list[Case]:
    """A case for each example: probabilities (n, C) against true class numbers (n,)."""
    said = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1).tolist() if len(probabilities) else []
    return [
        Case(at, "right" if mine == true else "wrong label", true, mine, one)
        for at, (mine, true, one) in enumerate(zip(said.tolist(), truth.tolist(), sure, strict=True))
    ]


def multi_label(
    probabilities: NDArray[np.floating], decisions: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> list[Case]:
    """A case for each label of an example that is true or was decided, all arrays (n, C)."""
    found = []
    for at, label in np.argwhere(decisions | truth).tolist():
        said, true = bool(decisions[at, label]), bool(truth[at, label])
        kind: Kind = "right" if said and true else "missed" if true else "spurious"
        sure = float(probabilities[at, label])
        found.append(Case(at, kind, label if true else None, label if said else None, sure))
    return found


def spans(
    predicted: NDArray[np.integer], confidence: NDArray[np.floating], truth: NDArray[np.integer]
) -> list[Case]:
    """Cases of predicted spans (k, 4), with confidence (k,), and true ones (m, 4): a row (text, start, end, class).

    Each predicted span goes with at most one true one of its text, and each true one with one: the same first, then
    the same label over a part of it, then the same stretch with another label, then what only overlaps; of equals
    those that have most in common. That is how errors of entity recognition are told apart in SemEval-2013 task 9
    (Segura-Bedmar et al. 2013).
    """
    said: dict[int, dict[tuple[int, int, int], float]] = {}
    for (text, start, end, label), sure in zip(predicted.tolist(), confidence.tolist(), strict=True):
        said.setdefault(text, {})[start, end, label] = sure
    true: dict[int, set[tuple[int, int, int]]] = {}
    for text, start, end, label in truth.tolist():
        true.setdefault(text, set()).add((start, end, label))
    found = []
    for text in sorted(said.keys() | true.keys()):
        found += _of_text(text, said.get(text, {}), sorted(true.get(text, ())))
    return found


def _of_text(
    text: int, said: dict[tuple[int, int, int], float], true: Sequence[tuple[int, int, int]]
) -> list[Case]:
    pairs = sorted(
        (_order(mine, its), mine, its)
        for mine in said
        for its in true
        if mine[0] < its[1] and its[0] < mine[1]
    )
    partner: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    taken: set[tuple[int, int, int]] = set()
    for _, mine, its in pairs:
        if mine not in partner and its not in taken:
            partner[mine] = its
            taken.add(its)
    found = []
    for mine, sure in said.items():
        its_partner = partner.get(mine)
        if its_partner is None:
            found.append(Case(text, "spurious", None, mine[2], sure, None, mine[:2]))
            continue
        kind = _kind(mine, its_partner)
        found.append(Case(text, kind, its_partner[2], mine[2], sure, its_partner[:2], mine[:2]))
    found += [Case(text, "missed", one[2], None, None, one[:2], None) for one in true if one not in taken]
    return found


def _kind(mine: tuple[int, int, int], its: tuple[int, int, int]) -> Kind:
    stretch, label = mine[:2] == its[:2], mine[2] == its[2]
    if label:
        return "right" if stretch else "wrong boundary"
    return "wrong label" if stretch else "wrong label and boundary"


_RANK = {"right": 0, "wrong boundary": 1, "wrong label": 2, "wrong label and boundary": 3}


def _order(mine: tuple[int, int, int], its: tuple[int, int, int]) -> tuple[int, float]:
    common = min(mine[1], its[1]) - max(mine[0], its[0])
    whole = max(mine[1], its[1]) - min(mine[0], its[0])
    return _RANK[_kind(mine, its)], -common / whole
