"""How a campaign stands, read in one look."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, func, select

from service import annotations
from service.budget import budget
from service.http.schemas import (
    AdoptionView,
    CampaignLine,
    CampaignView,
    JobView,
    LabelStudioProject,
    QueueCount,
    RoundState,
    Standing,
    Status,
)
from service.records import HEADLINES, Campaign
from service.rounds.advance import facts
from service.rounds.decide import State, answers_left, phase, reason
from service.settings import Settings
from service.store import adoptions, jobs, labels, selections
from service.store.schema import alias, annotation, event_log, label, round, selection, shard

WARNINGS = 5


def status(connection: Connection, campaign: Campaign) -> Status:
    """What the campaign's rows say at this moment."""
    known = facts(connection, campaign)
    state = known.state()
    named = select(func.count()).where(alias.c.campaign == campaign.id, alias.c.kind == "pool")
    return Status(
        phase=phase(state),
        phase_reason=reason(state),
        examples=known.rows("pool"),
        aliases=connection.execute(named).scalar_one(),
        near_duplicates=sum(row.repeats or 0 for row in known.shards),
        test_examples=known.rows("test"),
        labels=known.labels,
        annotations=annotations.counts(connection, campaign.id),
        queue=QueueCount(known.queue.get("chosen", 0), known.queue.get("open", 0)),
        asked=state.asked,
        budget_left=answers_left(state),
        changes=state.changes,
        round=None if state.round is None else RoundState(state.round.number, state.round.state),
        rounds_done=[*known.rounds.values()].count("done"),
        pace=float(f"{state.pace:.2f}"),
        label_studio_error=next(
            (job.error for job in jobs.unfinished(connection, campaign.id) if job.kind == "sync"), None
        ),
    )


def view(connection: Connection, settings: Settings, campaign: Campaign) -> CampaignView:
    """The campaign as the API shows it."""
    stored = msgspec.structs.asdict(campaign)
    return CampaignView(
        **{name: stored[name] for name in CampaignView.__struct_fields__ if name in stored},
        headline=HEADLINES[campaign.problem],
        warnings=_warnings(connection, campaign.id),
        label_studio=None
        if campaign.project is None
        else LabelStudioProject(campaign.project, project_url(settings, campaign.project)),
        adopted=_adopted(connection, campaign.id),
        status=status(connection, campaign),
    )


def lines(connection: Connection, campaigns: Sequence[Campaign]) -> list[CampaignLine]:
    """What a list tells of campaigns: the same few questions to the database, however many they are."""
    shards = _grouped(connection, shard, func.sum(shard.c.rows), shard.c.kind, shard.c.state)
    queues = _grouped(connection, selection, func.count(), selection.c.state)
    wanted = _grouped(connection, selection, func.sum(selection.c.wanted), selection.c.state)
    known = _grouped(
        connection, label, func.count(), label.c.source, label.c.role, where=label.c.ended.is_(None)
    )
    answers = _grouped(connection, annotation, func.count(), annotation.c.kind, where=annotation.c.current)
    done = _grouped(connection, round, func.count(), where=round.c.state == "done")
    found = []
    for one in campaigns:
        rows = shards.get(one.id, {})
        queue = {state: number for (state,), number in queues.get(one.id, {}).items()}
        asked = {state: number for (state,), number in wanted.get(one.id, {}).items()}
        ends = budget(connection, one, asked)
        sealed = rows.get(("pool", "sealed"), 0)
        state = State(
            budget=ends.answers,
            paid_hours=ends.hours,
            paid_money=ends.money,
            stopped=ends.stopped,
            paused=one.paused,
            filling=rows.get(("pool", "filling"), 0),
            full=frozenset({0} if ("pool", "full") in rows else ()),
            sealed={0: sealed} if sealed else {},
            exhausted=bool(sealed) and one.exhausted_rows == sealed,
            asked=selections.total(asked, selections.ASKED),
            servable=selections.total(queue, selections.SERVABLE),
        )
        standing = Standing(
            phase=phase(state),
            examples=sum(number for (kind, _), number in rows.items() if kind == "pool"),
            labels=labels.by_role(known.get(one.id, {})),
            annotations={kind: number for (kind,), number in answers.get(one.id, {}).items()},
            rounds_done=done.get(one.id, {}).get((), 0),
        )
        stored = msgspec.structs.asdict(one)
        fields = {name: stored[name] for name in CampaignLine.__struct_fields__ if name in stored}
        found.append(CampaignLine(**fields, status=standing))
    return found


def _grouped(
    connection: Connection, table: Table, value: Any, *by: Any, where: Any = None
) -> dict[str, dict[tuple[str, ...], int]]:
    """`value` of a table's rows by campaign, and by the values of columns."""
    query = select(table.c.campaign, *by, value).group_by(table.c.campaign, *by)
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for campaign, *key, number in connection.execute(query if where is None else query.where(where)):
        found.setdefault(campaign, {})[tuple(key)] = int(number)
    return found


def job_view(row: Row[Any]) -> JobView:
    return JobView(
        id=row.id,
        kind=row.kind,
        queue=row.queue,
        state=row.state,
        attempts=row.attempts,
        progress=row.progress,
        error=row.error,
        made_at=row.made_at,
    )


def project_url(settings: Settings, project: int) -> str:
    return f"{(settings.label_studio_page or settings.label_studio_url).rstrip('/')}/projects/{project}"


def _adopted(connection: Connection, campaign: str) -> AdoptionView | None:
    found = adoptions.of(connection, campaign)
    return None if found is None else msgspec.convert(found, AdoptionView, from_attributes=True)


def _warnings(connection: Connection, campaign: str) -> list[str]:
    """The newest ones first, each once."""
    query = select(event_log.c.data).where(event_log.c.campaign == campaign, event_log.c.kind == "warning")
    texts = [
        str(data.get("text", ""))
        for data in connection.execute(query.order_by(event_log.c.id.desc())).scalars()
    ]
    return list(dict.fromkeys(texts))[:WARNINGS]
