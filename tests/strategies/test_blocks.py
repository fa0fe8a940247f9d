import numpy as np
import pytest

from strategies.blocks import blocks, distances, nearest, rowwise, squares


@pytest.mark.parametrize(
    ("rows", "columns", "cells", "starts"),
    [
        (7, 10, 30, [(0, 3), (3, 6), (6, 7)]),
        (2, 100, 30, [(0, 1), (1, 2)]),
        (3, 0, 2, [(0, 2), (2, 3)]),
        (0, 5, 9, []),
    ],
)
def test_blocks_cover_all_rows(rows: int, columns: int, cells: int, starts: list[tuple[int, int]]) -> None:
    assert [(block.start, block.stop) for block in blocks(rows, columns, cells)] == starts


def test_what_is_computed_does_not_depend_on_the_blocks() -> None:
    table = np.random.default_rng(0).normal(size=(3000, 200)).astype(np.float32)  # three blocks

    np.testing.assert_array_equal(
        rowwise(lambda block: block.max(axis=1), table), table.max(axis=1).astype(np.float64)
    )


def test_lengths_and_distances() -> None:
    table = np.array([[3, 4], [0, 0], [0.1, 0.2]], np.float16)

    assert squares(table)[:2].tolist() == [25, 0]
    before = table.copy()
    assert distances(table, table[1])[:2].tolist() == [5, 0]
    assert distances(table, table[2])[2] == 0
    assert (table == before).all()
    np.testing.assert_allclose(
        nearest(table, np.array([[3, 0], [0, 1]])), [4, 1, np.hypot(0.1, 0.8)], atol=1e-4
    )
    assert nearest(table, np.empty((0, 2))).tolist() == [np.inf] * 3
