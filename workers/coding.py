"""Answers as arrays, as learners and strategies take them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def classes(problem: str, answers: Sequence[Any], count: int) -> NDArray[Any]:
    """Answers in class numbers as an array: (n,), or in multi_label (n, count) booleans."""
    if problem == "single_label":
        return np.array(answers, dtype=np.int64)
    found = np.zeros((len(answers), count), np.bool_)
    for row, several in zip(found, answers, strict=True):
        row[list(several)] = True
    return found
