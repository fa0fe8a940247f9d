"""Many rows a block at a time: what is computed on the way stays small, whatever the pool."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

CELLS = 1 << 18
"""Numbers in a block: 2 MB as float64, which a core's cache holds."""


def blocks(rows: int, columns: int, cells: int = CELLS) -> Iterator[slice]:
    """Slices that cover 0..rows, each of at most `cells` numbers where a row has `columns`; of a row at least."""
    step = max(1, cells // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def rowwise(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], table: NDArray[np.floating]
) -> NDArray[np.float64]:
    """`function` of all rows of the table, (n, d) -> (n,). It is given copies (b, d) as float64 and gives (b,)."""
    result = np.empty(len(table))
    for rows in blocks(*table.shape):
        result[rows] = function(table[rows].astype(np.float64))
    return result


def squares(table: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d) -> (n,), the squared length of each row."""
    return rowwise(lambda block: np.einsum("ij,ij->i", block, block), table)


def distances(table: NDArray[np.floating], point: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d), (d,) -> (n,), Euclidean; exactly 0 between equal rows."""
    exact = point.astype(np.float64)

    def squared(block: NDArray[np.float64]) -> NDArray[np.float64]:
        block -= exact  # in place, which is four times as fast
        found: NDArray[np.float64] = np.einsum("ij,ij->i", block, block)
        return found

    return np.sqrt(rowwise(squared, table))


def nearest(table: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d), (m, d) -> (n,), Euclidean distance to the nearest of the others; infinite where m is 0."""
    result: NDArray[np.float64] = np.full(len(table), np.inf)
    if len(others) == 0:
        return result
    known, lengths = others.T.astype(np.float64), squares(others)
    for rows in blocks(len(table), table.shape[1] + len(others), 4 * CELLS):
        block = table[rows].astype(np.float64)
        apart: NDArray[np.float64] = block @ known  # (b, m)
        apart *= -2
        apart += lengths
        result[rows] = apart.min(axis=1)
    result += squares(table)
    np.maximum(result, 0.0, out=result)  # rounding takes doubles a little below
    return np.sqrt(result)


def squared_distances(
    points: NDArray[np.float32], lengths: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(b, n), squared distances of some of the points (n, d) to all; lengths (n,) are their own, squared."""
    squared: NDArray[np.float32] = points[rows] @ points.T
    squared *= -2
    squared += lengths
    squared += lengths[rows, None]
    return np.maximum(squared, 0, out=squared)
