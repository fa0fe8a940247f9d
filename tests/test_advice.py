"""Advice and cost, in sentences."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from service import advice, cost
from service.advice import sentences, verdict
from service.cost import Account, BudgetLeft, Cost, Forecast, Range, Spread
from service.curve import Curve
from service.gain import Gain
from service.measure.extent import Extent
from service.measure.intervals import Interval
from service.stopping import Agreement, Stopping
from tests.test_cost import ACCOUNT, PRICED, campaign, measured

STILL = Stopping("kappa", [Agreement(2, 0.8)], False, [], None, "a curve takes 4 rounds that are measured")
SETTLED = msgspec.structs.replace(STILL, settled=True)


def ahead(price: float | None, worth: float | None) -> list[Forecast]:
    cost_ = Spread(Range(1.0, None, None), None if price is None else Range(price, None, None))
    return [Forecast(100, 100, cost_, None, None if worth is None else Interval(worth, 0.0, 90.0))]


@pytest.mark.parametrize(
    ("stopping", "price", "worth", "stop"),
    [
        (None, None, None, None),
        (msgspec.structs.replace(STILL, agreements=[]), 5.0, None, None),
        (msgspec.structs.replace(STILL, agreements=[Agreement(2, None)]), 5.0, None, None),
        (STILL, None, None, False),
        (STILL, 5.0, None, False),
        (SETTLED, 5.0, None, True),
        (SETTLED, None, 6.0, True),
        # Where a point has a price and the curve tells what to expect, that decides.
        (SETTLED, 5.0, 6.0, False),
        (STILL, 5.0, 4.0, True),
        (STILL, 5.0, 5.0, False),
    ],
)
def test_when_to_stop(stopping: Stopping | None, price: Any, worth: Any, stop: bool | None) -> None:
    assert verdict(stopping, ahead(price, worth), PRICED)[0] is stop


def test_why_to_stop_is_said_in_money() -> None:
    assert verdict(STILL, ahead(5.0, 4.0), PRICED)[1] == (
        "the next 100 labels cost about 5.00 EUR, and what they are expected to bring is worth only 4.00 EUR"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (8.34, "8.3 s"),
        (75.0, "75 s"),
        (-300.0, "-5 min"),
        (7199.0, "120 min"),
        (9000.0, "2.5 h"),
        (4.2e6, "1,167 h"),
    ],
)
def test_times(seconds: float, words: str) -> None:
    assert advice.time(seconds) == words


def found(prices: dict[str, Any], learned: Curve, budgets: list[BudgetLeft]) -> Cost:
    return cost.cost(campaign(**prices), ACCOUNT, learned, (500.0, 45), budgets, 10)


def test_all_that_can_be_said() -> None:
    gains = [SimpleNamespace(more=100, gain=Interval(0.012, 0.001, 0.031))]
    stopping = msgspec.structs.replace(STILL, outlook=gains, a_point=Extent(40, 20, None))
    gain = Gain(80, 9, Extent(60, 20, 80), Extent(140, 100, 160), True, None)
    points = [measured(1, 0.6, 0.48, 0.64), measured(2, 0.8, 0.77, 0.85)]
    learned = Curve(points, stopping, gain, None)
    budgets = [BudgetLeft("answers", 200.0, 119.0, 81), BudgetLeft("hours", 0.6, 0.5556, 1)]

    stop, lines = sentences(found({}, learned, budgets), learned)

    assert stop is False
    assert lines == [
        "Advice: go on: the next 100 labels cost about 25.20 EUR, and what they are expected to bring is worth "
        "60.00 EUR.",
        "So far: 33 min (20.00 EUR) of people and 5 min (0.30 EUR) of workers, 20.30 EUR together.",
        "Each of 80 labels that train took 25 s [23 s, 27 s] of people and cost 0.25 EUR [0.23, 0.28].",
        "The next 100 labels take about 42 min [36 min, 47 min] of people and 25.20 EUR [21.91, 28.49]; expected of "
        "them: +1.2 points [+0.1, +3.1], worth 60.00 EUR [5.00, 155.00].",
        "Since the first round that was measured: +20.0 points [+15.0, +33.0], each for 40 s [24 s, 53 s] of people, "
        "0.41 EUR [0.25, 0.54].",
        "One point more takes about 40 labels [20 or more]: 17 min [8 min or more] of people, 10.08 EUR "
        "[5.04 or more].",
        "For the same score random draws would have taken about 60 labels [20, 80] more (extrapolated), at 0.25 EUR "
        "each: 25 min [8 min, 33 min] of people, 15.22 EUR [5.07, 20.30].",
        "Budget of 200 answers: 119 answers spent, about 81 answers left.",
        "Budget of 0.6 h: 0.5556 h spent, about 1 answer left.",
        "Of people's time: 3 answers came without a lead time and count as usual ones; of 1 that took longer than 5 "
        "times the usual, 90 s beyond that do not count.",
    ]


def test_without_prices_time_alone_is_told() -> None:
    nothing = {"hour_price": None, "compute_price": None, "point_price": None, "currency": ""}
    gain = Gain(80, 9, Extent(None, 20, None), None, False, None)
    learned = Curve([], SETTLED, gain, None)

    stop, lines = sentences(found(nothing, learned, []), learned)

    assert stop is True
    assert lines[:5] == [
        "Advice: stop: predictions have settled: more labels hardly change what the model says.",
        "So far: 33 min of people and 5 min of workers.",
        "Each of 80 labels that train took 25 s [23 s, 27 s] of people.",
        "The next 100 labels take about 42 min [36 min, 47 min] of people; what they bring the curve does not tell "
        "yet.",
        "Random draws would have taken at least 8 min more for the same score.",
    ]


def test_before_anything_happened() -> None:
    learned = Curve([], None, None, None)
    empty = cost.cost(campaign(currency="€"), Account([], [], {}, 0.0, 0), learned, (0.0, 0), [], 10)
    assert sentences(empty, learned) == (
        None,
        [
            "No advice yet: it takes two rounds at least to say anything.",
            "So far: 0.0 s (0.00 €) of people and 0.0 s (0.00 €) of workers, 0.00 € together.",
            "The next 100 labels take about 25 min of people and 15.00 €; what they bring the curve does not tell yet.",
            "Of people's time: few lead times are known: 15 s are assumed for an answer where one is missing.",
        ],
    )
