"""Which of many rounds suffice to see a curve by."""

import numpy as np


def spread(n: int, most: int) -> list[int]:
    """Up to `most` of the positions 0 to n - 1, ascending, the first and the last among them.

    Half are evenly far from each other; of the others each is as many times farther on than the one before, since a
    curve rises most at its beginning.
    """
    if n <= most:
        return list(range(n))
    even = np.linspace(0, n - 1, most - most // 2)
    growing = np.geomspace(1, n, most // 2) - 1
    return sorted({int(one) for one in np.round([*even, *growing])})
