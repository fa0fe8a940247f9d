"""Quotas: shares of a batch kept for some examples: of domains that somebody names, or where the adapter is weakest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from service.errors import Invalid
from service.groups import Weakest

Mask = NDArray[np.bool_]
MOST = 0.5
"""Of a batch, for the weakest: whoever goes there alone no longer sees where it got weaker meanwhile."""


@dataclass(frozen=True, eq=False)
class Quota:
    why: str
    """In words, for those who see the queue."""
    share: float
    """Of what a strategy chooses."""
    among: Mask
    """(n,) which of the pool it is kept for."""
    domain: str | None = None
    """Where somebody named one."""


def read(said: Sequence[str]) -> dict[str, float]:
    """Of "law=0.2", one for each domain, as people write them; "none" is none. Raises Invalid."""
    found = {}
    for one in said:
        if one == "none":
            continue
        domain, _, share = one.rpartition("=")
        try:
            found[domain] = float(share)
        except ValueError:
            raise Invalid(f"--quota {one!r}: give a domain and a share, such as law=0.2", "quotas") from None
    return found


def check(quotas: Mapping[str, float], weak_share: float) -> None:
    """Raises Invalid for shares that make no batch; a domain may be one that the pool does not have."""
    for domain, share in quotas.items():
        if not domain or "\0" in domain:
            raise Invalid(f"quotas: {domain!r} is no domain", "quotas")
        if not 0 < share <= 1:
            raise Invalid(f"quotas: {share} of domain {domain!r}: choose above 0, to 1", "quotas")
    if not 0 <= weak_share <= MOST:
        raise Invalid(f"weak_share is {weak_share}: choose 0 to {MOST}", "weak_share")
    if sum(quotas.values()) + weak_share > 1 + 1e-9:
        raise Invalid("quotas and weak_share are more than 1 in all: choose less", "quotas")


def named(quotas: Mapping[str, float], of_domain: Callable[[str | None], Mask]) -> list[Quota]:
    """One for each domain that a campaign names."""
    return [
        Quota(f"quota of domain {name!r}", share, of_domain(name), name) for name, share in quotas.items()
    ]


def weakest(
    share: float,
    found: Weakest,
    of_domain: Callable[[str | None], Mask],
    of_class: Callable[[str], Mask] | None,
) -> list[Quota]:
    """The one for the weakest domain; without domains for what the adapter takes for the weakest class.

    None where nothing is known to be the weakest. `of_class` is None where nothing was scored.
    """
    if not share:
        return []
    if found.domain is not None:
        one = found.domain.group
        if one is None:
            return []
        what = "texts without a domain" if one.name is None else f"domain {one.name!r}"
        return [Quota(f"weakest {what}", share, of_domain(one.name))]
    one = found.class_.group
    if one is None or one.name is None or of_class is None:
        return []
    return [Quota(f"weakest class {one.name!r}", share, of_class(one.name))]


def counts(shares: Sequence[float], count: int, rng: Generator) -> list[int]:
    """How many of `count` each share (1 at most in all) gets: on average its very part, also of small batches.

    Systematic sampling (Madow 1949): each is rounded up or down, and never are they more than `count` together.
    """
    ends = np.minimum(count, np.floor(np.cumsum([0.0, *shares]) * count + rng.random()))
    return [int(one) for one in np.diff(ends)]
