"""Cost: what a campaign took so far, what more labels will take, and what they are expected to bring.

Pure: sums come from `service.store.costs`, what labels bring from the learning curve.
"""

from collections.abc import Mapping, Sequence
from math import hypot, sqrt
from typing import Any, Self

import msgspec

from service.curve import Curve, Point
from service.lead_times import DEFAULT_S, FEW, told
from service.measure.extent import Extent
from service.measure.intervals import Interval, Z
from service.records import Campaign
from service.stopping import STEPS, Outlook

HOUR_S = 3600.0
RECENT = 3
"""Newest rounds, which say what the next one takes of workers."""


class Range(msgspec.Struct, frozen=True):
    """A number with its interval of 95 %; None is more than can be told."""

    value: float | None
    low: float | None
    high: float | None


class Amount(msgspec.Struct, frozen=True):
    """Time, and what it costs; `money` null: it has no price."""

    hours: float
    money: float | None


class Spread(msgspec.Struct, frozen=True):
    """As `Amount`, with intervals."""

    hours: Range
    money: Range | None


class Prices(msgspec.Struct, frozen=True):
    """Of an hour of people and of an hour of workers; null: unknown, and left out of sums. `point`: what a hundredth of
    the headline metric is worth."""

    hour: float | None
    compute: float | None
    point: float | None
    currency: str

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        return cls(campaign.hour_price, campaign.compute_price, campaign.point_price, campaign.currency)

    def money(self, people_s: float, workers_s: float) -> float | None:
        """None where neither has a price."""
        if self.hour is None and self.compute is None:
            return None
        return (people_s * (self.hour or 0) + workers_s * (self.compute or 0)) / HOUR_S


class Asked(msgspec.Struct, frozen=True):
    """What came of what one round's scores asked for; of round 0: of what was asked for before there were any."""

    round: int
    answers: int = 0
    others: int = 0
    """Skips, and what was unreadable or deleted."""
    seconds: float = 0.0
    squares: float = 0.0
    missing: int = 0
    capped: int = 0
    capped_off: float = 0.0

    @classmethod
    def entry(cls, round_: int, kind: str, seconds: float, lead_time: float | None) -> Self:
        """Of one annotation; of one that was deleted there is no lead time to tell of."""
        answer, deleted, is_told = kind == "answer", kind == "deleted", told(lead_time)
        off = max(0.0, (lead_time or 0.0) - seconds) if is_told else 0.0
        missing = not is_told and not deleted
        return cls(round_, answer, not answer, seconds, seconds**2, missing, off > 0, off)

    def plus(self, other: Self, times: int = 1) -> Self:
        sums = (getattr(self, name) + times * getattr(other, name) for name in SUMS)
        return type(self)(self.round, *sums)


SUMS = Asked.__struct_fields__[1:]


class Ran(msgspec.Struct, frozen=True):
    """A round: its labels, and what it took of workers."""

    number: int
    state: str
    labels: int
    seconds: float


class Account(msgspec.Struct, frozen=True):
    """All sums (`service.store.costs`)."""

    asked: Sequence[Asked]
    ran: Sequence[Ran]
    """Oldest first."""
    waiting: Mapping[int, int]
    """Answers that are to come, by the round that asked."""
    encoded_s: float
    labels: int
    """That train and came from people."""
    measuring: int = 0
    """That came from people and only measure."""

    @property
    def people_s(self) -> float:
        return sum(one.seconds for one in self.asked)

    @property
    def workers_s(self) -> float:
        return self.encoded_s + sum(one.seconds for one in self.ran)

    @property
    def annotations(self) -> int:
        return sum(one.answers + one.others for one in self.asked)


class Times(msgspec.Struct, frozen=True):
    """How long people took, and which of it counts (`service.lead_times`)."""

    answers: int
    others: int
    answer_seconds: float
    """What one answer takes, skips and the like among it; DEFAULT_S stands for each missing one of the first FEW."""
    missing: int
    """Without a lead time: each counts as the usual one did."""
    capped: int
    """With one that counts in part."""
    capped_hours: float
    """What of these does not count."""
    assumed: bool
    """Whether fewer than FEW are known, so that some of it is assumed."""


class RoundCost(msgspec.Struct, frozen=True):
    """One round: what its scores asked for, what it took, and where it stands. Round 0 is what was asked for before
    there were scores; its workers read the pool."""

    round: int
    state: str | None
    labels: int | None
    """Labels there were when it began."""
    asked: int
    """Answers, those that are to come among them."""
    answers: int
    people: Amount
    workers: Amount
    money: float | None
    score: Interval | None
    """The headline metric."""
    change: Interval | None
    """That minus the previous round's, paired."""


class PointCost(msgspec.Struct, frozen=True):
    """What a hundredth of the headline metric took, or is expected to."""

    points: Interval | None
    """So far: the newest score minus the first, in hundredths."""
    labels: Extent | None
    """From now on: labels more for one point."""
    each: Spread
    """Of one point."""


class Forecast(msgspec.Struct, frozen=True):
    """So many labels more that train."""

    more: int
    answers: int
    cost: Spread
    """The interval is of what people's time varies."""
    gain: Interval | None
    """Of the headline metric; null: nothing tells yet."""
    worth: Interval | None
    """The gain times `point_price`; null without one."""


class BudgetLeft(msgspec.Struct, frozen=True):
    """One budget: answers, hours or money."""

    kind: str
    total: float
    spent: float
    """Of answers: asked for, those that are to come among them."""
    answers: int
    """How many more answers it pays for."""


class Cost(msgspec.Struct, frozen=True):
    """What it costs. Money is in the campaign's currency and null without prices; hours are of people or of workers."""

    prices: Prices
    people: Amount
    workers: Amount
    money: float | None
    times: Times
    labels: int
    """That train and came from people."""
    label: Spread | None
    """What one of them took, people and workers; its hours are people's. Null: there is none."""
    rounds: list[RoundCost]
    """Oldest first; the newest ones where there are more than were asked for."""
    point: PointCost | None
    """So far. Null: fewer than two rounds are measured."""
    next_point: PointCost | None
    """Null: the curve does not tell."""
    forecast: list[Forecast]
    random: Spread | None
    """What random draws would have cost on top for the same score. Null: nothing tells yet."""
    budgets: list[BudgetLeft]
    stop: bool | None
    """What is advised; null: it is too early."""
    advice: list[str]
    """In sentences, the advice first."""


def answer_s(whole: tuple[float, int], lately: tuple[float, int]) -> float:
    """Seconds that one more answer takes at most likely: the larger of the mean of all and of the newest.

    Each is (seconds, answers), skips' seconds among them. DEFAULT_S stands for what is missing of FEW answers.
    """

    def mean(seconds: float, answers: int) -> float:
        missing = max(0, FEW - answers)
        return (seconds + missing * DEFAULT_S) / (answers + missing)

    return max(mean(*whole), mean(*lately))


class Rates(msgspec.Struct, frozen=True):
    """What one more label takes, out of what those so far did."""

    mean_s: float
    """Of an annotation."""
    deviation_s: float | None
    """Of the same; None: fewer than FEW are known."""
    annotations: int
    each: float
    """Annotations for a label that trains: what only measures, second opinions and skips are among them."""
    workers_s: float
    """For a label that trains, in the newest rounds."""

    @classmethod
    def of(cls, campaign: Campaign, account: Account) -> Self:
        number, seconds = account.annotations, account.people_s
        missing = max(0, FEW - number)
        mean = (seconds + missing * DEFAULT_S) / (number + missing)
        deviation = None
        if not missing:
            deviation = sqrt(max(0.0, sum(one.squares for one in account.asked) / number - mean**2))
        newest = [one.seconds for one in account.ran if one.seconds][-RECENT:]
        round_s = sum(newest) / len(newest) if newest else 0.0
        each = number / account.labels if account.labels else float(campaign.overlap)
        return cls(mean, deviation, number, each, round_s / campaign.round_size)

    def people_s(self, labels: float) -> Range:
        """Of so many labels more, with the interval for a sum of that many new ones: what each varies by, and what is
        unsure of the mean (the prediction interval of a normal mean, times the number)."""
        number = labels * self.each
        value = number * self.mean_s
        if self.deviation_s is None:
            return Range(value, None, None)
        half = Z * self.deviation_s * sqrt(number * (1 + number / self.annotations))
        return Range(value, max(0.0, value - half), value + half)

    def cost(self, labels: float, prices: Prices) -> Spread:
        return spread(self.people_s(labels), labels * self.workers_s, prices)


def spread(people_s: Range, workers_s: float, prices: Prices) -> Spread:
    """Seconds as hours and money."""
    ends = (people_s.value, people_s.low, people_s.high)
    hours = Range(*(None if one is None else one / HOUR_S for one in ends))
    if prices.hour is None and prices.compute is None:
        return Spread(hours, None)
    return Spread(hours, Range(*(None if one is None else prices.money(one, workers_s) for one in ends)))


def label(account: Account, prices: Prices) -> Spread | None:
    """What a label that trains took, with the interval of a mean; None where there is none."""
    if not account.labels:
        return None
    seconds, number = account.people_s, account.annotations
    variance = max(0.0, sum(one.squares for one in account.asked) - seconds**2 / max(1, number))
    half = Z * sqrt(variance)
    ends = (seconds, max(0.0, seconds - half), seconds + half)
    people_s = Range(*(one / account.labels for one in ends))
    return spread(people_s, account.workers_s / account.labels, prices)


def forecast(rates: Rates, prices: Prices, outlook: Sequence[Outlook]) -> list[Forecast]:
    """What STEPS labels more take and are expected to bring."""
    gains = {one.more: one.gain for one in outlook}
    found = []
    for more in STEPS:
        gain = gains.get(more)
        worth = None
        if gain is not None and prices.point is not None:
            worth = Interval(*(100 * one * prices.point for one in (gain.value, gain.low, gain.high)))
        answers = round(more * rates.each)
        found.append(Forecast(more, answers, rates.cost(more, prices), gain, worth))
    return found


def times(amount: Extent, each: Spread) -> Spread:
    """So many labels at what each takes; the interval is that of the number alone, which is much the wider one."""

    def product(price: float | None) -> Range:
        ends = (amount.value, amount.low, amount.high)
        return Range(*(None if one is None or price is None else one * price for one in ends))

    return Spread(product(each.hours.value), None if each.money is None else product(each.money.value))


def difference(new: Interval, old: Interval) -> Interval:
    """New minus old, out of their intervals alone (Zou and Donner 2008: square and add).

    Exact for independent ones; two models on the same examples rise and fall together, so that it is rather too wide.
    """
    value = new.value - old.value
    return Interval(
        value,
        value - hypot(new.value - new.low, old.high - old.value),
        value + hypot(new.high - new.value, old.value - old.low),
    )


def per_point(points: Interval, whole: float | None) -> Range | None:
    """A whole divided by points; where they may be none, it has no upper end."""
    if whole is None:
        return None
    value, low, high = (whole / one if one > 0 else None for one in (points.value, points.high, points.low))
    return Range(value, low, high)


def point(account: Account, prices: Prices, points: Sequence[Point]) -> PointCost | None:
    """What a point took from the first round that was measured to the newest: the labels between them, each at what
    people's labels took in the mean, and the rounds after the first."""
    scored = [(one.round, score) for one in points if (score := _score(one)) is not None]
    if len(scored) < 2:
        return None
    (first, before), (last, now) = scored[0], scored[-1]
    labels = {one.number: one.labels for one in account.ran}
    more = max(0, labels.get(last, 0) - labels.get(first, 0))
    people_s = account.people_s * more / max(1, account.labels + account.measuring)
    workers_s = sum(one.seconds for one in account.ran if first < one.number <= last)
    apart = difference(now, before)
    gained = Interval(*(100 * one for one in (apart.value, apart.low, apart.high)))
    hours = per_point(gained, people_s / HOUR_S)
    assert hours is not None
    return PointCost(gained, None, Spread(hours, per_point(gained, prices.money(people_s, workers_s))))


def rounds(account: Account, prices: Prices, points: Sequence[Point], limit: int) -> list[RoundCost]:
    """The newest `limit`, oldest first."""
    by_asked = {one.round: one for one in account.asked}
    by_point = {one.round: one for one in points}
    opening = Ran(0, "", 0, account.encoded_s)
    return [
        _round(one, by_asked.get(one.number, Asked(one.number)), account, prices, by_point.get(one.number))
        for one in [opening, *account.ran][-limit:]
    ]


def _round(ran: Ran, asked: Asked, account: Account, prices: Prices, measured: Point | None) -> RoundCost:
    return RoundCost(
        ran.number,
        ran.state or None,
        ran.labels if ran.number else None,
        asked.answers + account.waiting.get(ran.number, 0),
        asked.answers,
        amount(asked.seconds, prices.hour),
        amount(ran.seconds, prices.compute),
        prices.money(asked.seconds, ran.seconds),
        None if measured is None else _score(measured),
        None if measured is None else measured.change,
    )


def amount(seconds: float, price: float | None) -> Amount:
    hours = seconds / HOUR_S
    return Amount(hours, None if price is None else hours * price)


def _score(measured: Point) -> Interval | None:
    found: Any = None if measured.metrics is None else getattr(measured.metrics, measured.headline)
    return found if isinstance(found, Interval) else None


def cost(
    campaign: Campaign,
    account: Account,
    learned: Curve,
    lately: tuple[float, int],
    budgets: list[BudgetLeft],
    limit: int,
) -> Cost:
    """All of it, but for the sentences (`service.advice`); `lately` as in `answer_s`."""
    prices, rates = Prices.of(campaign), Rates.of(campaign, account)
    each = label(account, prices)
    stopping = learned.stopping
    saved = None if learned.gain is None else learned.gain.saved
    ahead = None if stopping is None else stopping.a_point
    answers = sum(one.answers for one in account.asked)
    return Cost(
        prices,
        amount(account.people_s, prices.hour),
        amount(account.workers_s, prices.compute),
        prices.money(account.people_s, account.workers_s),
        Times(
            answers,
            account.annotations - answers,
            answer_s((account.people_s, answers), lately),
            sum(one.missing for one in account.asked),
            sum(one.capped for one in account.asked),
            sum(one.capped_off for one in account.asked) / HOUR_S,
            account.annotations - sum(one.missing for one in account.asked) < FEW,
        ),
        account.labels,
        each,
        rounds(account, prices, learned.points, limit),
        point(account, prices, learned.points),
        None if ahead is None else PointCost(None, ahead, times(ahead, rates.cost(1, prices))),
        forecast(rates, prices, [] if stopping is None else stopping.outlook),
        None if saved is None or each is None else times(saved, each),
        budgets,
        None,
        [],
    )
