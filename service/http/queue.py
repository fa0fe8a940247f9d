"""What annotators will be served, and what workers are at."""

from typing import Any

from sqlalchemy import Row

from service import blind, similar
from service.doorbell import QUEUES
from service.http.api import Api
from service.http.schemas import Jobs, Queue, QueueQuery, TaskView, Workers
from service.http.status import job_view, project_url
from service.records import BLIND_ROLES, Campaign, Place
from service.store import jobs, selections
from service.vocabulary import Vocabulary


def show(api: Api, c: str, query: QueueQuery) -> Queue:
    """Tasks that can still be served, first ones first, each with the reason for which it was chosen."""
    with api.reading(c) as (connection, campaign):
        rows = selections.in_states(connection, campaign.id, selections.SERVABLE)
    words = Vocabulary.of(campaign)
    return Queue([_task(api, campaign, words, row) for row in rows[: query.limit]])


def list_jobs(api: Api, c: str) -> Jobs:
    """Jobs that are not finished."""
    with api.reading(c) as (connection, campaign):
        return Jobs([job_view(row) for row in jobs.unfinished(connection, campaign.id)])


def list_workers(api: Api) -> Workers:
    """How many workers there are; 0 at every queue where Redis does not answer."""
    return Workers({queue: api.doorbell.workers(queue) for queue in QUEUES})


def _task(api: Api, campaign: Campaign, words: Vocabulary, row: Row[Any]) -> TaskView:
    project = campaign.project
    there = project is not None and row.task is not None
    shown = row.predictions and row.role not in BLIND_ROLES and not row.void
    return TaskView(
        task=row.task,
        url=f"{project_url(api.settings, project)}/data?task={row.task}"
        if project is not None and there
        else None,
        id=row.ext_id if row.ext_id is not None else str(Place(row.shard, row.row)),
        text=row.text,
        role=row.role,
        strategy=row.strategy,
        score=row.score,
        reason=row.reason,
        place=row.place,
        state=row.state,
        prediction=words.shown(row.predictions[-1]) if shown else None,
        round=row.round,
        chosen_at=row.chosen_at,
        similar=None
        if blind.is_blind(row, campaign)
        else similar.link(api.settings, campaign, selections.key(row)),
    )
