"""Answers as arrays, as learners and strategies take them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.answers import Coded


def classes(problem: str, answers: Sequence[Any], count: int) -> NDArray[Any]:
    """Answers in class numbers as an array: (n,); in multi_label (n, count) booleans; of spans (n,) tuples of
    (start, end, class)."""
    if problem == "single_label":
        return np.array(answers, dtype=np.int64)
    if problem == "spans":
        tuples = np.empty(len(answers), dtype=object)
        tuples[:] = list(answers)
        return tuples
    found = np.zeros((len(answers), count), np.bool_)
    for row, several in zip(found, answers, strict=True):
        row[list(several)] = True
    return found


def coded(problem: str, row: Any) -> Coded:
    """An answer in class numbers, out of a row of `classes`."""
    if problem == "single_label":
        return int(row)
    return tuple(np.flatnonzero(row).tolist()) if problem == "multi_label" else tuple(row)
