"""Confusions: what a round's adapter takes for what, and the texts behind it."""

from service import confusion
from service.confusion import Confusion, Examples
from service.http.api import Api
from service.http.schemas import CasesQuery, ConfusionQuery
from service.http.status import project_url


def show(api: Api, c: str, query: ConfusionQuery) -> Confusion:
    """What was said in place of what is true, of what measures today, the most frequent confusions first."""
    with api.reading(c) as (connection, campaign):
        return confusion.confusion(connection, api.files, campaign, query.round)


def examples(api: Api, c: str, query: CasesQuery) -> Examples:
    """The texts behind a confusion, with links into Label Studio; what the adapter was surest of first."""
    with api.reading(c) as (connection, campaign):
        page = None if campaign.project is None else project_url(api.settings, campaign.project)
        return confusion.examples(
            connection,
            api.files,
            campaign,
            page,
            number=query.round,
            kind=query.kind,
            truth=query.truth,
            said=query.said,
            limit=query.limit,
        )
