"""Who answers, how well, and where they differ."""

import msgspec
from starlette.requests import Request

from service import people
from service.http.api import Api
from service.http.kept import changes
from service.http.rounds import may_be_old
from service.http.schemas import QueueQuery
from service.http.status import project_url
from service.people import Disagreements, People


def list_all(api: Api, c: str, request: Request) -> People:
    """Everybody who answered: how much and how quickly, how often they are right, and how far they agree.

    Who allows for the answer's age may be told of how it was before the last change, with `pending`.
    """
    with api.reading(c) as (connection, campaign):
        key = changes(connection, campaign)

    def make() -> People:
        with api.reading(campaign.id) as (connection, now):
            return people.people(connection, now)

    found, pending = api.people.get(campaign.id, key, make, may_be_old(request))
    return msgspec.structs.replace(found, pending=True) if pending else found


def disagreements(api: Api, c: str, query: QueueQuery, request: Request) -> Disagreements:
    """Examples whose answers differ, the least sure ones first, with links into Label Studio."""
    with api.reading(c) as (connection, campaign):
        key = changes(connection, campaign)

    def make() -> Disagreements:
        with api.reading(campaign.id) as (connection, now):
            page = None if now.project is None else project_url(api.settings, now.project)
            return people.disagreements(connection, now, page, query.limit)

    found, pending = api.disagreements.get(campaign.id, (key, query.limit), make, may_be_old(request))
    return msgspec.structs.replace(found, pending=True) if pending else found
