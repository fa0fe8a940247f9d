"""What it costs, by hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from service import cost
from service.cost import Account, Amount, Asked, PointCost, Prices, Ran, Range, Rates, Spread, answer_s
from service.curve import Curve, Point
from service.gain import Gain
from service.measure.extent import Extent
from service.measure.intervals import Interval, Z
from service.records import Campaign
from service.stopping import Outlook, Stopping

PRICED = Prices(36.0, 3.6, 50.0, "EUR")  # a cent a second of people, a tenth of one a second of workers
FREE = Prices(None, None, None, "")

ACCOUNT = Account(
    # 100 annotations, half of them of 10 s and half of 30 s: mean 20, deviation 10.
    [Asked(0, 40, 10, 1000.0, 25_000.0, 3, 1, 90.0), Asked(1, 50, 0, 1000.0, 25_000.0)],
    [Ran(1, "done", 40, 60.0), Ran(2, "done", 80, 140.0)],
    {1: 4, 2: 25},
    100.0,
    80,
    20,
)


def campaign(**values: Any) -> Campaign:
    prices: dict[str, Any] = {
        "hour_price": 36.0,
        "compute_price": 3.6,
        "point_price": 50.0,
        "currency": "EUR",
    }
    made: Any = SimpleNamespace(**({"overlap": 1, "round_size": 50} | prices | values))
    return made  # type: ignore[no-any-return]


def curve(points: list[Any], **more: Any) -> Curve:
    return Curve(points, more.get("stopping"), more.get("gain"), None)


def measured(number: int, value: float, low: float, high: float) -> Point:
    metrics: Any = SimpleNamespace(accuracy=Interval(value, low, high))
    return Point(number, 0, 0, "hold-out", "accuracy", metrics, None, None, None)


def test_money_is_of_what_has_a_price() -> None:
    assert PRICED.money(100.0, 100.0) == pytest.approx(1.1)
    assert Prices(None, 3.6, None, "").money(100.0, 100.0) == pytest.approx(0.1)
    assert FREE.money(100.0, 100.0) is None
    assert cost.amount(1800.0, 30.0) == Amount(0.5, 15.0)
    assert cost.amount(1800.0, None) == Amount(0.5, None)


def test_an_answer_takes_the_larger_mean_and_the_default_stands_for_the_first_ten() -> None:
    assert answer_s((0.0, 0), (0.0, 0)) == 15.0
    assert answer_s((200.0, 5), (200.0, 5)) == pytest.approx((200 + 5 * 15) / 10)
    assert answer_s((1000.0, 100), (600.0, 50)) == 12.0
    assert answer_s((1000.0, 100), (300.0, 50)) == 10.0


def test_what_labels_take_and_the_interval_of_a_sum() -> None:
    rates = Rates.of(campaign(), ACCOUNT)
    assert (rates.mean_s, rates.deviation_s, rates.each) == (20.0, 10.0, 1.25)
    assert rates.workers_s == 2.0  # (60 + 140) / 2 a round of 50

    taken = rates.people_s(80)

    # 100 annotations more: 2,000 s, ± 1.96 × 10 × √(100 × (1 + 100 / 100)).
    half = Z * 10 * 200**0.5
    assert (taken.value, taken.low, taken.high) == pytest.approx((2000.0, 2000 - half, 2000 + half))
    priced = rates.cost(80, PRICED)
    assert priced.hours.value == pytest.approx(2000 / 3600)
    assert priced.money is not None
    assert priced.money.value == pytest.approx(20.0 + 0.16)
    assert rates.cost(80, FREE).money is None


def test_before_anything_is_known_a_default_is_assumed() -> None:
    rates = Rates.of(campaign(overlap=3), Account([], [], {}, 0.0, 0))
    assert rates.people_s(100) == Range(100 * 3 * 15.0, None, None)
    assert rates.workers_s == 0.0


def test_a_label_takes_what_all_took_with_the_interval_of_a_mean() -> None:
    found = cost.label(ACCOUNT, PRICED)
    # 2,000 s and 300 of workers for 80 labels; the sum of 100 that vary by 10 s varies by 100.
    assert found is not None
    assert found.hours.value == pytest.approx(25 / 3600)
    assert found.hours.high == pytest.approx((2000 + Z * 100) / 80 / 3600)
    assert found.money is not None
    assert found.money.value == pytest.approx(0.25 + 0.00375)
    assert cost.label(Account([], [], {}, 0.0, 0), PRICED) is None


def test_labels_saved_at_the_price_of_a_label() -> None:
    each = Spread(Range(0.01, 0.009, 0.011), Range(0.5, 0.4, 0.6))
    assert cost.times(Extent(100, 40, None), each) == Spread(Range(1.0, 0.4, None), Range(50.0, 20.0, None))
    assert cost.times(Extent(-10, -20, 5), each).money == Range(-5.0, -10.0, 2.5)
    assert cost.times(Extent(None, 40, None), Spread(each.hours, None)).money is None


def test_a_difference_out_of_intervals_by_square_and_add() -> None:
    # Zou and Donner 2008: sqrt(.03^2 + .04^2) below, sqrt(.05^2 + .12^2) above.
    found = cost.difference(Interval(0.8, 0.77, 0.85), Interval(0.6, 0.48, 0.64))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.15, 0.33))


def test_what_a_point_took() -> None:
    assert cost.per_point(Interval(10.0, 5.0, 20.0), 100.0) == Range(10.0, 5.0, 20.0)
    assert cost.per_point(Interval(10.0, -5.0, 20.0), 100.0) == Range(10.0, 5.0, None)
    assert cost.per_point(Interval(-1.0, -5.0, 20.0), 100.0) == Range(None, 5.0, None)
    assert cost.per_point(Interval(-1.0, -5.0, 0.0), None) is None

    points = [measured(1, 0.6, 0.48, 0.64), measured(2, 0.8, 0.77, 0.85)]
    found = cost.point(ACCOUNT, PRICED, points)

    # Of 100 labels that took 2,000 s, 40 came between the rounds: 800 s, and 140 of workers, for 20 points.
    assert found is not None
    assert found.points is not None
    assert found.points.value == pytest.approx(20.0)
    assert found.each.hours.value == pytest.approx(800 / 3600 / 20)
    assert found.each.money is not None
    assert found.each.money.value == pytest.approx(8.14 / 20)
    assert cost.point(ACCOUNT, PRICED, points[:1]) is None


def test_the_next_labels_bring_what_the_curve_says_and_are_worth_what_somebody_said() -> None:
    gain = Interval(0.012, 0.001, 0.031)
    outlook = [Outlook(100, Interval(0.9, 0.8, 0.95), gain)]

    fifty, hundred, _ = cost.forecast(Rates.of(campaign(), ACCOUNT), PRICED, outlook)

    assert (fifty.more, fifty.answers, fifty.gain, fifty.worth) == (50, 62, None, None)
    assert (hundred.answers, hundred.gain) == (125, gain)
    assert hundred.worth is not None
    assert (hundred.worth.value, hundred.worth.high) == pytest.approx((60.0, 155.0))
    (worthless, *_) = cost.forecast(Rates.of(campaign(), ACCOUNT), FREE, [Outlook(50, gain, gain)])
    assert worthless.worth is None


def test_all_of_it() -> None:
    stopping = Stopping("kappa", [], False, [], Extent(40, 20, None), None)
    gain = Gain(80, 9, Extent(60, 20, 100), Extent(140, 100, 180), True, None)
    learned = curve([measured(2, 0.8, 0.77, 0.85)], stopping=stopping, gain=gain)

    found = cost.cost(campaign(), ACCOUNT, learned, (500.0, 45), [], 2)

    assert (found.people, found.workers) == (
        Amount(2000 / 3600, 20.0),
        Amount(300 / 3600, pytest.approx(0.3)),
    )
    assert found.money == pytest.approx(20.3)
    times = found.times
    assert (times.answers, times.others, times.missing, times.capped, times.assumed) == (90, 10, 3, 1, False)
    assert times.answer_seconds == pytest.approx(2000 / 90)
    assert times.capped_hours == pytest.approx(90 / 3600)
    assert [(one.round, one.state, one.asked, one.answers) for one in found.rounds] == [
        (1, "done", 54, 50),
        (2, "done", 25, 0),
    ]
    assert found.rounds[0].people == Amount(1000 / 3600, 10.0)
    assert found.rounds[0].money == pytest.approx(10.06)
    assert found.rounds[1].score == Interval(0.8, 0.77, 0.85)
    assert isinstance(found.next_point, PointCost)
    # 40 labels of 25 s, and of workers 2.
    assert found.next_point.each.hours == Range(pytest.approx(1000 / 3600), pytest.approx(500 / 3600), None)
    assert found.random is not None
    assert found.random.hours.value == pytest.approx(60 * 25 / 3600)


def test_the_opening_is_a_round_of_its_own_whose_workers_read_the_pool() -> None:
    opening, first, _ = cost.rounds(ACCOUNT, PRICED, [], 10)
    assert (opening.round, opening.state, opening.labels, opening.asked, opening.answers) == (
        0,
        None,
        None,
        40,
        40,
    )
    assert opening.workers.hours == pytest.approx(100 / 3600)
    assert (first.labels, first.score, first.change) == (40, None, None)
