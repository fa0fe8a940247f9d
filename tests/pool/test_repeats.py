"""Which examples repeat others, and the labels that they have from them."""

from pathlib import Path

import numpy as np

from service.pool import repeats


def test_the_first_label_goes_to_all_that_repeat_its_example_and_have_none() -> None:
    """Examples 0, 2 and 3 are alike, and 1 and 5: 2 and 3 have labels, 2's comes first; 5 is not free."""
    leaders = np.array([0, 1, 0, 0, 4, 1])
    labeled = leaders[[1, 2, 3]]
    free = np.array([True, False, False, False, True, False])

    at, which = repeats.inherited(labeled, leaders, free)

    assert (at.tolist(), which.tolist()) == ([0], [1])
    free[5] = True
    at, which = repeats.inherited(labeled, leaders, free)
    assert (at.tolist(), which.tolist()) == ([0, 5], [1, 0])


def test_where_nothing_is_labeled_nothing_is_passed_on() -> None:
    none = np.empty(0, np.int64)
    at, which = repeats.inherited(none, np.array([0, 0]), np.ones(2, np.bool_))
    assert (at.tolist(), which.tolist()) == ([], [])


def test_keys_are_equal_for_what_repeats_the_same_example(tmp_path: Path) -> None:
    repeats.write(tmp_path, np.array([[0, 7], [1, 7], [0, 7], [70_000, 65_535]]), np.zeros(4))
    first, other, same, far = repeats.keys(tmp_path).tolist()
    assert first == same
    assert len({first, other, far}) == 3
    assert far == 70_000 * 2**32 + 65_535
