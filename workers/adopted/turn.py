"""A turn of the sync job in a project that people made: what they have is read, and nothing of it is changed."""

import msgspec

from service.errors import LabelStudioRefused
from service.label_studio import adopted
from service.label_studio.adopted import Control, Page
from service.label_studio.client import Client
from service.records import Campaign
from service.store import adoptions, campaigns, events, selections
from service.store.adoptions import Adoption
from service.store.database import clock
from workers.adopted import queue, tasks
from workers.held import Held
from workers.jobs.sync import hook_url, make_webhook, read_campaign


def turn(held: Held, client: Client, campaign: Campaign, adoption: Adoption) -> int | None:
    """One look; how much moved, None once the project is released."""
    if adoption.released_at is not None:
        return None
    page = Page.of(msgspec.convert(adoption.control, Control))
    if adoption.release_at is not None:
        _release(held, client, campaign, adoption, page)
        return None
    if not adoption.hooked:
        _begin(held, client, campaign, adoption)
        campaign = read_campaign(held)
    moved = tasks.poll(held, client, campaign, adoption, page)
    moved += tasks.read(held, client, campaign, page)
    if tasks.sweep(held, client, campaign, page):
        queue.forget_versions(held, client, adoption)
    moved += queue.push(held, client, read_campaign(held), page)
    if queue.reorder(held, client, read_campaign(held), page):
        # What gave way makes room for its successors where the budget leaves no other.
        moved += 1 + queue.push(held, client, read_campaign(held), page)
    queue.instruct(held, client, read_campaign(held))
    return moved


def _begin(held: Held, client: Client, campaign: Campaign, adoption: Adoption) -> None:
    """A webhook; and from when on changes are looked for, before anything is read."""
    newest = client.newest_change(adoption.project)
    webhook_hash = make_webhook(held, client, campaign, adoption.project)
    with held.step() as connection:
        adoptions.change(connection, campaign.id, hooked=True)
        cursor = None if newest is None else tasks.settled(newest)
        campaigns.change(connection, campaign.id, webhook_hash=webhook_hash, cursor=cursor)
        events.record(connection, campaign.id, "project-adopted", project=adoption.project)


def _release(held: Held, client: Client, campaign: Campaign, adoption: Adoption, page: Page) -> None:
    """The project as it was, with its tasks and annotations; the campaign stays, and asks nothing any more."""
    held.progress(0, 1, "giving the project back")
    refused, now = "", client.project(adoption.project)
    if now is not None:  # somebody may have deleted it
        tasks.poll(held, client, campaign, adoption, page)
        values = adopted.restored(adoption.before, adoption.changed, now, adoption.versions)
        try:
            client.change_project(adoption.project, values)
        except LabelStudioRefused as error:
            # Of the project's own model version all predictions may be gone.
            refused = str(error)
            client.change_project(adoption.project, values | {"model_version": ""})
        client.remove_webhook(adoption.project, hook_url(held, campaign))
        ours = [one for one in client.model_versions(adoption.project) if one.startswith(adoption.versions)]
        queue.delete_versions(client, adoption, ours)
    with held.step() as connection:
        waiting = selections.in_states(connection, adoption.campaign, ["chosen", "open", "withdrawing"])
        selections.move(connection, [row.id for row in waiting], "withdrawn")
        adoptions.change(connection, adoption.campaign, released_at=clock(connection), retired={})
        campaigns.change(connection, adoption.campaign, paused=True, webhook_hash=None)
        events.record(connection, adoption.campaign, "project-released", project=adoption.project)
        if refused:
            words = f"the project's model version could not be set again, and is empty: {refused}"
            events.warn(connection, adoption.campaign, words)
