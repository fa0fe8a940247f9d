"""Campaigns in projects that people made: adopt one, release it, and what such a campaign cannot have."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from service.errors import Conflict, Invalid
from service.http.api import Api
from service.http.schemas import CampaignBody, CampaignView
from service.http.status import view
from service.label_studio import adopted
from service.label_studio.adopted import Control
from service.label_studio.client import Client
from service.store import adoptions, campaigns, events, jobs, uploads
from service.store.campaigns import NewCampaign
from service.store.database import now

MADE = "postil:"
"""The description of a project that a campaign made begins a word with it."""
FOREIGN = "an adopted project has its own tasks, which make the pool: add texts there, as tasks"


class Project(NamedTuple):
    """What was found of a project that is to be adopted."""

    id: int
    control: Control
    before: dict[str, Any]
    tasks: int
    says: dict[str, Any]
    """Of the campaign: fields of NewCampaign."""


def look(api: Api, body: CampaignBody) -> Project:
    """Read the project; raises Invalid or Conflict, in words, where it cannot be adopted."""
    assert body.adopt is not None  # else nothing is looked at
    with api.database.reading() as connection:
        adoptions.free(connection, body.adopt)
    settings = api.settings
    with Client(settings.label_studio_url, settings.label_studio_token) as client:
        found = client.project(body.adopt)
        hooks = [] if found is None else client.webhooks(body.adopt)
    if found is None:
        raise Invalid(f"there is no project {body.adopt} in Label Studio, or not for this account", "adopt")
    words = str(found.get("description") or "").split()
    if any(word.startswith(MADE) for word in words):
        raise Conflict(f"project {body.adopt} was made by a campaign: it cannot be adopted")
    if any("X-Postil-Secret" in hook.headers for hook in hooks):
        raise Conflict(
            f"project {body.adopt} has a webhook of another installation of Postil: release it there, or delete the "
            "webhook"
        )
    control = adopted.read(str(found.get("label_config") or ""))
    says = {
        "labels": list(control.names),
        "problem": control.problem,
        "text_field": control.field,
        "overlap": max(1, int(found.get("maximum_annotations") or 1)),
        "second_opinions": 0.0,
    }
    _check_unsaid(body, says)
    return Project(body.adopt, control, adopted.kept(found), int(found.get("task_number") or 0), says)


def begin(connection: Connection, campaign: str, project: Project) -> None:
    """The campaign works in the project from now on; its tasks are read by a worker, as an upload."""
    begun = uploads.begin(connection, campaign, "pool", None)
    control = msgspec.to_builtins(project.control)
    adoptions.begin(connection, campaign, project.id, control, project.before, project.tasks, begun.id)


def release(api: Api, c: str) -> CampaignView:
    """Give an adopted project back, some seconds from now: predictions and webhook go, settings are as they were, tasks
    and annotations stay. The campaign stays, paused, with its labels, rounds and adapters."""
    with api.changing(c) as (connection, campaign):
        found = adoptions.of(connection, campaign.id)
        if found is None:
            raise Conflict(
                f"the campaign {campaign.name!r} made its project itself: there is nothing to release"
            )
        if found.release_at is None:
            adoptions.change(connection, campaign.id, release_at=now())
            events.record(connection, campaign.id, "release-asked", project=found.project)
        jobs.hint(connection, campaign.id, "sync")
    with api.reading(campaign.id) as (connection, campaign):
        return view(connection, api.settings, campaign)


def check(connection: Connection, campaign: str, news: dict[str, Any]) -> None:
    """Raises Conflict where a campaign in an adopted project cannot be changed so."""
    found = adoptions.of(connection, campaign)
    if found is None:
        return
    if news.get("second_opinions"):
        raise Conflict(
            "second opinions would have tasks of an adopted project ask for more answers than its people said: raise "
            "the answers for each task in the project, and adopt it anew"
        )
    if news.get("paused") is False and found.release_at is not None:
        raise Conflict(f"project {found.project} was released: adopt it anew")


def may_go(connection: Connection, c: str) -> None:
    """Raises Conflict for a campaign that has not released its project yet.

    One whose Label Studio does not answer may go once its release was asked for.
    """
    id_ = campaigns.get(connection, c).id
    found = adoptions.of(connection, id_)
    if found is None or found.released_at is not None:
        return
    stuck = any(job.error for job in jobs.unfinished(connection, id_) if job.kind == "sync")
    if found.release_at is None or not stuck:
        raise Conflict(
            f"the campaign has adopted project {found.project}, whose settings it changed: release it first "
            f"(`postil campaign release`)"
        )


def _check_unsaid(body: CampaignBody, says: dict[str, Any]) -> None:
    """What the project says is not for the body to say."""
    default = {field.name: field.default for field in msgspec.structs.fields(NewCampaign)} | {"labels": []}
    for name, own in says.items():
        given = getattr(body, name)
        if given not in (own, default[name]):
            raise Invalid(
                f"{name} is {given!r}, and an adopted project has its own, {own!r}: leave it out, or change it in "
                "Label Studio first",
                name,
            )
