"""Audits of a campaign: ask for one, read the newest."""

import msgspec

from service.audit import Audit
from service.http.api import Api
from service.http.schemas import AuditView, JobView
from service.http.status import job_view
from service.store import jobs

KIND, QUEUE = "audit", "gpu"
"""It asks the base model, where that has a language-model head."""


def begin(api: Api, c: str) -> JobView:
    """Have one made, of the campaign as it is; one at a time."""
    with api.changing(c) as (connection, campaign):
        return job_view(jobs.ask(connection, campaign.id, KIND, QUEUE))


def show(api: Api, c: str) -> AuditView:
    """The newest one, and whether another is being made."""
    with api.reading(c) as (connection, campaign):
        rows = jobs.of_kind(connection, campaign.id, KIND)
    newest = next((row for row in reversed(rows) if row.state == "done"), None)
    return AuditView(
        None if not rows or rows[-1].state == "done" else job_view(rows[-1]),
        None if newest is None else msgspec.convert(newest.result, Audit),
    )
