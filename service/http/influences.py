"""The labels' influence: have it worked out, read the newest, have the most harmful labels looked at again."""

from service import influence
from service.http.api import Api
from service.http.schemas import InfluenceView, JobView, ReviewBody
from service.http.status import job_view, project_url
from service.influence import Reviewed
from service.store import adoptions, jobs

OWN = "an adopted project says itself how many answer a task: look at these labels in Label Studio"
KIND, QUEUE = "influence", "gpu"


def begin(api: Api, c: str) -> JobView:
    """Have it worked out, of the newest adapter and what measures today; once at a time."""
    with api.changing(c) as (connection, campaign):
        influence.subject(connection, api.files, campaign)
        return job_view(jobs.ask(connection, campaign.id, KIND, QUEUE))


def show(api: Api, c: str) -> InfluenceView:
    """The newest, with links into Label Studio, and whether it is being worked out anew."""
    with api.reading(c) as (connection, campaign):
        rows = jobs.of_kind(connection, campaign.id, KIND)
        found = influence.newest(connection, campaign)
        page = None if campaign.project is None else project_url(api.settings, campaign.project)
        return InfluenceView(
            None if not rows or rows[-1].state == "done" else job_view(rows[-1]),
            None if found is None else influence.told(connection, campaign, found, page),
        )


def review(api: Api, c: str, body: ReviewBody) -> Reviewed:
    """Ask somebody else about the `n` most harmful labels, who sees no pre-annotation. What measures steers this, and
    its scores are slightly optimistic afterwards."""
    with api.changing(c) as (connection, campaign):
        adoptions.refuse(connection, campaign.id, OWN)
        return influence.review(connection, campaign, body.n)
