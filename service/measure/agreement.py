"""How far two models agree on the same examples, whatever the truth."""

import numpy as np
from numpy.typing import NDArray

from service.measure import scores


def kappa(a: NDArray[np.integer], b: NDArray[np.integer], classes: int) -> float | None:
    """Cohen's kappa (1960) of classes (n,) and (n,); None where chance alone agrees always, or n is 0.

    (observed - expected) / (1 - expected), where expected is the agreement of two who draw by their own shares.
    """
    if not len(a):
        return None
    shares = [np.bincount(one, minlength=classes) / len(one) for one in (a, b)]
    expected = float(shares[0] @ shares[1])
    return None if expected >= 1 else float(((a == b).mean() - expected) / (1 - expected))


def mean_kappa(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float | None:
    """Mean over labels of the kappa of decisions (n, C) and (n, C); labels without one are left out."""
    each = [
        kappa(mine.astype(np.int64), other.astype(np.int64), 2) for mine, other in zip(a.T, b.T, strict=True)
    ]
    known = [one for one in each if one is not None]
    return sum(known) / len(known) if known else None


def spans_f1(a: NDArray[np.integer], b: NDArray[np.integer]) -> float | None:
    """F1 of spans (k, 4) against spans (m, 4), the same either way round; None where there are none of either.

    Of spans there is no kappa: what nobody marked cannot be counted (Hripcsak and Rothschild 2005).
    """
    a, b = np.unique(a, axis=0), np.unique(b, axis=0)
    common = len(a) + len(b) - len(np.unique(np.concatenate([a, b]), axis=0))
    found = scores.f1(*(np.array(float(one)) for one in (common, len(a), len(b))))
    return None if np.isnan(found) else float(found)
