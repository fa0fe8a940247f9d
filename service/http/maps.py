"""Maps of a campaign's pool: have one drawn, look at the newest."""

from service import maps
from service.http.api import Api
from service.http.schemas import JobView, MapView
from service.http.status import job_view, project_url
from service.store import jobs


def begin(api: Api, c: str) -> JobView:
    """Have one drawn, of the pool as it is; one at a time. After each round it is drawn anew by itself."""
    with api.changing(c) as (connection, campaign):
        return job_view(jobs.ask(connection, campaign.id, maps.KIND, maps.QUEUE))


def show(api: Api, c: str) -> MapView:
    """The newest one, with labels and queue as they are now, and whether another is being drawn."""
    with api.reading(c) as (connection, campaign):
        rows = jobs.of_kind(connection, campaign.id, maps.KIND)
        drawn = maps.newest(connection, campaign.id)
        page = None if campaign.project is None else project_url(api.settings, campaign.project)
        return MapView(
            None if not rows or rows[-1].state == "done" else job_view(rows[-1]),
            None if drawn is None else maps.shown(connection, api.files, campaign, drawn, page),
        )
