"""Keep Label Studio and the store in step: answers in, selections out, the queue's order as it should be.

Every step compares what is there with what should be, so that a turn that broke off anywhere is made good by the
next one. Nothing here deletes what somebody may have open.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Row

from service import annotations, blind, similar, synthesis
from service.annotations import Given
from service.budget import budget
from service.errors import LabelStudioRefused
from service.label_studio import live
from service.label_studio.client import DELETE_CHUNK, Client
from service.label_studio.problems import Problem, problem
from service.label_studio.tasks import ChangedTask, NewPrediction, NewTask
from service.records import BLIND_ROLES, Campaign
from service.rounds.decide import ENDLESS
from service.settings import Settings
from service.store import adoptions, campaigns, events, rounds, selections
from service.store.database import clock
from service.vocabulary import Vocabulary
from workers.held import Held

BUSY_S, IDLE_S, ASLEEP_S = 2.0, 5.0, 60.0
"""From one look to the next: after news, without any, and at most, where nobody has answered for long."""
IDLE_SHARE = 1 / 20
"""A look comes no later than this share of the time for which nobody has answered. A webhook's hint comes at once."""
SWEEP_S = 60.0
PAGE_OPEN_S = 24 * 3600.0
PLACE_SCORE = 1e-6
"""The score of a place: Label Studio serves the lowest first and wants 0..1."""


def run(held: Held) -> None:
    from workers.adopted import turn  # which is made of the same steps

    settings = held.context.settings
    campaign = read_campaign(held)
    with held.context.database.reading() as connection:
        adoption = adoptions.of(connection, campaign.id)
    with Client(settings.label_studio_url, settings.label_studio_token) as client:
        moved = turn.turn(held, client, campaign, adoption) if adoption else _turn(held, client, campaign)
    if moved is None:  # released: there is nothing more to keep in step
        with held.effects():
            return
    with held.context.database.reading() as connection:
        quiet_s = annotations.quiet_s(connection, campaign)
    wait_s = BUSY_S if moved else min(ASLEEP_S, max(IDLE_S, quiet_s * IDLE_SHARE))
    with held.effects(rearm_s=wait_s):
        pass


def _turn(held: Held, client: Client, campaign: Campaign) -> int:
    """One look at a project that the campaign made; how much moved."""
    words = Vocabulary.of(campaign)
    asks, told = problem(campaign.problem, words.codes), problem(campaign.problem, words.ever)
    if campaign.project is None:
        _make_project(held, client, campaign, asks)
        campaign = read_campaign(held)
    if campaign.page_changes < len(words.changes):
        _change_labels(held, client, campaign, asks, len(words.changes))
    news = _pull(held, client, campaign, told)
    _sweep(held, client, campaign, told)
    pushed = _push(held, client, campaign, asks)
    _reorder(held, client, read_campaign(held, words), asks)
    while _withdraw(held, client, campaign):
        # What gave way makes room for its successors where the budget leaves no other.
        pushed += _push(held, client, read_campaign(held, words), asks)
    if campaign.page_hash != _page_hash(campaign):
        _change_page(held, client, campaign)
    return news + pushed


def read_campaign(held: Held, words: Vocabulary | None = None) -> Campaign:
    """As it stands now. With other labels than `words` the turn begins anew."""
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
    held.require(words is None or words == Vocabulary.of(campaign))
    return campaign


def _make_project(held: Held, client: Client, campaign: Campaign, asks: Problem) -> None:
    held.progress(0, 1, "making the project in Label Studio")
    project = client.ensure_project(
        campaign.name, asks.label_config(), campaign.instruction, f"postil:{campaign.id}", campaign.overlap
    )
    webhook_hash = make_webhook(held, client, campaign, project)
    with held.step() as connection:
        campaigns.change(
            connection,
            campaign.id,
            project=project,
            model_version=client.model_version(project) or None,
            webhook_hash=webhook_hash,
        )
        events.record(connection, campaign.id, "project-made", project=project)


def make_webhook(held: Held, client: Client, campaign: Campaign, project: int) -> str | None:
    """The hash of the new webhook's secret; None, with a warning, where Label Studio refuses it.

    Polling is the truth: without hints an answer is seen a few seconds later.
    """
    url, secret = hook_url(held, campaign), secrets.token_urlsafe(32)
    try:
        client.ensure_webhook(project, url, {"X-Postil-Secret": secret})
    except LabelStudioRefused as error:
        words = f"Label Studio takes no webhook to {url}, so answers are seen some seconds later: {error}"
        with held.step() as connection:
            events.warn(connection, campaign.id, words)
        return None
    return hashlib.sha256(secret.encode()).hexdigest()


def hook_url(held: Held, campaign: Campaign) -> str:
    return f"{held.context.settings.url}/webhooks/label-studio/{campaign.id}"


def _change_page(held: Held, client: Client, campaign: Campaign) -> None:
    """Name and instruction were changed: show them. What people changed in Label Studio stays until then."""
    refused = ""
    try:
        client.update_project(campaign.project or 0, campaign.name, campaign.instruction)
    except LabelStudioRefused as error:
        refused = str(error)
    with held.step() as connection:
        campaigns.change(connection, campaign.id, page_hash=_page_hash(campaign))
        if refused:
            words = f"Label Studio does not show the new name and instruction: {refused}"
            events.record(connection, campaign.id, "warning", text=words)


def _change_labels(held: Held, client: Client, campaign: Campaign, asks: Problem, changes: int) -> None:
    """Show the labels of today; who has a page open still answers with those of then."""
    refused = ""
    try:
        client.update_labels(campaign.project or 0, asks.label_config())
    except LabelStudioRefused as error:
        refused = str(error)
    with held.step() as connection:
        campaigns.change(connection, campaign.id, page_changes=changes)
        if refused:
            words = f"Label Studio does not show the new labels: {refused}"
            events.record(connection, campaign.id, "warning", text=words)


def _page_hash(campaign: Campaign) -> str:
    return hashlib.sha256(f"{campaign.name}\n{campaign.instruction}".encode()).hexdigest()


def _pull(held: Held, client: Client, campaign: Campaign, asks: Problem) -> int:
    """Take in what changed; how many annotations were news."""
    news = 0
    since = datetime.fromisoformat(campaign.cursor) if campaign.cursor else None
    for page in client.changed_tasks(campaign.project or 0, since):
        given = given_by(page)
        with held.step() as connection:
            taken = annotations.take(connection, campaign, given, asks.from_result)
            annotations.forget(connection, campaign, {one.id for one in given}, [task.id for task in page])
            campaigns.change(connection, campaign.id, cursor=page[-1].updated_at.isoformat())
        news += sum(taken.values())
    return news


def given_by(page: Iterable[ChangedTask]) -> list[Given]:
    return [
        Given(
            id=one.id,
            task=task.id,
            ext_id=task.ext_id,
            result=one.result,
            skipped=one.was_cancelled,
            annotator=one.completed_by,
            made_at=one.created_at.isoformat(),
            revision=one.updated_at.isoformat(),
            lead_time=one.lead_time,
        )
        for task in page
        for one in task.annotations
    ]


def _sweep(held: Held, client: Client, campaign: Campaign, asks: Problem) -> None:
    """Look for what no poll shows: what was deleted, tasks of ours that nobody waits for, answers that changed no task.

    Label Studio dates a task after its annotation is there: in between it can be killed, or its clock be put back.
    """
    with held.context.database.transaction() as connection:
        due = campaign.swept_at is None or not 0 <= clock(connection) - campaign.swept_at <= SWEEP_S
        mine = selections.in_states(connection, campaign.id, ["open", "answered", "skipped", "withdrawing"])
        ours = {selections.key(row) for row in selections.ever(connection, campaign.id)}
        ours -= {selections.key(row) for row in selections.in_states(connection, campaign.id, ["chosen"])}
    if not due:
        return
    tasks = client.list_tasks(campaign.project or 0)
    pushed = {row.task for row in mine}
    strays = [task.id for task in tasks if task.ext_id in ours and task.id not in pushed and not task.started]
    with held.step() as connection:
        annotations.forget(connection, campaign, {one for task in tasks for one in task.annotations})
        annotations.lose_tasks(connection, campaign, mine, {task.id for task in tasks})
        campaigns.change(connection, campaign.id, swept_at=clock(connection))
        known = annotations.revisions(connection, campaign.id)
    missed = [
        task.id
        for task in tasks
        if any((one, at.isoformat()) not in known for one, at in task.annotations.items())
    ]
    for page in client.tasks(campaign.project or 0, missed):
        with held.step() as connection:
            annotations.take(connection, campaign, given_by(page), asks.from_result)
    client.delete_unstarted(campaign.project or 0, strays)
    _put_right(held, client, campaign)
    _forget_versions(held, client, campaign)


def _put_right(held: Held, client: Client, campaign: Campaign) -> None:
    """Have Label Studio serve by our order again: it serves at random under any other model version, and connecting or
    choosing a model there can set one.

    Once for each such version: who sets it again means it, and has it until the next order.
    """
    found = client.model_version(campaign.project or 0)
    if campaign.model_version is None or found in (campaign.model_version, campaign.put_right):
        return
    try:
        client.set_model_version(campaign.project or 0, campaign.model_version)
    except LabelStudioRefused:  # there is no prediction of it any more: the next order makes some
        return
    with held.step() as connection:
        campaigns.change(connection, campaign.id, put_right=found)
        events.record(connection, campaign.id, "order-put-right", found=found, version=campaign.model_version)


def _forget_versions(held: Held, client: Client, campaign: Campaign) -> None:
    """Delete predictions that were superseded so long ago that no page which shows them can be open any more.

    An editor that was opened on a prediction cannot submit without it, so they are kept for a day.
    """
    with held.context.database.transaction() as connection:
        before = clock(connection) - PAGE_OPEN_S
        ranked = [row for row in rounds.all_of(connection, campaign.id) if row.ranked_at is not None]
        active = rounds.active(connection, campaign)
    steps = [(row.ranked_at, row.number, 0) for row in ranked]
    steps += [(change.made_at, 0, 1) for change in campaign.label_changes]
    old, number, changes = set(), 0, 0
    for at, newer, changed in sorted(steps):
        if at < before:
            old |= {_version(number, changes), live.version(number, changes)}
        number, changes = newer or number, changes + changed
    if active is not None:
        old.discard(live.version(active.number, len(campaign.label_changes)))
    if not old:
        return
    for version in old & client.model_versions(campaign.project or 0).keys() - {campaign.model_version}:
        client.delete_model_version(campaign.project or 0, version)


def _push(held: Held, client: Client, campaign: Campaign, asks: Problem) -> int:
    """Make tasks of what was chosen; how many."""
    with held.context.database.transaction() as connection:
        wake(connection, campaign)
        chosen = selections.in_states(connection, campaign.id, ["chosen"])
        version = campaign.model_version or _newest_version(connection, campaign)
    chosen = within_budget(held, campaign, chosen)
    if not chosen:
        return 0
    project = campaign.project or 0
    held.progress(0, len(chosen), "putting tasks into Label Studio")
    there = client.find_tasks(project, [selections.key(row) for row in chosen])
    missing = [row for row in chosen if selections.key(row) not in there]
    settings = held.context.settings
    made = client.import_tasks(project, [_task(row, asks, version, campaign, settings) for row in missing])
    tasks = {row.id: task for row, task in zip(missing, made, strict=True)}
    tasks |= {row.id: there[selections.key(row)][0] for row in chosen if selections.key(row) in there}
    again = [row for row in chosen if row.wanted > campaign.overlap]
    rows = [NewPrediction(tasks[row.id], place_score(row), []) for row in again]
    client.add_predictions(project, rows, version)
    client.ask_again(project, {tasks[row.id]: row.wanted for row in again})
    with held.step() as connection:
        selections.opened(connection, tasks)
        if campaign.model_version is None:
            campaigns.change(connection, campaign.id, model_version=version)
        events.record(connection, campaign.id, "tasks-pushed", count=len(chosen))
    return len(chosen)


def wake(connection: Connection, campaign: Campaign) -> None:
    """What is to be asked anew and waits for room in the budget: it may have some now."""
    answers = selections.answers(connection, campaign.id)
    room = budget(connection, campaign, answers).room(selections.total(answers, selections.ASKED))
    selections.wake(
        connection, campaign.id, campaign.overlap, (ENDLESS if room is None else room) // campaign.overlap
    )


def within_budget(held: Held, campaign: Campaign, chosen: list[Row[Any]]) -> list[Row[Any]]:
    """Those of `chosen` that the budget has room for, beside all that people answered or still can answer: the first
    ones, and before them what is asked anew.

    Tasks that are to give way are among these until Label Studio has let go of them, and the rest of `chosen` waits
    for that. What then has no room, because people began the one or other of them, is taken back.
    """
    if not chosen:
        return chosen
    chosen = sorted(chosen, key=lambda row: row.void == 0)
    with held.step() as connection:
        answers = selections.answers(connection, campaign.id)
        asked = selections.total(answers, ("open", "answered", "withdrawing"))
        left = budget(connection, campaign, answers).room(asked + sum(row.void for row in chosen))
        if left is None:
            return chosen
        fits = [total <= left for total in accumulate(row.wanted for row in chosen)]
        rest = [row for row, fine in zip(chosen, fits, strict=True) if not fine]
        if not answers.get("withdrawing"):
            anew = [row.id for row in rest if row.void and row.task is None]
            selections.let_wait(connection, anew)
            second = [row.id for row in rest if row.wanted > campaign.overlap and row.id not in anew]
            selections.ask_no_more(connection, second)
            rest = [row for row in rest if row.id not in {*anew, *second}]
            selections.move(connection, [row.id for row in rest], "withdrawn")
    return [row for row, fine in zip(chosen, fits, strict=True) if fine]


def _reorder(held: Held, client: Client, campaign: Campaign, asks: Problem) -> None:
    """After a round has ranked the queue, or labels were changed: give every open task its place and pre-annotation.

    Predictions of earlier rounds stay for a while: see `_forget_versions`.
    """
    with held.context.database.transaction() as connection:
        version = _newest_version(connection, campaign)
        queue = selections.in_states(connection, campaign.id, ["open"])
    if campaign.model_version in (None, version) or not queue:
        return
    project = campaign.project or 0
    held.progress(0, len(queue), "putting the queue in its new order")
    rows = [NewPrediction(row.task, place_score(row), shown_result(row, asks, campaign)) for row in queue]
    client.add_predictions(project, rows, version)
    client.set_model_version(project, version)
    with held.step() as connection:
        campaigns.change(connection, campaign.id, model_version=version, put_right=None)
        events.record(connection, campaign.id, "queue-reordered", version=version, tasks=len(queue))


def _withdraw(held: Held, client: Client, campaign: Campaign) -> bool:
    """Take some tasks out of Label Studio that gave way to better ones, unless somebody began them meanwhile.

    False where there was none.
    """
    with held.context.database.transaction() as connection:
        leaving = selections.in_states(connection, campaign.id, ["withdrawing"])[:DELETE_CHUNK]
    if not leaving:
        return False
    project = campaign.project or 0
    there = client.find_tasks(project, [selections.key(row) for row in leaving])
    gone = set(client.delete_unstarted(project, [task for tasks in there.values() for task in tasks]))
    kept = {row.id for row in leaving if set(there.get(selections.key(row), [])) - gone}
    with held.step() as connection:
        # An answer that came in between has moved its selection on.
        still = {row.id for row in selections.in_states(connection, campaign.id, ["withdrawing"])}
        back = {
            row.id: min(set(there[selections.key(row)]) - gone) for row in leaving if row.id in kept & still
        }
        selections.move(connection, back, "open")
        selections.opened(connection, back)
        selections.move(connection, {row.id for row in leaving} & still - kept, "withdrawn")
        annotations.reopen_pool(connection, campaign.id)
    return True


def _newest_version(connection: Connection, campaign: Campaign) -> str:
    ranked = rounds.newest(connection, campaign.id, ranked=True)
    return _version(ranked.number if ranked else 0, len(campaign.label_changes))


def _version(number: int, changes: int) -> str:
    """Of predictions: whose they are, and after how many changes of labels they were written down."""
    return f"r{number}-{changes}" if changes else f"r{number}"


def place_score(row: Row[Any]) -> float:
    return min(1.0, float(row.place * PLACE_SCORE))


def shown_result(row: Row[Any], asks: Problem, campaign: Campaign) -> list[dict[str, Any]]:
    """Second opinions are blind, too: they are to be their own. So is what is asked anew, since its labels changed."""
    if blind.is_blind(row, campaign) or not row.predictions:
        return []
    shown = Vocabulary.of(campaign).current(row.predictions[-1])
    return [] if shown is None else asks.show(shown)


def _task(row: Row[Any], asks: Problem, version: str, campaign: Campaign, settings: Settings) -> NewTask:
    data: dict[str, Any] = {"text": row.text, "ext_id": selections.key(row)}
    if row.ext_id is not None:
        data["id"] = row.ext_id
    if row.domain is not None:
        data["domain"] = row.domain
    result = shown_result(row, asks, campaign)
    if row.role not in BLIND_ROLES and row.strategy != synthesis.STRATEGY:
        data["reason"] = row.reason
        data["similar"] = similar.link(settings, campaign, selections.key(row))
        if result:  # of what is shown, the least sure
            data["confidence"] = min(region["score"] for region in result)
    return NewTask(data, version, place_score(row), result)
