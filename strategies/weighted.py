"""What a formula of the campaign's own says: a weighted sum of scores, of the model and of fields of the pool.

`uncertainty + 0.5 * meta.upvotes - duplication`. Each score counts by its rank among the examples there are to choose
from, 0 for the least to 1, equal ones in the middle of their ranks: units and scales do not matter. Without a formula
it is `signal`.
"""

import re
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import Picks, Strategy, View, best
from strategies.blocks import rowwise
from strategies.signal import certainty, doubt, signal
from strategies.uncertainty import entropy

Floats = NDArray[np.floating]
FIELD = "meta."
MOST_TERMS = 20
_TERM = re.compile(
    r"\s*(?P<sign>[+-])?\s*(?:(?P<weight>\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?(?P<name>[A-Za-z_][\w.]*)\s*"
)


def parse(formula: str) -> dict[str, float]:
    """Weights by name: of SCORES, or of `meta.` and a field of the pool. Raises ValueError with what is wrong."""
    found: dict[str, float] = {}
    at = 0
    while at < len(formula) or not found:
        term = _TERM.match(formula, at)
        if term is None or (found and not term["sign"]):
            raise ValueError(
                f"formula: {formula[at:].strip()[:40]!r} is no term; write such as "
                "'uncertainty + 0.5 * meta.upvotes - duplication'"
            )
        name = term["name"]
        if name not in SCORES and (not name.startswith(FIELD) or name == FIELD):
            raise ValueError(
                f"formula: there is no score {name!r}; there are {', '.join(SCORES)}, and meta.FIELD for a number of "
                "the pool's"
            )
        if name in found:
            raise ValueError(f"formula: {name!r} is there twice")
        found[name] = float(term["weight"] or 1) * (-1 if term["sign"] == "-" else 1)
        at = term.end()
    if len(found) > MOST_TERMS:
        raise ValueError(f"formula: {len(found)} terms, and {MOST_TERMS} are the most")
    return found


def fields(formula: str) -> list[str]:
    """The fields of `meta` that it names, in their order."""
    return [name.removeprefix(FIELD) for name in parse(formula) if name.startswith(FIELD)]


def ranks(values: Floats) -> NDArray[np.float64]:
    """(n,) the share of the values that are less, equal ones counted half: 0.5 where all are."""
    from scipy.stats import rankdata  # it takes half a second, which the API need not have

    made: NDArray[np.float64] = (rankdata(values) - 0.5) / max(1, len(values))
    return made


def _uncertainty(view: View) -> Floats | None:
    if view.token_uncertainty is not None:
        return view.token_uncertainty[:, 0]
    return None if view.probabilities is None else doubt(view)


def _entropy(view: View) -> Floats | None:
    if view.token_uncertainty is not None:
        return view.token_uncertainty[:, 1]
    return None if view.probabilities is None else rowwise(entropy, view.probabilities)


SCORES: dict[str, Callable[[View], Floats | None]] = {
    "uncertainty": _uncertainty,
    "entropy": _entropy,
    "confidence": lambda view: None if view.probabilities is None else certainty(view),
    "duplication": lambda view: view.duplication,
    "teacher": lambda view: view.teacher,
    "signal": signal,
}
"""What the platform knows of an example; None while it knows nothing, which favours no example."""


def _choose(view: View, count: int, rng: Generator) -> Picks:
    if not view.formula:
        return best(signal(view), count, rng)
    names = fields(view.formula)
    total = np.zeros(view.size)
    for name, weight in parse(view.formula).items():
        if name in SCORES:
            values = SCORES[name](view)
        else:
            values = None if view.fields is None else view.fields[:, names.index(name.removeprefix(FIELD))]
        if values is not None:
            total += weight * ranks(values)
    return best(total, count, rng)


WEIGHTED = Strategy(
    "weighted",
    frozenset({"duplication"}),
    _choose,
    "Examples of the greatest weighted sum of scores, as the campaign's formula says.",
    frozenset({"single_label", "multi_label", "spans"}),
    optional=frozenset({"probabilities", "token_uncertainty", "teacher", "fields"}),
)
