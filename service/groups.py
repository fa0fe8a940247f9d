"""Groups of the examples that measure, domains and classes: how well a model does on each, and on which worst.

The worst is cautiously named. Of few examples a low score is often bad luck, so each score is drawn towards that of
the whole as if PRIOR more examples had been measured that were answered as well as all are, and the lowest one counts
(shrinkage: Efron and Morris: Data Analysis Using Stein's Estimator, 1975; of shares it is the posterior mean under a
beta prior). The lowest upper end of an interval would often name the largest group, whose interval is narrow.
"""

from collections.abc import Container, Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from service.exam import Exam, Sitting
from service.measure import intervals, scores
from service.measure.intervals import RESAMPLES, Interval
from service.predictions import ADAPTER

FEWEST = 5
"""Examples that a group is measured on, or nothing is said of it."""
PRIOR = 10
"""Examples that the score of the whole counts as."""
HISTORIES = 12
"""Domains, and classes, that are told of every round."""


class Group(msgspec.Struct, frozen=True):
    """The examples of one domain, or of one class."""

    name: str | None
    """None: the examples without a domain, where others have one."""
    n: int
    """Examples that measure; of a class those that truly have it, of spans how many there truly are."""
    score: Interval | None
    """The headline metric, of a class its F1. None: fewer than FEWEST examples measure, or it is not defined."""
    share: float
    """Of the examples that measure, which are drawn at random from the pool where they are a hold-out; of a class, of
    all that is true."""
    errors: float | None
    """Share of all errors: what was missed, and what was wrongly said. None where there are none."""


class Class(Group, frozen=True):
    """One class."""

    precision: float | None
    recall: float | None
    """None, as precision is, where fewer than FEWEST examples measure."""


G = TypeVar("G", bound=Group)


class Weak(msgspec.Struct, frozen=True):
    """The weakest group by the newest adapter."""

    group: Group | None
    whole: float | None
    """The score of all examples, or of classes the mean F1 of those that occur."""
    reason: str | None
    """Why none is named."""


class Weakest(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    domain: Weak | None
    """None where no example that measures has a domain."""
    class_: Weak


class Measured(msgspec.Struct, frozen=True):
    """One round by the domains and classes that the newest adapter does worst on, HISTORIES of each at most."""

    round: int
    trained_on: int
    domains: list[Group]
    """By name."""
    classes: list[Group]
    """In the order of the labels."""


class Groups(msgspec.Struct, frozen=True):
    """Domains and classes by the newest adapter, the weakest first, and how they came to it."""

    headline: str
    round: int | None
    """The newest one that was trained."""
    domains: list[Group]
    classes: list[Class]
    weakest: Weakest | None
    rounds: list[Measured]
    """Oldest first."""
    pending: bool = False
    """As of a curve."""


def groups(sat: Sequence[Sitting], headline: str, labels: Sequence[str]) -> Groups:
    """Of the rounds, oldest first."""
    if not sat:
        return Groups(headline, None, [], [], None, [])
    newest = sat[-1].exam
    of_domains, of_classes = domains(newest), classes(newest, labels)
    weak_domains = _by_weakness(of_domains, newest.score(ADAPTER))
    weak_classes = _by_weakness(of_classes, _macro_f1(newest))
    named = frozenset(one.name for one in weak_domains[:HISTORIES])
    called = frozenset(one.name or "" for one in weak_classes[:HISTORIES])
    return Groups(
        headline,
        sat[-1].number,
        weak_domains,
        weak_classes,
        _weakest(newest, of_domains, of_classes),
        [Measured(one.number, one.trained_on, *_then(one.exam, tuple(labels), named, called)) for one in sat],
    )


@lru_cache(maxsize=256)
def _then(
    sat: Exam, labels: tuple[str, ...], named: frozenset[str | None], called: frozenset[str]
) -> tuple[list[Group], list[Group]]:
    """One round's domains and classes, those that are named; kept, since whoever watches asks again and again."""
    of_classes = classes(sat, labels, called)
    return domains(sat, named), [
        Group(one.name, one.n, one.score, one.share, one.errors) for one in of_classes
    ]


def weakest(sat: Exam, labels: Sequence[str]) -> Weakest:
    """By the round's adapter."""
    return _weakest(sat, domains(sat), classes(sat, labels))


def domains(sat: Exam, only: Container[str | None] | None = None) -> list[Group]:
    """By name, those without one last; none where nothing measures, or no example that does has a domain.

    `only`: those of these names.
    """
    if not sat.known.domains or not sat.has(ADAPTER):
        return []
    marks, wrong = sat.marks(ADAPTER), _wrong(sat.counts(ADAPTER)).sum(axis=1)
    named = [sat.known.domains.get(place) for place in sat.places]
    names = sorted(set(named), key=lambda one: (one is None, one or ""))
    number = {name: which for which, name in enumerate(names)}
    numbers = np.array([number[name] for name in named])
    found = []
    for which, name in enumerate(names):
        if only is not None and name not in only:
            continue
        at = numbers == which
        known = at.sum() >= FEWEST and not np.isnan(sat.statistic(_sum(sat.parts(marks[at])))).any()
        found.append(
            Group(
                name,
                int(at.sum()),
                sat.interval(marks[at]) if known else None,
                float(at.mean()),
                _share(wrong[at].sum(), wrong.sum()),
            )
        )
    return found


def classes(sat: Exam, labels: Sequence[str], only: Container[str] | None = None) -> list[Class]:
    """In the order of the labels; none where nothing measures. `only`: those of these names."""
    if not sat.has(ADAPTER):
        return []
    counts = sat.counts(ADAPTER)
    summed = counts.sum(axis=0)
    each, wrong, true = scores.per_class(summed.astype(np.float64)), _wrong(summed), int(summed[:, 2].sum())
    return [
        Class(
            name,
            one.support,
            _f1(counts[:, at], sat.rng) if one.support >= FEWEST else None,
            one.support / true if true else 0.0,
            _share(wrong[at], wrong.sum()),
            one.precision if one.support >= FEWEST else None,
            one.recall if one.support >= FEWEST else None,
        )
        for at, (name, one) in enumerate(zip(labels, each, strict=True))
        if only is None or name in only
    ]


def shrunk(score: float, n: int, whole: float) -> float:
    """A score on n examples, drawn towards that of the whole as PRIOR more examples would draw it."""
    return (n * score + PRIOR * whole) / (n + PRIOR)


def _weakest(sat: Exam, of_domains: Sequence[Group], of_classes: Sequence[Class]) -> Weakest:
    domain = _weak(of_domains, sat.score(ADAPTER), "domains") if sat.known.domains else None
    return Weakest(domain, _weak(of_classes, _macro_f1(sat), "classes"))


def _weak(among: Sequence[Group], whole: float | None, what: str) -> Weak:
    measured = [one for one in among if one.score is not None]
    if not among:
        return Weak(None, whole, "nothing measures yet")
    if len(measured) < 2 or whole is None:
        words = f"{len(measured)} of {len(among)} {what} {'has' if len(measured) == 1 else 'have'} {FEWEST} examples"
        return Weak(None, whole, f"{words} that measure or more, and it takes two such to compare")
    one = _by_weakness(measured, whole)[0]
    return Weak(Group(one.name, one.n, one.score, one.share, one.errors), whole, None)


def _by_weakness(among: Sequence[G], whole: float | None) -> list[G]:
    """The weakest first; those that nothing is said of last."""

    def key(one: G) -> tuple[bool, float]:
        if one.score is None or whole is None:
            return True, 0.0
        return False, shrunk(one.score.value, one.n, whole)

    return sorted(among, key=key)


def _macro_f1(sat: Exam) -> float | None:
    """None where no class occurs among what measures."""
    counts = sat.counts(ADAPTER).sum(axis=0) if sat.has(ADAPTER) else np.zeros((1, 3))
    found = float(scores.macro_f1(counts.astype(np.float64)))
    return None if np.isnan(found) else found


def _f1(counts: NDArray[np.int64], rng: Generator) -> Interval:
    """F1 of one class's counts (n, 3), with its bootstrap interval over examples.

    Examples with equal counts are interchangeable, so how often each kind is drawn follows a multinomial distribution:
    the bootstrap of `intervals.of_sums`, for as many classes as there may be.
    """
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    drawn = rng.multinomial(len(counts), times / len(counts), RESAMPLES) @ kinds.astype(np.float64)
    value = scores.f1(*_sum(counts).T)
    return intervals.percentiles(value, scores.f1(*drawn.T)[:, None])[0]


def _sum(parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, K) -> (1, K)."""
    found: NDArray[np.float64] = parts.sum(axis=0, keepdims=True).astype(np.float64)
    return found


def _wrong(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(…, 3) hits, said and true -> (…): misses, and what was wrongly said."""
    found: NDArray[np.int64] = counts[..., 1] + counts[..., 2] - 2 * counts[..., 0]
    return found


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
