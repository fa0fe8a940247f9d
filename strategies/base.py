"""What a strategy is: it sees a `View` of examples and answers with `Picks`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

ARRAYS = frozenset({"probabilities", "embeddings", "labeled_embeddings"})
"""What a strategy may need; each is a field of View."""


@dataclass(frozen=True, eq=False)
class View:
    """The examples a strategy may choose from: n = `size`, and arrays aligned on their positions 0..n-1.

    An array that the strategy did not ask for may be None.
    """

    size: int
    probabilities: NDArray[np.float32] | None = None
    """(n, C), the learner's probability of each class."""
    embeddings: NDArray[np.float32] | None = None
    """(n, d)"""
    labeled_embeddings: NDArray[np.float32] | None = None
    """(m, d), of the examples that have a label already; (0, d) where none has."""


@dataclass(frozen=True, eq=False)
class Picks:
    positions: NDArray[np.int64]
    """(k,), positions in the view, best first, each once."""
    scores: NDArray[np.float64]
    """(k,), never rising: the higher, the more a label teaches. Comparable within one selection only."""


@dataclass(frozen=True)
class Strategy:
    name: str
    needs: frozenset[str]
    """Which of ARRAYS must be there; only these are computed."""
    choose: Callable[[View, int, Generator], Picks]
    """The rule itself. It is given a checked view and 1 <= count <= n, and must not write to the arrays."""
    summary: str
    """One line in plain words, for people who choose a strategy."""

    def __post_init__(self) -> None:
        if unknown := self.needs - ARRAYS:
            raise ValueError(
                f"strategy {self.name!r} needs {sorted(unknown)}, and there is only {sorted(ARRAYS)}"
            )

    def select(self, view: View, count: int, rng: Generator) -> Picks:
        """The `count` best positions of the view, or all n where count > n.

        Raises ValueError for a negative count, for an array that is needed and missing, misshapen or not
        finite, and for an answer of `choose` that breaks the promises of Picks.
        """
        if count < 0:
            raise ValueError(f"strategy {self.name!r}: count is {count}; ask for 0 or more")
        _check_view(self, view)
        count = min(count, view.size)
        if count == 0:
            return Picks(np.empty(0, np.int64), np.empty(0, np.float64))
        picks = self.choose(view, count, rng)
        _check_picks(self, picks, view.size, count)
        return picks


def best(utilities: NDArray[np.floating], count: int, rng: Generator) -> Picks:
    """The `count` greatest of the utilities (n,); rng decides among equal ones."""
    order = np.lexsort((rng.random(len(utilities)), -utilities))[:count]
    return Picks(order.astype(np.int64), utilities[order].astype(np.float64))


def _check_view(strategy: Strategy, view: View) -> None:
    for name in sorted(strategy.needs):
        array: NDArray[np.float32] | None = getattr(view, name)
        where = f"strategy {strategy.name!r}: {name}"
        if array is None:
            raise ValueError(f"{where} is needed and missing: compute it before selecting")
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(f"{where} has shape {array.shape}; it must be a table with at least one column")
        if name != "labeled_embeddings" and len(array) != view.size:
            raise ValueError(f"{where} has {len(array)} rows for {view.size} examples; they must be aligned")
        if not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise ValueError(f"{where} has NaN or infinity, first in row {row}: score these examples again")
        if name == "probabilities" and array.size and (array.min() < 0 or array.max() > 1.001):
            raise ValueError(
                f"{where} reaches from {array.min():.3g} to {array.max():.3g}: are these logits?"
            )
    if (
        {"embeddings", "labeled_embeddings"} <= strategy.needs
        and view.embeddings is not None
        and view.labeled_embeddings is not None
        and view.embeddings.shape[1] != view.labeled_embeddings.shape[1]
    ):
        raise ValueError(
            f"strategy {strategy.name!r}: embeddings have {view.embeddings.shape[1]} columns and "
            f"labeled_embeddings {view.labeled_embeddings.shape[1]}: they come from different encoders"
        )


def _check_picks(strategy: Strategy, picks: Picks, size: int, count: int) -> None:
    positions, scores = picks.positions, picks.scores
    if positions.shape != (count,) or scores.shape != (count,):
        problem = f"{positions.shape} positions and {scores.shape} scores, where {count} were asked for"
    elif positions.min() < 0 or positions.max() >= size:
        problem = f"positions {positions.min()} to {positions.max()}, in a view of {size}"
    elif len(np.unique(positions)) != count:
        problem = "the same position more than once"
    elif not np.isfinite(scores).all() or (np.diff(scores) > 0).any():
        problem = "scores that are not finite or not best first"
    else:
        return
    raise ValueError(f"strategy {strategy.name!r} answered with {problem}: this is a fault of the strategy")
