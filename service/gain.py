"""Labels saved so far: how many more a random sample would have needed to come as far as the campaign.

Every round trains a reference on the control labels alone, which were drawn at random. Its scores are points of
random learning, about a ninth as far along as the campaign: the rest is extrapolated.
"""

from collections.abc import Sequence
from math import log

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import exam
from service.exam import Sitting
from service.measure import power_law
from service.measure.extent import Extent, extent
from service.measure.intervals import Floats
from service.predictions import ADAPTER, CONTROL
from service.thinning import spread

AT_LEAST = 4
"""Rounds with a reference, for a curve to be laid through them."""
DOUBT = 5.0
"""Before any data, that random labels are worth a fifth or five times the chosen ones is one standard deviation off."""
ABOUT_AS_MANY = 1.25
"""Times as many labels, or as few, are about as many."""
FEWEST = 30
"""Fewer draws than so many, after the prior's say, are no estimate."""
FARTHEST = 10
"""Times the campaign's labels: more is not told."""


class Gain(msgspec.Struct, frozen=True):
    """The campaign's newest round against random draws."""

    labels: int
    """Labels that it was trained on."""
    control_labels: int
    """Random labels that the newest reference was trained on."""
    saved: Extent | None
    """Labels that random draws would have needed for the same score, minus those of the campaign."""
    random: Extent | None
    """Labels that random draws would have needed."""
    extrapolated: bool
    """Whether the interval goes beyond the random labels that there are."""
    reason: str | None
    """Why nothing can be said."""


def match(sat: Sitting, own: Sequence[Sitting]) -> Sitting | None:
    """Of the campaign's own rounds the one with about as many labels as this one's reference had random ones."""
    number = sat.control_labels
    peers = [one for one in own if number / ABOUT_AS_MANY <= one.trained_on <= number * ABOUT_AS_MANY]
    return min(peers, key=lambda one: abs(one.trained_on - number), default=None)


def behind(sat: Sequence[Sitting]) -> bool:
    """Of the rounds, oldest first: whether the newest reference is clearly better than the campaign's own model was.

    That is where the paired interval of 95 %, of own model minus reference with about as many labels, lies below zero.
    """
    newest = sat[-1] if sat else None
    if newest is None or not newest.exam.has(CONTROL):
        return False
    peer = match(newest, sat)
    if peer is None or not peer.exam.has(ADAPTER):
        return False
    apart = exam.paired(peer.exam, ADAPTER, newest.exam, CONTROL)
    return apart is not None and apart.high < 0


def gain(sat: Sequence[Sitting]) -> Gain | None:
    """Of the rounds, oldest first; None where nothing measures yet or no reference was trained.

    See `estimate`. Intervals hold what measuring on few examples leaves open (paired: all models answered the same
    ones), the luck of the labels drawn, and the extrapolation.
    """
    own = [one for one in sat if one.exam.has(ADAPTER)]
    control = [one for one in own if one.exam.has(CONTROL)]
    if not control:
        return None
    own = [own[at] for at in spread(len(own), power_law.ENOUGH)]
    control = [control[at] for at in spread(len(control), power_law.ENOUGH)]
    asked = [(one.exam, ADAPTER) for one in own] + [(one.exam, CONTROL) for one in control]
    sizes = np.array([one.trained_on for one in own] + [one.control_labels for one in control], np.float64)
    random = np.arange(len(asked)) >= len(own)
    errors, covariance = exam.jointly(asked)
    known = ~np.isnan(errors)
    return estimate(sizes[known], random[known], errors[known], covariance[np.ix_(known, known)])


def estimate(sizes: Floats, random: NDArray[np.bool_], errors: Floats, covariance: Floats) -> Gain:
    """The gain out of P points: labels trained on (P,), whether of a reference (P,), errors (P,), covariance (P, P).

    A power law each for the campaign and for random draws, with one floor: with the whole pool labeled both are the
    same (see `power_law.posterior`). Labels needed are where random's law comes to the campaign's present error,
    under the sceptical prior that log(needed / labels) is normal about 0, that is no gain, with deviation log 5.
    """
    order = np.argsort(random, kind="stable")  # the campaign's first
    sizes, random, errors, covariance = (
        sizes[order],
        random[order],
        errors[order],
        covariance[np.ix_(order, order)],
    )
    labels, control_labels = float(sizes[~random][-1]), float(sizes[random][-1])

    def told(saved: Extent | None, needed: Extent | None, extrapolated: bool, reason: str | None) -> Gain:
        return Gain(int(labels), int(control_labels), saved, needed, extrapolated, reason)

    if min(random.sum(), (~random).sum()) < AT_LEAST:
        return told(None, None, False, f"a curve of random labels takes {AT_LEAST} rounds with a reference")
    rng = np.random.default_rng(0)
    laws = power_law.posterior(
        [sizes[~random], sizes[random]], [errors[~random], errors[random]], covariance, rng
    )
    if laws is None:
        return told(None, None, False, "the scores do not follow a power law")
    own, chance = laws
    needed = chance.labels(own.error(labels))
    with np.errstate(divide="ignore"):  # none needed, or none enough: as unlikely as can be
        doubt = np.exp(-((np.log(needed / labels) / log(DOUBT)) ** 2) / 2)
    if doubt.sum() ** 2 < FEWEST * (doubt**2).sum() or not doubt.any():
        return told(None, None, False, "random labels come nowhere near the campaign's score")
    farthest = FARTHEST * labels
    random_needed = extent(needed, farthest, doubt)
    beyond = random_needed.high is None or random_needed.high > control_labels
    return told(extent(needed - labels, farthest - labels, doubt), random_needed, beyond, None)
