"""Tasks of a project that people made: they join the pool, each known by its id, and its annotations become labels."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from service import annotations
from service.annotations import Given
from service.label_studio.adopted import Page
from service.label_studio.client import CHUNK, OVERLAP_S, Client
from service.label_studio.tasks import ChangedTask
from service.pool import pool
from service.pool.batch import Batch
from service.pool.lines import MAX_TEXT_CHARS, Rejection, read_many
from service.pool.pool import ERRORS_KEPT, Receipt, ingest
from service.pool.text import digest, role_key
from service.records import Campaign, Place
from service.store import adoptions, campaigns, events, selections, uploads
from service.store.adoptions import Adoption
from service.store.database import clock
from service.store.selections import Chosen
from workers.held import Held
from workers.jobs.sync import SWEEP_S, given_by

READ_S = 15.0
"""Tasks are read for so long in one turn: other campaigns are to have theirs."""
SWEEP_PAGES = 4
"""Of CHUNK tasks: so many are looked at again each time."""
UNASKED = "answered without being asked"
CHANGED = "the text of task {} is not the one that was read first: import it as another task"
GONE = "its task was deleted in Label Studio"


def current(held: Held) -> Adoption:
    """The adoption of the job's campaign, as it stands."""
    with held.context.database.reading() as connection:
        found = adoptions.of(connection, held.campaign)
    assert found is not None  # it is deleted with its campaign alone
    return found


def poll(held: Held, client: Client, campaign: Campaign, adoption: Adoption, page: Page) -> int:
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
            campaigns.change(connection, campaign.id, cursor=settled(last))
    return news


def settled(last: datetime) -> str:
    """The cursor from which a look goes back to the `last` change and no further; what came late a sweep finds."""
    return (last + timedelta(seconds=OVERLAP_S)).isoformat()


def read(held: Held, client: Client, campaign: Campaign, page: Page) -> int:
    """Take in tasks that were not read yet, by id, for a while; how many.

    Those of the beginning are an upload, which may go on in the next turn, and later ones join them.
    """
    adoption, until, read = current(held), time.monotonic() + READ_S, 0
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
        adoption = current(held)
        held.progress(adoption.read, max(adoption.tasks, adoption.read), "reading the project's tasks")
        if last or time.monotonic() > until:
            return read


def sweep(held: Held, client: Client, campaign: Campaign, page: Page) -> bool:
    """Look again at some of the tasks, the next ones in the next sweep, for what no poll shows: what was deleted, came
    out of order, or changed no task. And whether the queue's tasks are there, and the labeling page as it was.

    False where it was not time for it.
    """
    adoption = current(held)
    with held.context.database.transaction() as connection:
        due = campaign.swept_at is None or not 0 <= clock(connection) - campaign.swept_at <= SWEEP_S
        queue = [row.task for row in selections.in_states(connection, campaign.id, ["open"])]
    if not due or adoption.read_at is None:
        return False
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
            lose(connection, campaign, rows)
            after = last if last < adoption.read_to else 0
            adoptions.change(connection, campaign.id, swept_to=after)
        if not after:
            break
    there = client.overlaps(adoption.project, queue)
    changed = (client.project(adoption.project) or {}).get("label_config") != page.control.config
    with held.step() as connection:
        rows = selections.in_states(connection, campaign.id, ["open"])
        lose(connection, campaign, [row for row in rows if row.task in set(queue) - there.keys()])
        campaigns.change(connection, campaign.id, swept_at=clock(connection))
        if changed:
            words = (
                "the labeling page was changed in Label Studio; answers are read as it was when the project was "
                "adopted: where its labels are others now, release the campaign and adopt the project anew"
            )
            events.warn(connection, campaign.id, words)
    return True


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


def lose(connection: Connection, campaign: Campaign, rows: Sequence[Row[Any]]) -> None:
    """Selections whose task is no more: nobody can be asked about these."""
    ids = [row.id for row in rows if row.state in ("chosen", "open", "withdrawing")]
    if ids:
        selections.move(connection, ids, "skipped", reason=GONE)
        events.record(connection, campaign.id, "tasks-deleted", count=len(ids))
