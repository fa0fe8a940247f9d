"""Maps of a campaign's pool: have one drawn, look at the newest."""

import msgspec
from starlette.requests import Request

from service import maps
from service.http.api import Api
from service.http.kept import changes
from service.http.rounds import may_be_old
from service.http.schemas import JobView, MapView
from service.http.status import job_view, project_url
from service.maps import Map
from service.store import jobs


def begin(api: Api, c: str) -> JobView:
    """Have one drawn, of the pool as it is; one at a time. After each round it is drawn anew by itself."""
    with api.changing(c) as (connection, campaign):
        return job_view(jobs.ask(connection, campaign.id, maps.KIND, maps.QUEUE))


def show(api: Api, c: str, request: Request) -> MapView:
    """The newest one, with labels and queue as they are now, and whether another is being drawn.

    Who allows for the answer's age may be told of it as it was before the last change, with `pending`.
    """
    with api.reading(c) as (connection, campaign):
        rows = jobs.of_kind(connection, campaign.id, maps.KIND)
        drawn = maps.newest(connection, campaign.id)
        key = drawn, changes(connection, campaign)
    job = None if not rows or rows[-1].state == "done" else job_view(rows[-1])
    if drawn is None:
        return MapView(job, None)

    def make() -> Map:
        with api.reading(campaign.id) as (connection, now):
            page = None if now.project is None else project_url(api.settings, now.project)
            return maps.shown(connection, api.files, now, drawn, page)

    found, pending = api.maps.get(campaign.id, key, make, may_be_old(request))
    return MapView(job, msgspec.structs.replace(found, pending=True) if pending else found)
