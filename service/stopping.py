"""Signs that labeling may stop: shown, and never acted on.

How far predictions still change, and what more labels are expected to bring. How much the last round brought is
the `change` of a point of the curve, paired and with its interval: that is measured, where F1 predicted from kappa
alone (Altschuler and Bloodgood 2019) is a bound for want of a truth.
"""

from collections.abc import Container, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from service import exam
from service.exam import Sitting
from service.measure import power_law
from service.measure.extent import Extent, extent
from service.measure.intervals import Floats, Interval
from service.measure.power_law import Law
from service.predictions import ADAPTER
from service.thinning import spread

SETTLED, WINDOW = 0.99, 3
"""Bloodgood and Vijay-Shanker 2009: stop when the last three agreements are .99 in the mean."""
AT_LEAST = 4
"""Points for a curve to be laid through them."""
STEPS = (50, 100, 200)
A_POINT = 0.01
FARTHEST = 10
"""Times the campaign's labels: more is not told."""
MEASURES = {"accuracy": "kappa", "macro_f1": "mean kappa", "f1": "f1"}
"""What agreement is, by headline metric."""


class Agreement(msgspec.Struct, frozen=True):
    """A round's predictions against those of the round before."""

    round: int
    value: float | None
    """None where it is not defined: both rounds say one and the same of all, or nothing of any."""


class Outlook(msgspec.Struct, frozen=True):
    """What the learning curve comes to with so many labels more."""

    more: int
    score: Interval
    """The headline metric."""
    gain: Interval
    """That minus the curve's present one."""


class Stopping(msgspec.Struct, frozen=True):
    agreement: str
    """kappa (Cohen), mean kappa (of the labels), or f1 (of spans)."""
    agreements: list[Agreement]
    settled: bool
    """Whether the last three agreements are .99 in the mean: predictions have stabilised."""
    outlook: list[Outlook]
    a_point: Extent | None
    """Labels more for the curve to rise by a hundredth."""
    reason: str | None
    """Why there is no outlook."""


def stopping(sat: Sequence[Sitting], headline: str, shown: Container[int] | None = None) -> Stopping:
    """Of the rounds, oldest first. Agreement is on all examples that measure, or may come to.

    `shown`: numbers of those that are told of; the others are only there to be compared with.
    """
    told = [one for one in sat if shown is None or one.number in shown]
    agreements = [
        Agreement(now.number, now.exam.agreement(before.exam))
        for before, now in pairwise(sat)
        if shown is None or now.number in shown
    ]
    last = [one.value for one in agreements[-WINDOW:] if one.value is not None]
    settled = len(last) == WINDOW and sum(last) / WINDOW >= SETTLED
    law, reason = _law([one for one in told if one.exam.has(ADAPTER)])
    return Stopping(
        MEASURES[headline],
        agreements,
        settled,
        [] if law is None else [outlook(law, more) for more in STEPS],
        None if law is None else a_point(law),
        reason,
    )


def outlook(law: Law, more: int) -> Outlook:
    """Of a law whose `measured` are the labels there are."""
    now, then = law.error(law.measured), law.error(law.measured + more)
    return Outlook(more, _interval(1 - then), _interval(now - then))


def a_point(law: Law) -> Extent:
    """See `Stopping.a_point`."""
    now = law.error(law.measured)
    return extent(law.labels(now - A_POINT) - law.measured, FARTHEST * law.measured)


def _law(sat: Sequence[Sitting]) -> tuple[Law | None, str | None]:
    few = f"a curve takes {AT_LEAST} rounds that are measured"
    if len(sat) < AT_LEAST:
        return None, few
    sat = [sat[at] for at in spread(len(sat), power_law.ENOUGH)]
    errors, covariance = exam.jointly([(one.exam, ADAPTER) for one in sat])
    known = ~np.isnan(errors)
    if known.sum() < AT_LEAST:
        return None, few
    sizes = np.array([one.trained_on for one in sat], np.float64)[known]
    rng = np.random.default_rng(0)
    laws = power_law.posterior([sizes], [errors[known]], covariance[np.ix_(known, known)], rng)
    return (None, "the scores do not follow a power law") if laws is None else (laws[0], None)


def _interval(draws: Floats) -> Interval:
    return Interval(*np.quantile(draws, [0.5, 0.025, 0.975]).tolist())
