"""The queue in a project that people made: an order of its tasks, none of which is changed for it.

A push gives a task a prediction whose score is its place in the queue, and what gives way has none in the next version
of the order. Label Studio serves tasks without a prediction of the version in use when none with one is left.
"""

import hashlib
from collections.abc import Collection
from typing import Any

from sqlalchemy import Row

from service import annotations
from service.errors import LabelStudioRefused
from service.label_studio import adopted
from service.label_studio.adopted import Page
from service.label_studio.client import Client
from service.label_studio.tasks import NewPrediction
from service.records import Campaign
from service.store import adoptions, campaigns, events, rounds, selections
from service.store.adoptions import Adoption
from service.store.database import clock
from workers.adopted import tasks
from workers.held import Held
from workers.jobs.sync import PAGE_OPEN_S, place_score, shown_result, within_budget


def push(held: Held, client: Client, campaign: Campaign, page: Page) -> int:
    """Have what was chosen served; how many tasks."""
    adoption = tasks.current(held)
    with held.context.database.transaction() as connection:
        chosen = selections.in_states(connection, campaign.id, ["chosen"])
    chosen = within_budget(held, campaign, chosen)
    if not chosen:
        return 0
    held.progress(0, len(chosen), "giving tasks their places in the queue")
    task = {row.id: int(row.ext_id) for row in chosen}
    overlaps = client.overlaps(adoption.project, task.values())
    here = [row for row in chosen if task[row.id] in overlaps]
    version = campaign.model_version or f"{adoption.versions}{adoption.orders}"
    _rank(client, campaign, adoption, page, {task[row.id]: row for row in here}, version)
    if here and campaign.model_version is None:
        _serve(held, client, campaign, adoption, version)
    with held.step() as connection:
        tasks.lose(connection, campaign, [row for row in chosen if task[row.id] not in overlaps])
        selections.opened(connection, {row.id: task[row.id] for row in here})
        for row in here:
            if (
                overlaps[task[row.id]] < row.wanted
            ):  # a task of the project may be for fewer people than the others
                selections.move(connection, [row.id], "open", wanted=overlaps[task[row.id]])
        if here and campaign.model_version is None:
            campaigns.change(connection, campaign.id, model_version=version)
        events.record(connection, campaign.id, "tasks-pushed", count=len(here))
    return len(here)


def _rank(
    client: Client,
    campaign: Campaign,
    adoption: Adoption,
    page: Page,
    rows: dict[int, Row[Any]],
    version: str,
) -> None:
    """Write the places of tasks down, as a version of the order."""
    predictions = [
        NewPrediction(task, place_score(row), shown_result(row, page, campaign)) for task, row in rows.items()
    ]
    client.add_predictions(adoption.project, predictions, version)


def _serve(held: Held, client: Client, campaign: Campaign, adoption: Adoption, version: str) -> None:
    """Have the project serve by our order from now on; what is changed for it is written down before."""
    values = adopted.wanted(adoption.before, campaign.instruction)
    with held.step() as connection:
        adoptions.change(connection, campaign.id, changed=values)
    now = client.change_project(adoption.project, values | {"model_version": version})
    with held.step() as connection:
        # As Label Studio has them: it cleans an instruction.
        adoptions.change(connection, campaign.id, changed={name: now.get(name) for name in values})
        campaigns.change(connection, campaign.id, page_hash=_words_hash(campaign))


def instruct(held: Held, client: Client, campaign: Campaign) -> None:
    """The instruction was changed: show it, or the project's own where there is none any more."""
    adoption = tasks.current(held)
    if not adoption.changed or campaign.page_hash == _words_hash(campaign):
        return
    values = adopted.asked(adoption.before, campaign.instruction)
    now = client.change_project(adoption.project, values)
    with held.step() as connection:
        told = adoption.changed | {name: now.get(name) for name in values}
        adoptions.change(connection, campaign.id, changed=told)
        campaigns.change(connection, campaign.id, page_hash=_words_hash(campaign))


def _words_hash(campaign: Campaign) -> str:
    return hashlib.sha256(campaign.instruction.encode()).hexdigest()


def reorder(held: Held, client: Client, campaign: Campaign, page: Page) -> bool:
    """After a round has ranked the queue, or where tasks gave way: write the whole order anew, and serve by that.

    Nothing is taken from a task: a page that is open on a prediction can be submitted for as long as that is there.
    """
    adoption = tasks.current(held)
    with held.context.database.transaction() as connection:
        ranked = rounds.newest(connection, campaign.id, ranked=True)
        queue = selections.in_states(connection, campaign.id, ["open"])
        leaving = selections.in_states(connection, campaign.id, ["withdrawing"])
    number = ranked.number if ranked else 0
    if campaign.model_version is None or (number == adoption.ranked and not leaving):
        return False
    version = campaign.model_version
    if queue:
        held.progress(0, len(queue), "putting the queue in its new order")
        version = f"{adoption.versions}{adoption.orders + 1}"
        _rank(client, campaign, adoption, page, {row.task: row for row in queue}, version)
        try:
            client.set_model_version(adoption.project, version)
        except LabelStudioRefused:
            if client.overlaps(adoption.project, [row.task for row in queue]):
                raise
            queue, version = [], campaign.model_version  # somebody deleted all of its tasks
    with held.step() as connection:
        still = {row.id for row in selections.in_states(connection, campaign.id, ["withdrawing"])}
        away = [row.id for row in leaving if row.id in still and (queue or row.task is None)]
        # Without another order they are served as before.
        stay = [row.id for row in leaving if row.id in still and row.id not in away]
        selections.move(connection, stay, "open")
        selections.move(connection, away, "withdrawn")
        annotations.reopen_pool(connection, campaign.id)
        adoptions.change(connection, campaign.id, ranked=number)
        if queue:
            retired = adoption.retired | {campaign.model_version: clock(connection)}
            adoptions.change(connection, campaign.id, orders=adoption.orders + 1, retired=retired)
            campaigns.change(connection, campaign.id, model_version=version)
            events.record(
                connection, campaign.id, "queue-reordered", version=version, tasks=len(queue), left=len(away)
            )
    return bool(queue)


def forget_versions(held: Held, client: Client, adoption: Adoption) -> None:
    """Delete orders that were given up so long ago that no page which shows them can be open any more."""
    with held.context.database.reading() as connection:
        before = clock(connection) - PAGE_OPEN_S
    old = [version for version, at in adoption.retired.items() if at < before]
    if old:
        delete_versions(client, adoption, old)
        with held.step() as connection:
            left = {version: at for version, at in adoption.retired.items() if version not in old}
            adoptions.change(connection, adoption.campaign, retired=left)


def delete_versions(client: Client, adoption: Adoption, versions: Collection[str]) -> None:
    for version in client.model_versions(adoption.project):
        if version in versions:
            client.delete_model_version(adoption.project, version)
