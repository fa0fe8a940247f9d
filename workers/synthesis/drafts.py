"""Drafts: texts that a generator made for an answer, before any filter saw them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.errors import PostilError
from service.records import Place


class GeneratorDown(PostilError):
    """The generator does not answer, or not as its protocol says; in words for the person who asked for texts."""


@dataclass(frozen=True)
class Seen:
    """A labeled text that drafts are made from."""

    place: Place
    text: str
    answer: str
    """As answers.store writes it."""


@dataclass(frozen=True)
class Group:
    """One label, and the labeled texts that have it."""

    label: str
    answer: str
    """The label alone, as answers.store writes it."""
    seen: Sequence[Seen]


@dataclass(frozen=True)
class Draft:
    text: str
    answer: str
    sources: tuple[Place, ...]
    how: str


def drawn(group: Group, count: int, rng: np.random.Generator) -> list[Seen]:
    """Up to `count` of a label's texts, at random."""
    return [group.seen[at] for at in rng.permutation(len(group.seen))[:count]]
