"""Budgets: how many answers a campaign may ask for in all, by their number, by hours of people and by money.

Hours and money end between answers: they are told as answers that they pay for, at what one more is expected to take.
"""

from collections.abc import Mapping
from math import floor

import msgspec
from sqlalchemy import Connection

from service.cost import Prices, answer_s
from service.records import Campaign
from service.rounds.decide import ENDLESS, room
from service.store import costs


class Budget(msgspec.Struct, frozen=True):
    """Answers in all, those given and those that wait among them; None: without end."""

    answers: int | None = None
    hours: int | None = None
    money: int | None = None
    stopped: bool = False
    """Whether advice ended the asking: then there is room for none."""

    def room(self, asked: int) -> int | None:
        """How many more may be asked for, where `asked` are; None: without end."""
        return 0 if self.stopped else room([self.answers, self.hours, self.money], asked)


def budget(connection: Connection, campaign: Campaign, answers: Mapping[str, int]) -> Budget:
    """As it stands; `answers`: by state of their selections (selections.answers)."""
    stopped = campaign.stop_at_advice and campaign.stopped_round is not None
    if campaign.budget_hours is None and campaign.budget_money is None:
        return Budget(campaign.budget, stopped=stopped)
    people_s, number = costs.total(connection, campaign.id)
    each_s = answer_s((people_s, number), costs.lately(connection, campaign.id))
    given = answers.get("answered", 0)

    def paid(whole: float | None, spent: float, each: float) -> int | None:
        if whole is None:
            return None
        left = max(0.0, whole - spent)
        return given + (min(ENDLESS, floor(left / each)) if each > 0 else ENDLESS if left > 0 else 0)

    money = None
    if campaign.budget_money is not None:
        rounds_s = costs.worked(connection, campaign.id)
        prices, workers_s = Prices.of(campaign), rounds_s + costs.encoded(connection, campaign)
        each = prices.money(each_s, rounds_s / max(1, number))
        money = paid(campaign.budget_money, prices.money(people_s, workers_s) or 0.0, each or 0.0)
    hours = None if campaign.budget_hours is None else campaign.budget_hours * 3600
    return Budget(campaign.budget, paid(hours, people_s, each_s), money, stopped)
