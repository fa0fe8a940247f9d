import math

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure.intervals import Interval, of_sums, paired_shares, paired_sums, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_the_published_table(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)

    assert interval.value == successes / n
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("share", "n"), [(0.5, 20), (0.8, 50), (0.9, 100), (0.95, 400)])
def test_wilson_covers(share: float, n: int) -> None:
    """The exact chance, by the binomial distribution, that the interval holds the true share."""
    chance = sum(
        math.comb(n, k) * share**k * (1 - share) ** (n - k)
        for k in range(n + 1)
        if wilson(k, n).low <= share <= wilson(k, n).high
    )

    assert 0.93 <= chance <= 0.97


def test_wilson_covers_in_a_simulation() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        truth = (rng.random(60) >= 0.85).astype(np.int64)
        accuracy = wilson(int((truth == 0).sum()), 60)
        held += accuracy.low <= 0.85 <= accuracy.high

    assert 0.92 <= held / 500 <= 0.98


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_what_is_no_share(successes: int, n: int) -> None:
    with pytest.raises(Invalid, match=f"{successes} successes of {n}"):
        wilson(successes, n)


def answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


def test_paired_shares_by_hand() -> None:
    difference = paired_shares(*answers(both=20, only_a=12, only_b=2, neither=2))

    # Bonett and Price: (12 + 1) / 38 and (2 + 1) / 38.
    centre, spread = 10 / 38, math.sqrt((16 / 38 - (10 / 38) ** 2) / 38)
    assert difference is not None
    assert difference.value == pytest.approx(10 / 36)
    assert difference.low == pytest.approx(centre - 1.959964 * spread)
    assert difference.high == pytest.approx(centre + 1.959964 * spread)


def test_paired_shares_turns_with_its_arguments() -> None:
    a, b = answers(both=5, only_a=4, only_b=1, neither=3)
    forth, back = paired_shares(a, b), paired_shares(b, a)

    assert forth is not None
    assert back is not None
    assert (back.value, back.low, back.high) == (-forth.value, -forth.high, -forth.low)


def test_few_examples_without_a_difference_leave_room_for_one() -> None:
    difference = paired_shares(*answers(both=5, only_a=0, only_b=0, neither=0))

    assert difference is not None
    assert difference.value == 0
    assert difference.low == -difference.high
    assert difference.high > 0.3


@pytest.mark.parametrize("n", [1, 3, 50])
def test_the_greatest_difference_stays_within_bounds(n: int) -> None:
    difference = paired_shares(*answers(both=0, only_a=n, only_b=0, neither=0))

    assert difference is not None
    assert difference.value == 1.0
    assert difference.low < 1.0
    assert difference.high == 1.0


@pytest.mark.parametrize("n", [30, 100, 400])
def test_paired_shares_covers(n: int) -> None:
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(1000):
        # Right together in .7, only a in .12, only b in .06: a true difference of .06.
        difference = paired_shares(*answers(*rng.multinomial(n, [0.7, 0.12, 0.06, 0.12]).tolist()))
        assert difference is not None
        held += difference.low <= 0.06 <= difference.high

    assert 0.93 <= held / 1000 <= 0.995


def test_answers_that_are_not_pairs() -> None:
    with pytest.raises(Invalid, match=r"\(2,\) and \(3,\) answers cannot be paired"):
        paired_shares(np.ones(2, bool), np.ones(3, bool))


def test_nothing_to_pair_is_none() -> None:
    assert paired_shares(np.empty(0, bool), np.empty(0, bool)) is None
    assert paired_sums(np.empty((0, 2)), np.empty((0, 2)), share, np.random.default_rng(0)) is None


def share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r, 2) -> (r, 1): first over second, NaN where that is 0."""
    with np.errstate(invalid="ignore"):
        return (sums[:, :1] / sums[:, 1:2]).astype(np.float64)


def test_sums_of_resamples_against_a_plain_loop() -> None:
    parts = np.random.default_rng(3).integers(1, 9, size=(40, 2))
    draws = np.random.default_rng(7).integers(40, size=(1000, 40))
    values = [parts[rows, 0].sum() / parts[rows, 1].sum() for rows in draws]

    (found,) = of_sums(parts, share, np.random.default_rng(7))

    assert found.value == pytest.approx(parts[:, 0].sum() / parts[:, 1].sum())
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist())


def test_the_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = np.random.default_rng(3).integers(1, 9, size=(5, 2))
    at_once = of_sums(parts, share, np.random.default_rng(0))
    monkeypatch.setattr("service.measure.intervals.CELLS", 5 * 7)

    assert of_sums(parts, share, np.random.default_rng(0)) == at_once


def test_a_value_that_is_not_defined_is_anything() -> None:
    assert of_sums(np.zeros((3, 2)), share, np.random.default_rng(0)) == [Interval(0.0, 0.0, 1.0)]


def test_resamples_in_which_it_is_not_defined_are_left_out() -> None:
    # One example of four has anything: 32 % of the resamples are without it.
    parts = np.array([[2, 4], [0, 0], [0, 0], [0, 0]])

    assert of_sums(parts, share, np.random.default_rng(0)) == [Interval(0.5, 0.5, 0.5)]


def test_a_paired_difference_of_sums() -> None:
    a, b = np.array([[1, 1], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])

    found = paired_sums(a, b, share, np.random.default_rng(0))

    assert found is not None
    assert found.value == pytest.approx(1 / 3)  # the second example alone makes it
    assert (found.low, found.high) == (0.0, pytest.approx(1.0))


def test_pairing_takes_out_what_both_share() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(300) < 0.6
    a = np.stack([hits, np.ones(300)], axis=1)
    b = a.copy()
    b[:6, 0] = 0

    paired, alone = paired_sums(a, b, share, rng), of_sums(a, share, rng)[0]

    assert paired is not None
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_what_is_not_defined_on_one_side_has_no_difference() -> None:
    assert paired_sums(np.ones((3, 2)), np.zeros((3, 2)), share, np.random.default_rng(0)) is None


def test_parts_that_are_no_pairs() -> None:
    with pytest.raises(Invalid, match=r"parts \(2, 2\) and \(3, 2\) cannot be paired"):
        paired_sums(np.ones((2, 2)), np.ones((3, 2)), share, np.random.default_rng(0))
