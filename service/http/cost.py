"""What a campaign costs: so far, by round, and from now on."""

import msgspec

from service import advice, cost, curve
from service.budget import budget
from service.cost import BudgetLeft, Cost
from service.http.api import Api
from service.http.rounds import kept
from service.http.schemas import CostQuery
from service.records import Campaign
from service.rounds.decide import room
from service.store import costs, selections


def show(api: Api, c: str, query: CostQuery) -> Cost:
    """What it took so far, and by round; what more labels take and are expected to bring; whether to stop."""
    with api.reading(c) as (connection, campaign):
        account = costs.account(connection, campaign)
        lately = costs.lately(connection, campaign.id)
        answers = selections.answers(connection, campaign.id)
        ends = budget(connection, campaign, answers)
        known = curve.truth(connection, api.files, campaign)
    learned = kept(api, campaign, known)
    asked = selections.total(answers, selections.ASKED)
    spent = {"answers": float(asked), "hours": account.people_s / cost.HOUR_S}
    spent["money"] = cost.Prices.of(campaign).money(account.people_s, account.workers_s) or 0.0
    left = [
        BudgetLeft(kind, whole, spent[kind], room([getattr(ends, kind)], asked) or 0)
        for kind, whole in _budgets(campaign).items()
        if whole is not None
    ]
    found = cost.cost(campaign, account, learned, lately, left, query.rounds)
    stop, words = advice.sentences(found, learned)
    return msgspec.structs.replace(found, stop=stop, advice=words)


def _budgets(campaign: Campaign) -> dict[str, float | None]:
    answers = None if campaign.budget is None else float(campaign.budget)
    return {"answers": answers, "hours": campaign.budget_hours, "money": campaign.budget_money}
