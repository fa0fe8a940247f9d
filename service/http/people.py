"""Who answers, how well, and where they differ."""

from service import people
from service.http.api import Api
from service.http.schemas import QueueQuery
from service.http.status import project_url
from service.people import Disagreements, People


def list_all(api: Api, c: str) -> People:
    """Everybody who answered: how much, how often they are right, and how far they agree."""
    with api.reading(c) as (connection, campaign):
        return people.people(connection, campaign)


def disagreements(api: Api, c: str, query: QueueQuery) -> Disagreements:
    """Examples whose answers differ, the least sure ones first, with links into Label Studio."""
    with api.reading(c) as (connection, campaign):
        page = None if campaign.project is None else project_url(api.settings, campaign.project)
        return people.disagreements(connection, campaign, page, query.limit)
