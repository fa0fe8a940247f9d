"""How a campaign stands, read in one look."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from service import annotations
from service.http.schemas import (
    CampaignView,
    JobView,
    LabelStudioProject,
    QueueCount,
    RoundState,
    Status,
)
from service.records import HEADLINES, Campaign
from service.rounds.advance import facts
from service.rounds.decide import phase
from service.settings import Settings
from service.store import jobs
from service.store.schema import alias, event_log

WARNINGS = 5


def status(connection: Connection, campaign: Campaign) -> Status:
    """What the campaign's rows say at this moment."""
    known = facts(connection, campaign)
    state = known.state()
    named = select(func.count()).where(alias.c.campaign == campaign.id, alias.c.kind == "pool")
    return Status(
        phase=phase(state),
        examples=known.rows("pool"),
        aliases=connection.execute(named).scalar_one(),
        test_examples=known.rows("test"),
        labels=known.labels,
        annotations=annotations.counts(connection, campaign.id),
        queue=QueueCount(known.queue.get("chosen", 0), known.queue.get("open", 0)),
        asked=state.asked,
        budget_left=None if campaign.budget is None else max(0, campaign.budget - state.asked),
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
        status=status(connection, campaign),
    )


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


def _warnings(connection: Connection, campaign: str) -> list[str]:
    """The newest ones first, each once."""
    query = select(event_log.c.data).where(event_log.c.campaign == campaign, event_log.c.kind == "warning")
    texts = [
        str(data.get("text", ""))
        for data in connection.execute(query.order_by(event_log.c.id.desc())).scalars()
    ]
    return list(dict.fromkeys(texts))[:WARNINGS]
