"""From which confidence on a model's labels are right with a stated precision, as examples drawn at random bear out."""

from math import ceil, log

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv

from service.errors import Invalid

POWER = 0.95
"""The first one tried is the strictest that a model as good as it says would pass with this probability."""


class Cutoff(Struct, frozen=True):
    """Labels with a confidence above `confidence` are right with `bound` or more, unless the draws were unlucky."""

    confidence: float
    examples: int
    """Of those that measure, above it."""
    right: int
    bound: float
    """The exact lower bound of their precision, of one side (Clopper and Pearson, 1934)."""


def cutoff(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], precision: float, level: float
) -> Cutoff | str:
    """The lowest cut-off that holds `precision` with the probability `level`; or, in words, why there is none.

    `confidence` (n,) and `right` (n,) are of examples drawn at random, from which the model did not learn.

    Where the cut-off is the k-th greatest confidence, the k - 1 above it are drawn independently from all that lie
    above, so the number that is right is binomial. Cut-offs are tested one after the other, ever lower ones, until one
    fails: then none that was passed is wrong with more than 1 - level together (testing in a fixed sequence, as in
    Angelopoulos et al.: Learn then Test, arXiv:2110.01052). Where to begin is told by the confidences alone.
    """
    for name, value in (("precision", precision), ("level", level)):
        if not 0.5 <= value < 1:
            raise Invalid(f"{name} is {value}: choose 0.5 to below 1", name)
    least, n = fewest(precision, level), len(confidence)
    if n <= least:
        return (
            f"{n} examples measure, and {least + 1} are the fewest that can bear out {precision:.0%} with {level:.0%}: "
            "give the campaign a larger hold-out, or ask for less"
        )
    order = np.argsort(-confidence, kind="stable")
    sure, hits = confidence[order].astype(np.float64), np.cumsum(right[order])
    counts = _steps(n - 1, precision, level)
    passing = [
        float(bdtr(wrong, count, max(0.0, 1 - sure[:count].mean()))) for wrong, count in enumerate(counts)
    ]
    start = next((at for at, power in enumerate(passing) if power >= POWER), int(np.argmax(passing)))
    found: Cutoff | None = None
    for count in counts[start:]:
        # Of equal confidences none is above.
        above = int(np.searchsorted(-sure, -sure[count]))
        good = int(hits[above - 1]) if above else 0
        bound = lower(good, above, level)
        if bound < precision:
            if found is None:
                return (
                    f"of the {above} surest examples that measure {good} are right, which bears out {bound:.1%} with "
                    f"{level:.0%}, not {precision:.1%}: label more, or ask for less"
                )
            break
        found = Cutoff(float(sure[count]), above, good, bound)
    assert found is not None  # the first one is tested
    return found


def fewest(precision: float, level: float) -> int:
    """Examples that have to be right, all of them, to bear out the precision: precision^n <= 1 - level."""
    return ceil(log(1 - level) / log(precision))


def lower(right: int, n: int, level: float) -> float:
    """The share that is exceeded with `level`, of `right` in `n` >= 1."""
    return float(betaincinv(right, n - right + 1, 1 - level)) if right else 0.0


def _steps(most: int, precision: float, level: float) -> list[int]:
    """How many examples, `most` at most, bear it out where none, one, two, … of them are wrong: between two of these
    numbers a cut-off would allow as few errors and meet more."""
    found, count = [], fewest(precision, level)
    while count <= most:
        found.append(count)
        while count <= most and lower(count - len(found), count, level) < precision:
            count += 1
    return found
