"""What a strategy is: it sees a `View` of examples and answers with `Picks`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

ARRAYS = {
    "probabilities": "nC",
    "embeddings": "nd",
    "labeled_embeddings": "md",
    "labeled_probabilities": "mC",
    "label_sets": "aC",
    "committee": "knC",
    "prototypes": "Cd",
    "token_uncertainty": "n2",
    "labels": "m",
    "duplication": "n",
    "teacher": "n",
    "fields": "nf",
}
"""What a strategy may need: fields of View, with their axes. Axes of one letter are equally long."""
PROBLEMS = frozenset({"single_label", "multi_label", "spans"})


@dataclass(frozen=True, eq=False)
class View:
    """The examples a strategy may choose from: n = `size`, and arrays aligned on their positions 0..n-1.

    m examples are out of its reach: they have a label, or were asked for. An array that the strategy did not
    ask for may be None. All floats may be of any width.
    """

    size: int
    probabilities: NDArray[np.float32] | None = None
    """(n, C), the learner's probability of each class; in multi_label of each label, independent of the others."""
    embeddings: NDArray[np.float32] | None = None
    """(n, d)"""
    labeled_embeddings: NDArray[np.float32] | None = None
    """(m, d); (0, d) where nothing was asked for yet."""
    labels: NDArray[np.int64] | None = None
    """(m,), the class, or -1 where nobody answered yet; all -1 in problems other than single_label."""
    labeled_probabilities: NDArray[np.float32] | None = None
    """(m, C), as probabilities."""
    label_sets: NDArray[np.bool_] | None = None
    """(a, C), the labels of each answered example in multi_label; not aligned with m: open questions are no rows."""
    committee: NDArray[np.float32] | None = None
    """(k, n, C), probabilities by k passes of the learner with dropout."""
    prototypes: NDArray[np.float32] | None = None
    """(C, d), embeddings of the label names, of length 1; zeros where a name says nothing."""
    token_uncertainty: NDArray[np.float32] | None = None
    """(n, 2), means over the tokens of a text: -ln of the likeliest tag's probability, and the tags' entropy."""
    duplication: NDArray[np.float32] | None = None
    """(n,), how like the likest text before it in the pool is, 0 to 1; 0 where nothing was compared."""
    teacher: NDArray[np.float32] | None = None
    """(n,), how sure a teacher is of each, 0 to 1."""
    fields: NDArray[np.float32] | None = None
    """(n, f), numbers of the pool's `meta`, as the campaign's formula names them."""
    formula: str = ""
    """The campaign's, for the strategy `weighted`."""
    classes: int | None = None
    """C, known from the campaign where no array shows it."""
    problem: str = "single_label"
    behind: bool = False
    """Whether as many labels drawn at random have clearly taught more in this campaign."""

    def without(self, positions: Sequence[int]) -> "tuple[View, NDArray[np.int64]]":
        """(the rest of the view, where its rows are in this one): the positions are out of reach, as if asked for."""
        gone, rest = np.array(positions, np.int64), np.setdiff1d(np.arange(self.size), positions)
        arrays: dict[str, Any] = {
            name: np.take(array, rest, axis=ARRAYS[name].index("n"))
            for name in ARRAYS
            if "n" in ARRAYS[name] and (array := getattr(self, name)) is not None
        }
        for name in ("embeddings", "probabilities"):
            known, array = getattr(self, f"labeled_{name}"), getattr(self, name)
            if known is not None and array is not None:
                arrays[f"labeled_{name}"] = np.concatenate([known, array[gone]])
        if self.labels is not None:
            arrays["labels"] = np.concatenate([self.labels, np.full(len(gone), -1, np.int64)])
        return replace(self, size=len(rest), **arrays), rest


@dataclass(frozen=True, eq=False)
class Picks:
    positions: NDArray[np.int64]
    """(k,), positions in the view, best first, each once."""
    scores: NDArray[np.float64]
    """(k,), never rising: the higher, the more a label teaches. Comparable within one selection only."""
    by: tuple[str, ...] | None = None
    """(k,), which strategy each comes from, where one combines others."""


@dataclass(frozen=True)
class Strategy:
    name: str
    needs: frozenset[str]
    """Which of ARRAYS must be there; only these are computed."""
    choose: Callable[[View, int, Generator], Picks]
    """The rule itself. It is given a checked view and 1 <= count <= n, and must not write to the arrays."""
    summary: str
    """One line in plain words, for people who choose a strategy."""
    problems: frozenset[str] = frozenset({"single_label"})
    """Which of PROBLEMS it is fit for."""
    optional: frozenset[str] = frozenset()
    """Which of ARRAYS it uses where they are there already."""

    def __post_init__(self) -> None:
        if unknown := (self.needs | self.optional).difference(ARRAYS):
            raise ValueError(
                f"strategy {self.name!r} needs {sorted(unknown)}, and there is only {sorted(ARRAYS)}"
            )
        if strange := self.problems - PROBLEMS:
            raise ValueError(
                f"strategy {self.name!r} is for {sorted(strange)}, and there is only {sorted(PROBLEMS)}"
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


def greatest(values: NDArray[Any], rng: Generator) -> int:
    """Where the greatest of the values (n,) is; rng decides among equal ones."""
    return int(rng.choice(np.flatnonzero(values == values.max())))


def in_order(positions: Sequence[int]) -> Picks:
    """Picks of a rule that gives an order and no number: scores fall evenly from 1."""
    count = len(positions)
    return Picks(np.array(positions, np.int64), 1 - np.arange(count) / max(1, count))


def _check_view(strategy: Strategy, view: View) -> None:
    lengths = {"n": (view.size, "the view"), "2": (2, "it must have")}  # axis: its length, and who says so
    if view.classes is not None:
        lengths["C"] = (view.classes, "the campaign")
    for name, axes in ARRAYS.items():
        if name not in strategy.needs | strategy.optional:
            continue
        array: NDArray[Any] | None = getattr(view, name)
        where = f"strategy {strategy.name!r}: {name}"
        if array is None and name in strategy.needs:
            raise ValueError(f"{where} is needed and missing: compute it before selecting")
        if array is None:
            continue
        if array.ndim != len(axes) or (array.ndim > 1 and array.shape[-1] == 0):
            raise ValueError(
                f"{where} has shape {array.shape}; it must have {len(axes)} axes, the last not empty"
            )
        for axis, length in zip(axes, array.shape, strict=True):
            expected, other = lengths.setdefault(axis, (length, name))
            if length != expected:
                unit = {"k": "passes", "n": "rows", "m": "rows"}.get(axis, "columns")
                raise ValueError(
                    f"{where} has {length} {unit} and {other} {expected}: they do not belong together"
                )
        _check_values(where, name, array)
        if name == "labels" and array.size and array.max() >= lengths.get("C", (np.inf, ""))[0]:
            raise ValueError(f"{where} reach {array.max()}, and there are {lengths['C'][0]} classes")


def _check_values(where: str, name: str, array: NDArray[Any]) -> None:
    if array.size == 0 or array.dtype == np.bool_:
        return
    low, high = array.min(), array.max()  # NaN and infinity show in them, and they need no memory
    if not (np.isfinite(low) and np.isfinite(high)):
        row = np.argwhere(~np.isfinite(array))[0][max(0, ARRAYS[name].find("n"))]
        raise ValueError(f"{where} has NaN or infinity, first in row {row}: score these examples again")
    if ("probabilities" in name or name == "committee") and (low < 0 or high > 1.001):
        raise ValueError(f"{where} reaches from {low:.3g} to {high:.3g}: are these logits?")
    if name == "labels" and (array.dtype.kind != "i" or low < -1):
        raise ValueError(f"{where} are {array.dtype} from {low}; they must be integers, -1 for no answer")


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
    elif picks.by is not None and len(picks.by) != count:
        problem = f"{len(picks.by)} names of strategies, where {count} were asked for"
    else:
        return
    raise ValueError(f"strategy {strategy.name!r} answered with {problem}: this is a fault of the strategy")
