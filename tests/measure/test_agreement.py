"""Agreement, by hand."""

import numpy as np
import pytest

from service.measure.agreement import kappa, mean_kappa, spans_f1


def test_kappa_by_hand() -> None:
    # 4 of 5 agree. By chance: a is 3/5, 2/5, 0; b is 2/5, 2/5, 1/5: 6/25 + 4/25 = .4. (.8 - .4) / .6.
    a, b = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 2, 1, 1])
    assert kappa(a, b, 3) == pytest.approx(2 / 3)
    assert kappa(b, a, 3) == kappa(a, b, 3)
    assert kappa(a, a, 3) == pytest.approx(1.0)
    assert kappa(np.array([0, 1]), np.array([1, 0]), 2) == pytest.approx(-1.0)


def test_kappa_is_not_defined_where_nobody_can_disagree() -> None:
    same = np.array([1, 1, 1])
    assert kappa(same, same, 3) is None
    assert kappa(same[:0], same[:0], 3) is None
    # One of them always says 1: agreement is what chance gives.
    assert kappa(same, np.array([1, 1, 0]), 3) == pytest.approx(0.0)


def test_mean_kappa_leaves_out_labels_that_nobody_decides() -> None:
    a = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], np.bool_)
    b = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], np.bool_)
    # The first label: 1. The second: 3 of 4, chance 1/2 · 1/4 + 1/2 · 3/4 = 1/2: 1/2. The third: not defined.
    assert mean_kappa(a, b) == pytest.approx(3 / 4)
    assert mean_kappa(a[:, 2:], b[:, 2:]) is None
    assert mean_kappa(a[:0], b[:0]) is None


def test_f1_of_spans() -> None:
    a = np.array([(0, 0, 4, 0), (0, 5, 9, 1), (2, 0, 4, 1), (2, 0, 4, 1)], np.int32)
    b = np.array([(0, 0, 4, 0), (0, 5, 9, 0)], np.int32)
    assert spans_f1(a, b) == pytest.approx(2 * 1 / (3 + 2))
    assert spans_f1(a, a) == 1.0
    assert spans_f1(a, b[:0]) == 0.0
    assert spans_f1(a[:0], b[:0]) is None
