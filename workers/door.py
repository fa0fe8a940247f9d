"""Where a wake-up arrives: claim the best job of the queue, do it, see to its end."""

import importlib
import logging
import traceback
from types import ModuleType

from sqlalchemy import Connection

from service import logs, tracing
from service.errors import LabelStudioUnavailable, LeaseLost, NotFound, PostilError
from service.rounds.advance import changing
from service.store import events, jobs, rounds, syntheses, uploads
from workers.context import Context
from workers.held import Held, Stopping

KINDS = {
    "gpu": ("encode", "train", "plan", "score", "audit", "influence", "synthesize", "teach"),
    "cpu": ("seal", "select", "rerank", "ingest", "compare", "map"),
    "sync": ("sync",),
}

log = logging.getLogger(__name__)
_context: Context | None = None


def open_(context: Context, queue: str) -> None:
    """Make this process a worker's; wake-ups are answered with `context` from now on."""
    global _context
    _context = context
    for kind in KINDS[queue]:
        _handler(kind)  # imported before the first job, which people may be waiting for


def answer(queue: str) -> None:
    """A wake-up: do one job, where there is one."""
    if _context is None:
        raise RuntimeError("this process is no Postil worker: start one with `postil worker gpu|cpu|sync`")
    work(_context, queue)


def work(context: Context, queue: str) -> bool:
    """Claim and do one job of the queue; False where none was ready."""
    with context.database.transaction() as connection:
        claim = jobs.claim(connection, queue, context.owner)
    if claim is None:
        return False
    facts = {"campaign": claim.campaign, "job": str(claim.id), "kind": claim.kind}
    told = {f"postil.{name}": value for name, value in facts.items()} | {"postil.attempt": claim.attempts}
    with logs.about(**facts), tracing.span(claim.kind, told) as span:
        log.info("begins (attempt %d)", claim.attempts)
        span.error = _do(context, claim)
    return True


def _do(context: Context, claim: jobs.Claim) -> str:
    """What went wrong; empty where nothing did."""
    held = Held(context, claim)
    try:
        with held:
            _handler(claim.kind).run(held)
    except LeaseLost as error:
        log.warning("%s", error)
        return str(error)
    except Stopping:
        with context.database.transaction() as connection:
            jobs.rearm(connection, claim, 0)
    except Exception as error:  # noqa: BLE001 - whatever a job raises is written down, and the worker lives on
        return _failed(context, claim, error)
    return ""


def _handler(kind: str) -> ModuleType:
    if not any(kind in kinds for kinds in KINDS.values()):
        raise PostilError(f"this worker knows no job of kind {kind!r}: is it older than the API?")
    return importlib.import_module(f"workers.jobs.{kind}")


def _failed(context: Context, claim: jobs.Claim, error: Exception) -> str:
    words = (
        str(error)
        if isinstance(error, PostilError)
        else "".join(traceback.format_exception_only(error)).strip()
    )
    log.error("failed: %s", words, exc_info=not isinstance(error, PostilError))
    try:
        with changing(context.database, context.doorbell, claim.campaign) as (connection, _):
            _write_failure(connection, claim, words, away=isinstance(error, LabelStudioUnavailable))
    except (LeaseLost, NotFound) as lost:  # another worker has the job, or somebody deleted the campaign
        log.warning("%s", lost)
    return words


def _write_failure(connection: Connection, claim: jobs.Claim, words: str, away: bool) -> None:
    if claim.kind == "sync":
        wait_s = min(jobs.RETRY_CAP_S, jobs.RETRY_BASE_S * 2 ** min(claim.attempts - 1, 10))
        jobs.rearm(connection, claim, min(wait_s, 10.0) if away else wait_s, error=words)
        if claim.attempts == 1:
            events.record(
                connection, claim.campaign, "label-studio-away" if away else "job-failed", error=words
            )
        return
    over = jobs.fail(connection, claim, words)
    events.record(connection, claim.campaign, "job-failed", job=claim.kind, error=words, final=over)
    if over and claim.kind == "ingest":
        uploads.end_told(connection, claim.campaign, claim.args["upload"], "broken", error=words)
    if over and claim.kind == "synthesize":
        syntheses.end(connection, claim.campaign, claim.args["synthesis"], "broken", error=words)
    if over and claim.kind in ("train", "plan", "score"):
        rounds.change(connection, claim.campaign, claim.args["round"], state="failed", error=words)
