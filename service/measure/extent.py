"""Numbers of labels that are known within an interval which may have no upper end."""

import numpy as np
from msgspec import Struct

from service.measure.intervals import Floats


class Extent(Struct, frozen=True):
    """A number of labels with an interval of 95 %. What is None is more than can be told."""

    value: int | None
    low: int | None
    high: int | None


def extent(draws: Floats, farthest: float, weights: Floats | None = None) -> Extent:
    """Median and 95 % interval of draws (d,), weighted (d,); what lies beyond `farthest` is not told."""
    points = np.quantile(draws, [0.5, 0.025, 0.975], method="inverted_cdf", weights=weights).tolist()
    return Extent(*(round(one) if one <= farthest else None for one in points))
