"""A turn of the sync job in a project that people made: what they have is read, and nothing of it is changed.

Tasks are theirs: an example is known by the id of its task, a push gives the task a prediction whose score is its place
in the queue, and what gives way has none in the next version of the order. Label Studio serves tasks without a
prediction of the version in use when none with one is left.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from service import annotations
from service.annotations import Given
from service.errors import LabelStudioRefused
from service.label_studio import adopted
from service.label_studio.adopted import Control, Page
from service.label_studio.client import CHUNK, OVERLAP_S, Client
from service.label_studio.tasks import ChangedTask, NewPrediction
from service.pool import pool
from service.pool.batch import Batch
from service.pool.lines import MAX_TEXT_CHARS, Rejection, read_many
from service.pool.pool import ERRORS_KEPT, Receipt, ingest
from service.pool.text import digest, role_key
from service.records import Campaign, Place
from service.store import adoptions, campaigns, events, rounds, selections, uploads
from service.store.adoptions import Adoption
from service.store.database import clock
from service.store.selections import Chosen
from workers.held import Held
from workers.jobs.sync import (
    PAGE_OPEN_S,
    SWEEP_S,
    given_by,
    hook_url,
    make_webhook,
    place_score,
    read_campaign,
    shown_result,
    within_budget,
)

READ_S = 15.0
"""Tasks are read for so long in one turn: other campaigns are to have theirs."""
SWEEP_PAGES = 4
"""Of CHUNK tasks: so many are looked at again each time."""
UNASKED = "answered without being asked"
CHANGED = "the text of task {} is not the one that was read first: import it as another task"
GONE = "its task was deleted in Label Studio"


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
    moved = _poll(held, client, campaign, adoption, page)
    moved += _read(held, client, campaign, page)
    _sweep(held, client, campaign, page)
    moved += _push(held, client, read_campaign(held), page)
    if _reorder(held, client, read_campaign(held), page):
        # What gave way makes room for its successors where the budget leaves no other.
        moved += 1 + _push(held, client, read_campaign(held), page)
    _instruct(held, client, read_campaign(held))
    return moved


def _adoption(held: Held) -> Adoption:
    with held.context.database.reading() as connection:
        found = adoptions.of(connection, held.campaign)
    assert found is not None  # it is deleted with its campaign alone
    return found


def _begin(held: Held, client: Client, campaign: Campaign, adoption: Adoption) -> None:
    """A webhook; and from when on changes are looked for, before anything is read."""
    newest = client.newest_change(adoption.project)
    webhook_hash = make_webhook(held, client, campaign, adoption.project)
    with held.step() as connection:
        adoptions.change(connection, campaign.id, hooked=True)
        cursor = None if newest is None else _settled(newest)
        campaigns.change(connection, campaign.id, webhook_hash=webhook_hash, cursor=cursor)
        events.record(connection, campaign.id, "project-adopted", project=adoption.project)


# --- what people have


def _poll(held: Held, client: Client, campaign: Campaign, adoption: Adoption, page: Page) -> int:
    """Take in what changed of the tasks that were read; how many annotations were news.

    Where a look back shows no news, the next one does not go back: people import 100,000 tasks within a minute.
    """
    if not adoption.read_to:
        return 0
    news, last = 0, None
    since = datetime.fromisoformat(campaign.cursor) if campaign.cursor else None
    for tasks in client.changed_tasks(adoption.project, since, until=adoption.read_to):
        with held.step() as connection:
            news += _take_in(connection, held, campaign, page, tasks, Receipt())
            last = tasks[-1].updated_at
            campaigns.change(connection, campaign.id, cursor=last.isoformat())
    if last is not None and not news:
        with held.step() as connection:
            campaigns.change(connection, campaign.id, cursor=_settled(last))
    return news


def _settled(last: datetime) -> str:
    """The cursor from which a look goes back to the `last` change and no further; what came late a sweep finds."""
    return (last + timedelta(seconds=OVERLAP_S)).isoformat()


def _read(held: Held, client: Client, campaign: Campaign, page: Page) -> int:
    """Take in tasks that were not read yet, by id, for a while; how many.

    Those of the beginning are an upload, which may go on in the next turn, and later ones join them.
    """
    adoption, until, read = _adoption(held), time.monotonic() + READ_S, 0
    with held.context.database.reading() as connection:
        receipt = Receipt()
        if adoption.read_at is None and (stored := uploads.receipt(connection, adoption.upload)):
            receipt = msgspec.convert(stored, Receipt)
    while True:
        tasks = client.tasks_after(adoption.project, adoption.read_to)
        last = len(tasks) < CHUNK
        if not tasks and adoption.read_at is not None:
            return read
        with held.step() as connection:
            if tasks:
                _take_in(connection, held, campaign, page, tasks, receipt, past=True)
                change: dict[str, Any] = {"read_to": tasks[-1].id, "read": adoption.read + len(tasks)}
                adoptions.change(connection, campaign.id, **change)
            if adoption.read_at is not None:
                events.record(connection, campaign.id, "tasks-read", tasks=len(tasks))
            elif last:
                adoptions.change(connection, campaign.id, read_at=clock(connection))
                stored = msgspec.to_builtins(receipt)
                uploads.end_told(connection, campaign.id, adoption.upload, "done", stored)
            else:
                uploads.touch(connection, adoption.upload, msgspec.to_builtins(receipt))
        read += len(tasks)
        adoption = _adoption(held)
        held.progress(adoption.read, max(adoption.tasks, adoption.read), "reading the project's tasks")
        if last or time.monotonic() > until:
            return read


def _sweep(held: Held, client: Client, campaign: Campaign, page: Page) -> None:
    """Look again at some of the tasks, the next ones in the next sweep, for what no poll shows: what was deleted, came
    out of order, or changed no task. And whether the queue's tasks are there, and the labeling page as it was."""
    adoption = _adoption(held)
    with held.context.database.transaction() as connection:
        due = campaign.swept_at is None or not 0 <= clock(connection) - campaign.swept_at <= SWEEP_S
        queue = [row.task for row in selections.in_states(connection, campaign.id, ["open"])]
    if not due or adoption.read_at is None:
        return
    after = adoption.swept_to
    for _ in range(SWEEP_PAGES):
        tasks = client.tasks_after(adoption.project, after, adoption.read_to)
        last = tasks[-1].id if len(tasks) == CHUNK else adoption.read_to
        with held.step() as connection:
            here = {task.id for task in tasks}
            rows = [
                row
                for row in selections.of_tasks(connection, campaign.id, after, last)
                if row.task not in here
            ]
            gone = annotations.tasks_between(connection, campaign.id, after, last) - here
            _take_in(connection, held, campaign, page, tasks, Receipt(), gone=gone)
            _lose(connection, campaign, rows)
            after = last if last < adoption.read_to else 0
            adoptions.change(connection, campaign.id, swept_to=after)
        if not after:
            break
    there = client.overlaps(adoption.project, queue)
    changed = (client.project(adoption.project) or {}).get("label_config") != page.control.config
    with held.step() as connection:
        rows = selections.in_states(connection, campaign.id, ["open"])
        _lose(connection, campaign, [row for row in rows if row.task in set(queue) - there.keys()])
        campaigns.change(connection, campaign.id, swept_at=clock(connection))
        if changed:
            words = (
                "the labeling page was changed in Label Studio; answers are read as it was when the project was "
                "adopted: where its labels are others now, release the campaign and adopt the project anew"
            )
            events.warn(connection, campaign.id, words)
    _forget_versions(held, client, adoption)


def _take_in(
    connection: Connection,
    held: Held,
    campaign: Campaign,
    page: Page,
    tasks: Sequence[ChangedTask],
    receipt: Receipt,
    past: bool = False,
    gone: Iterable[int] = (),
) -> int:
    """Tasks that are not in the pool join it, and annotations become labels; how many were news.

    `past`: answers came with their tasks, of people who are not at work now. `gone`: tasks that are no more.
    """
    places = _places(connection, held, campaign, tasks, receipt)
    here = {task.id: task for task in tasks}
    known = annotations.revisions(connection, campaign.id, here)
    given = [
        msgspec.structs.replace(one, ext_id=str(places[one.task]))
        for one in given_by(tasks)
        if one.task in places and (one.id, one.revision) not in known
    ]
    if past:
        before = clock(connection) - annotations.LATELY_S
        given = [_dated(one, before) for one in given]
    texts = _put_unasked(
        connection, held, campaign, page, {places[one.task]: here[one.task] for one in given}
    )
    fits = {one.task: digest(_text(here[one.task], page)) == digest(texts[places[one.task]]) for one in given}
    checked = [
        one if fits[one.task] else msgspec.structs.replace(one, problem=CHANGED.format(one.task))
        for one in given
    ]
    news = annotations.take(connection, campaign, checked, page.from_result)
    present = {one.id for task in tasks for one in task.annotations}
    if annotations.forget(connection, campaign, present, [*here, *gone]) and selections.free_unasked(
        connection, campaign.id
    ):
        annotations.reopen_pool(connection, campaign.id)
    return sum(news.values())


def _text(task: ChangedTask, page: Page) -> str:
    text = task.data.get(page.control.field)
    return text[:MAX_TEXT_CHARS] if isinstance(text, str) else ""


def _dated(one: Given, before: float) -> Given:
    at = datetime.fromisoformat(one.revision).timestamp()
    return msgspec.structs.replace(one, received_at=min(at, before))


def _places(
    connection: Connection, held: Held, campaign: Campaign, tasks: Sequence[ChangedTask], receipt: Receipt
) -> dict[int, Place]:
    """Where the tasks' texts are in the pool, put there where they are new; those of no use are left out."""
    known = _known(connection, held, campaign, tasks)
    new = [task for task in tasks if task.id not in known]
    if not new:
        return known
    mine, batches = Receipt(), list[Batch]()
    ingest(read_many([_lines(new, campaign.text_field)], "jsonl", "text"), mine, batches.append)
    locked = campaigns.get(connection, campaign.id)
    for batch in batches:
        pool.add(connection, held.context.files, locked, "pool", batch, mine)
    # Lines are known by their tasks.
    refused = [
        Rejection(new[one.line - 1].id, f"task {new[one.line - 1].id}: {one.reason}") for one in mine.errors
    ]
    for name in ("received", "added", "duplicates", "truncated", "rejected"):
        setattr(receipt, name, getattr(receipt, name) + getattr(mine, name))
    receipt.errors = [*receipt.errors, *refused][:ERRORS_KEPT]
    return known | _known(connection, held, campaign, new)


def _known(
    connection: Connection, held: Held, campaign: Campaign, tasks: Iterable[ChangedTask]
) -> dict[int, Place]:
    ids = [str(task.id) for task in tasks]
    found, _ = pool.find(connection, held.context.files, campaign.id, ids, [])
    return {int(id_): place for id_, place in found.items()}


def _lines(tasks: Iterable[ChangedTask], field: str) -> bytes:
    """Tasks as a pool's lines: the task's id names the example, and what else it holds is its meta."""
    lines = []
    for task in tasks:
        rest = {name: value for name, value in task.data.items() if name != field}
        domain = rest.get("domain")
        line = {"text": task.data.get(field), "id": str(task.id), "meta": rest or None}
        lines.append(line | ({"domain": domain} if isinstance(domain, str) else {}))
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _put_unasked(
    connection: Connection, held: Held, campaign: Campaign, page: Page, given: dict[Place, ChangedTask]
) -> dict[Place, str]:
    """Write down which of the tasks were answered without being asked; the texts of all, as they are in the pool.

    That is no random draw, and never measures, whatever it was to be before.
    """
    found = selections.at(connection, campaign.id, given)
    living = {place for place, row in found.items() if row.state != "withdrawn"}
    new = [place for place in given if place not in living]
    texts = pool.texts(connection, held.context.files, campaign.id, new)
    rows = {}
    for place in new:
        shown = found[place].predictions if place in found else []
        domain = given[place].data.get("domain") if page.control.field != "domain" else None
        rows[place] = (
            Chosen(
                place=place,
                rank=0,
                role="train",
                strategy=selections.UNASKED,
                score=0.0,
                reason=UNASKED,
                text=texts[place],
                ext_id=str(given[place].id),
                domain=domain if isinstance(domain, str) else None,
                role_key=role_key(texts[place]),
                prediction=shown[-1] if shown else None,
            ),
            given[place].id,
        )
    selections.put_unasked(connection, campaign.id, rows)
    return {place: row.text for place, row in found.items()} | texts


def _lose(connection: Connection, campaign: Campaign, rows: Sequence[Row[Any]]) -> None:
    """Selections whose task is no more: nobody can be asked about these."""
    ids = [row.id for row in rows if row.state in ("chosen", "open", "withdrawing")]
    if ids:
        selections.move(connection, ids, "skipped", reason=GONE)
        events.record(connection, campaign.id, "tasks-deleted", count=len(ids))


# --- the queue


def _push(held: Held, client: Client, campaign: Campaign, page: Page) -> int:
    """Have what was chosen served; how many tasks."""
    adoption = _adoption(held)
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
        _lose(connection, campaign, [row for row in chosen if task[row.id] not in overlaps])
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


def _instruct(held: Held, client: Client, campaign: Campaign) -> None:
    """The instruction was changed: show it, or the project's own where there is none any more."""
    adoption = _adoption(held)
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


def _reorder(held: Held, client: Client, campaign: Campaign, page: Page) -> bool:
    """After a round has ranked the queue, or where tasks gave way: write the whole order anew, and serve by that.

    Nothing is taken from a task: a page that is open on a prediction can be submitted for as long as that is there.
    """
    adoption = _adoption(held)
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


def _forget_versions(held: Held, client: Client, adoption: Adoption) -> None:
    """Delete orders that were given up so long ago that no page which shows them can be open any more."""
    with held.context.database.reading() as connection:
        before = clock(connection) - PAGE_OPEN_S
    old = [version for version, at in adoption.retired.items() if at < before]
    if old:
        _delete_versions(client, adoption, old)
        with held.step() as connection:
            left = {version: at for version, at in adoption.retired.items() if version not in old}
            adoptions.change(connection, adoption.campaign, retired=left)


def _delete_versions(client: Client, adoption: Adoption, versions: Collection[str]) -> None:
    for version in client.model_versions(adoption.project):
        if version in versions:
            client.delete_model_version(adoption.project, version)


# --- the end


def _release(held: Held, client: Client, campaign: Campaign, adoption: Adoption, page: Page) -> None:
    """The project as it was, with its tasks and annotations; the campaign stays, and asks nothing any more."""
    held.progress(0, 1, "giving the project back")
    refused, now = "", client.project(adoption.project)
    if now is not None:  # somebody may have deleted it
        _poll(held, client, campaign, adoption, page)
        values = adopted.restored(adoption.before, adoption.changed, now, adoption.versions)
        try:
            client.change_project(adoption.project, values)
        except LabelStudioRefused as error:
            # Of the project's own model version all predictions may be gone.
            refused = str(error)
            client.change_project(adoption.project, values | {"model_version": ""})
        client.remove_webhook(adoption.project, hook_url(held, campaign))
        ours = [one for one in client.model_versions(adoption.project) if one.startswith(adoption.versions)]
        _delete_versions(client, adoption, ours)
    with held.step() as connection:
        waiting = selections.in_states(connection, adoption.campaign, ["chosen", "open", "withdrawing"])
        selections.move(connection, [row.id for row in waiting], "withdrawn")
        adoptions.change(connection, adoption.campaign, released_at=clock(connection), retired={})
        campaigns.change(connection, adoption.campaign, paused=True, webhook_hash=None)
        events.record(connection, adoption.campaign, "project-released", project=adoption.project)
        if refused:
            words = f"the project's model version could not be set again, and is empty: {refused}"
            events.warn(connection, adoption.campaign, words)
