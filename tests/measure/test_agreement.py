"""Agreement, by hand."""

import numpy as np
import pytest

from service.measure.agreement import alpha, kappa, mean_kappa, spans_f1


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


def test_alpha_of_krippendorffs_own_example() -> None:
    """Four observers, twelve units, with gaps: nominal alpha .743 (Computing Krippendorff's Alpha-Reliability, C)."""
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[one for one in unit if one is not None] for unit in zip(*observers, strict=True)]
    found = alpha(units, np.random.default_rng(0))
    assert found is not None
    assert found.value == pytest.approx(0.743, abs=0.0005)
    assert found.low < found.value < found.high


def test_alpha_of_label_sets_by_hand() -> None:
    """Half of {a, b} and {a} is shared: .5 apart, seen twice over 4 answers; expected: {a} three times, {a, b} once,
    3 · 2 · .5 / 3."""
    a, ab = frozenset("a"), frozenset("ab")
    found = alpha([[a, ab], [a, a], [a]], np.random.default_rng(0))
    assert found is not None
    assert found.value == pytest.approx(1 - (1.0 / 4) / (3.0 / (4 * 3)))
    empty = frozenset[str]()
    assert alpha([[empty, empty], [a, a]], np.random.default_rng(0)).value == 1  # type: ignore[union-attr]


def test_alpha_needs_two_answers_and_a_chance_to_differ() -> None:
    rng = np.random.default_rng(0)
    assert alpha([], rng) is None
    assert alpha([["a"], ["b"]], rng) is None
    assert alpha([["a", "a"], ["a", "a"]], rng) is None
