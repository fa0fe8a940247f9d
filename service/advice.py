"""Advice: whether more labels still pay, and what labeling costs, in sentences.

It says so and stops nothing, unless the campaign was told to heed it (`stop_at_advice`; service.rounds.decide).
"""

from collections.abc import Callable, Sequence

from service.cost import Cost, Forecast, PointCost, Prices, Range, Spread
from service.curve import Curve
from service.lead_times import DEFAULT_S, TIMES
from service.measure.extent import Extent
from service.measure.intervals import Interval
from service.stopping import Stopping

MORE = 100
"""Labels more, whose gain is weighed against their price."""
MINUTES, DAYS = 7200.0, 100 * 3600.0
"""Seconds up to which a time is told in minutes, and from which in whole hours."""


def verdict(stopping: Stopping | None, ahead: Sequence[Forecast], prices: Prices) -> tuple[bool | None, str]:
    """(Whether to stop, why), None where it is too early to say.

    Where somebody said what a point is worth and the curve tells what MORE labels are expected to bring, their price
    decides; else whether predictions have settled.
    """
    next_ = next((one for one in ahead if one.more == MORE), None)
    if next_ is not None and next_.worth is not None and next_.cost.money is not None:
        price, worth = next_.cost.money.value or 0.0, next_.worth.value
        words = f"the next {MORE} labels cost about {money(price, prices)}, and what they are expected to bring is"
        stop = worth < price
        return stop, f"{words} worth {'only ' if stop else ''}{money(worth, prices)}"
    if stopping is None or not any(one.value is not None for one in stopping.agreements):
        return None, "it takes two rounds at least to say anything"
    if stopping.settled:
        return True, "predictions have settled: more labels hardly change what the model says"
    return False, "predictions still change from round to round"


def sentences(found: Cost, learned: Curve) -> tuple[bool | None, list[str]]:
    """(Whether to stop, the advice and what it stands on)."""
    stop, why = verdict(learned.stopping, found.forecast, found.prices)
    advised = {True: "Advice: stop", False: "Advice: go on", None: "No advice yet"}[stop]
    lines = [f"{advised}: {why}.", _so_far(found)]
    lines += [_label(found), *(_next(one, found.prices) for one in found.forecast if one.more == MORE)]
    lines += [_point(found.point, found.prices), _next_point(found.next_point, found.prices)]
    lines += [_random(found, learned), *_budgets(found), _care(found)]
    return stop, [one for one in lines if one]


def money(value: float, prices: Prices) -> str:
    """12.34 EUR."""
    return f"{value:,.2f} {prices.currency}".strip()


def time(seconds: float) -> str:
    """8.3 s, 75 s, 40 min, 2.5 h, 120 h."""
    size = abs(seconds)
    if size < 120:
        return f"{seconds:.1f} s" if size < 10 else f"{seconds:.0f} s"
    if size < MINUTES:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h" if size < DAYS else f"{seconds / 3600:,.0f} h"


def _so_far(found: Cost) -> str:
    whole = "" if found.money is None else f", {money(found.money, found.prices)} together"
    people = _priced(found.people.hours, found.people.money, found.prices)
    workers = _priced(found.workers.hours, found.workers.money, found.prices)
    both = found.people.money is not None and found.workers.money is not None
    return f"So far: {people} of people and {workers} of workers{whole if both else ''}."


def _label(found: Cost) -> str:
    if found.label is None:
        return ""
    price = "" if found.label.money is None else f" and cost {_money(found.label.money, found.prices)}"
    number = f"{found.labels:,} label{' that trains' if found.labels == 1 else 's that train'}"
    return f"Each of {number} took {_time(found.label.hours)} of people{price}."


def _next(one: Forecast, prices: Prices) -> str:
    price = "" if one.cost.money is None else f" and {_money(one.cost.money, prices)}"
    words = f"The next {one.more} labels take about {_time(one.cost.hours)} of people{price}"
    if one.gain is None:
        return f"{words}; what they bring the curve does not tell yet."
    gain = Interval(*(100 * each for each in (one.gain.value, one.gain.low, one.gain.high)))
    worth = "" if one.worth is None else f", worth {_money(one.worth, prices)}"
    return f"{words}; expected of them: {_points(gain)}{worth}."


def _point(one: PointCost | None, prices: Prices) -> str:
    if one is None or one.points is None:
        return ""
    words = f"Since the first round that was measured: {_points(one.points)}"
    if one.each.hours.value is None:
        return f"{words}."
    return f"{words}, each for {_each(one.each, prices)}."


def _next_point(one: PointCost | None, prices: Prices) -> str:
    if one is None or one.labels is None or one.labels.value is None:
        return ""
    return f"One point more takes {_labels(one.labels)}: {_each(one.each, prices)}."


def _random(found: Cost, learned: Curve) -> str:
    gain = learned.gain
    if found.random is None or found.label is None or gain is None or gain.saved is None:
        return ""
    saved, beyond = gain.saved, " (extrapolated)" if gain.extrapolated else ""
    price = _price(found.label, found.prices)
    if saved.value is None:
        if saved.low is None:
            return ""
        least = found.random.hours.low, None if found.random.money is None else found.random.money.low
        return f"Random draws would have taken at least {_least(*least, found.prices)} more for the same score{beyond}."
    words = f"{_labels(saved)} more{beyond}, at {price} each: {_each(found.random, found.prices)}"
    return f"For the same score random draws would have taken {words}."


def _budgets(found: Cost) -> list[str]:
    told = {
        "answers": lambda one: f"{one:,.0f} answers",
        "hours": lambda one: f"{one:,.4g} h",
        "money": lambda one: money(one, found.prices),
    }
    return [
        f"Budget of {told[one.kind](one.total)}: {told[one.kind](one.spent)} spent, "
        f"about {one.answers:,} answer{'' if one.answers == 1 else 's'} left."
        for one in found.budgets
    ]


def _care(found: Cost) -> str:
    """What the times are to be taken with."""
    times = found.times
    notes = []
    if times.assumed:
        notes.append(
            f"few lead times are known: {DEFAULT_S:.0f} s are assumed for an answer where one is missing"
        )
    elif times.missing:
        missing = "1 answer came without a lead time and counts as a usual one"
        if times.missing > 1:
            missing = f"{times.missing:,} answers came without a lead time and count as usual ones"
        notes.append(missing)
    if times.capped:
        off = time(3600 * times.capped_hours)
        notes.append(
            f"of {times.capped:,} that took longer than {TIMES} times the usual, {off} beyond that do not count"
        )
    return f"Of people's time: {'; '.join(notes)}." if notes else ""


def _priced(hours: float, price: float | None, prices: Prices) -> str:
    return time(3600 * hours) + ("" if price is None else f" ({money(price, prices)})")


def _each(one: Spread, prices: Prices) -> str:
    return _time(one.hours) + ("" if one.money is None else f" of people, {_money(one.money, prices)}")


def _price(one: Spread, prices: Prices) -> str:
    if one.money is None or one.money.value is None:
        return time(3600 * (one.hours.value or 0.0))
    return money(one.money.value, prices)


def _least(hours: float | None, price: float | None, prices: Prices) -> str:
    return time(3600 * (hours or 0.0)) if price is None else money(price, prices)


def _points(gain: Interval) -> str:
    return f"{gain.value:+.1f} points [{gain.low:+.1f}, {gain.high:+.1f}]"


def _time(hours: Range) -> str:
    def words(one: float) -> str:
        return time(3600 * one)

    return words(hours.value or 0.0) + _between(hours, words)


def _money(price: Range | Interval, prices: Prices) -> str:
    return money(price.value or 0.0, prices) + _between(price, lambda one: f"{one:,.2f}")


def _between(ends: Range | Interval, words: Callable[[float], str]) -> str:
    if ends.low is None:
        return ""
    return (
        f" [{words(ends.low)}, {words(ends.high)}]"
        if ends.high is not None
        else f" [{words(ends.low)} or more]"
    )


def _labels(number: Extent) -> str:
    ends = _between(Range(number.value, number.low, number.high), lambda one: f"{one:,.0f}")
    return f"about {number.value:,} labels{ends}"
