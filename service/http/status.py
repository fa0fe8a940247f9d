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
    Measured,
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
from service.store.schema import alias, annotation, event_log, job, label, round, selection, shard

WARNINGS = 5
MEASURED = 30
"""Rounds that a list tells the scores of."""


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
        pace=_pace(state.pace),
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
    paces, errors = annotations.paces(connection), _sync_errors(connection)
    warnings, measured = _told(connection, {one.id: HEADLINES[one.problem] for one in campaigns})
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
            pace=_pace(paces.get(one.id, 0.0)),
            budget_left=answers_left(state),
            label_studio_error=errors.get(one.id),
        )
        stored = msgspec.structs.asdict(one)
        fields = {name: stored[name] for name in CampaignLine.__struct_fields__ if name in stored}
        found.append(
            CampaignLine(
                **fields,
                headline=HEADLINES[one.problem],
                warnings=_newest(warnings.get(one.id, [])),
                measured=measured.get(one.id, [])[-MEASURED:],
                status=standing,
            )
        )
    return found


def _pace(answers_a_second: float) -> float:
    return float(f"{answers_a_second:.2f}")


def _sync_errors(connection: Connection) -> dict[str, str]:
    """What Label Studio's side of campaigns fails with."""
    failing = select(job.c.campaign, job.c.error).where(
        job.c.kind == "sync", job.c.state.in_(["ready", "running"]), job.c.error.is_not(None)
    )
    return {row.campaign: row.error for row in connection.execute(failing)}


def _told(
    connection: Connection, headlines: dict[str, str]
) -> tuple[dict[str, list[str]], dict[str, list[Measured]]]:
    """Warnings of campaigns, and what their rounds were measured to be worth by the metric named, as the log has it;
    oldest first."""
    query = select(event_log.c.campaign, event_log.c.kind, event_log.c.data).where(
        event_log.c.kind.in_(["warning", "round-trained"])
    )
    warnings: dict[str, list[str]] = {}
    measured: dict[str, list[Measured]] = {}
    for campaign, kind, data in connection.execute(query.order_by(event_log.c.id)):
        if kind == "warning":
            warnings.setdefault(campaign, []).append(str(data.get("text", "")))
        elif (score := data.get(headlines.get(campaign, ""))) is not None:
            measured.setdefault(campaign, []).append(Measured(data["round"], data["trained_on"], score))
    return warnings, measured


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
    return _newest(
        [str(data.get("text", "")) for data in connection.execute(query.order_by(event_log.c.id)).scalars()]
    )


def _newest(warnings: list[str]) -> list[str]:
    return list(dict.fromkeys(reversed(warnings)))[:WARNINGS]
