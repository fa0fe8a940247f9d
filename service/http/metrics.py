"""What a monitor reads: how the installation stands, in Prometheus' text format."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from service import scorer
from service.doorbell import QUEUES, Doorbell
from service.store.database import Database, now
from service.store.schema import annotation, campaign, job, label, round, selection, shard

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

log = logging.getLogger(__name__)


class Metrics:
    """Of this process: its requests, and leases that it found to have run out. Of all: what the database says."""

    def __init__(self, database: Database, doorbell: Doorbell) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "postil_http_request_seconds",
            "Until the answer begins.",
            ["method", "path", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.expired = Counter(
            "postil_job_leases_expired", "Jobs whose worker fell silent.", registry=self.registry
        )
        self.registry.register(Standing(database, doorbell))
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Standing(Collector):
    """How the installation stands; asked at every look, since other processes change it."""

    def __init__(self, database: Database, doorbell: Doorbell) -> None:
        self.database, self.doorbell = database, doorbell

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        workers = GaugeMetricFamily("postil_workers", "Workers that wait or work.", labels=["queue"])
        for queue in QUEUES:
            workers.add_metric([queue], self.doorbell.workers(queue))
        vitals = self.doorbell.vitals()
        workers.add_metric([scorer.QUEUE], sum(one.queue == scorer.QUEUE for one in vitals))
        yield workers
        memory = GaugeMetricFamily(
            "postil_worker_memory_bytes",
            "What workers take (resident, gpu), and what their GPU has left and has (gpu_free, gpu_total).",
            labels=["worker", "queue", "kind"],
        )
        for vital in vitals:
            for kind, value in vital.memory.items():
                memory.add_metric([vital.worker, vital.queue, kind], value)
        yield memory
        up = GaugeMetricFamily("postil_database_up", "1 where the database answers.")
        try:
            with self.database.reading() as connection:
                found = list(_of_database(connection))
        except SQLAlchemyError as error:
            log.warning("the database was not asked for metrics: %s", error)
            found = []
        up.add_metric([], float(bool(found)))
        yield up
        yield from found


def _of_database(connection: Connection) -> Iterator[Metric]:
    info = GaugeMetricFamily("postil_campaign_info", "1; names of campaigns.", labels=["campaign", "name"])
    paused = GaugeMetricFamily("postil_campaign_paused", "1 where it is paused.", labels=["campaign"])
    for row in connection.execute(select(campaign.c.id, campaign.c.name, campaign.c.paused)):
        info.add_metric([row.id, row.name], 1)
        paused.add_metric([row.id], float(row.paused))
    yield info
    yield paused

    jobs = GaugeMetricFamily("postil_jobs", "Jobs that are not done.", labels=["queue", "kind", "state"])
    unfinished = _counts(job.c.queue, job.c.kind, job.c.state).where(job.c.state != "done")
    for *labels, count in connection.execute(unfinished):
        jobs.add_metric(labels, count)
    yield jobs

    oldest = GaugeMetricFamily(
        "postil_oldest_ready_job_seconds",
        "How long the job that waits longest has been due.",
        labels=["queue"],
    )
    due = and_(job.c.state == "ready", job.c.not_before <= now())
    since = select(job.c.queue, now() - func.min(job.c.not_before)).where(due).group_by(job.c.queue)
    waits: dict[str, float] = {row[0]: row[1] for row in connection.execute(since)}
    for queue in QUEUES:
        oldest.add_metric([queue], max(0.0, waits.get(queue, 0.0)))
    yield oldest

    yield _by_campaign(
        connection,
        "postil_label_studio_failing_attempts",
        "Turns in a row in which Label Studio's side failed.",
        select(job.c.campaign, case((job.c.error.is_(None), 0), else_=job.c.attempts)).where(
            job.c.kind == "sync"
        ),
    )
    yield _by_campaign(
        connection,
        "postil_pool_examples",
        "Different texts in the pool.",
        select(shard.c.campaign, func.sum(shard.c.rows))
        .where(shard.c.kind == "pool")
        .group_by(shard.c.campaign),
    )
    yield _by_campaign(
        connection,
        "postil_queue_tasks",
        "Tasks that annotators can still be served, on their way to Label Studio (chosen) and there (open).",
        _counts(selection.c.campaign, selection.c.state).where(selection.c.state.in_(["chosen", "open"])),
        "state",
    )
    yield _by_campaign(
        connection,
        "postil_annotations",
        "Annotations by kind.",
        _counts(annotation.c.campaign, annotation.c.kind).where(annotation.c.current),
        "kind",
    )
    yield _by_campaign(
        connection,
        "postil_labels",
        "Labels that hold, by role.",
        _counts(label.c.campaign, label.c.role).where(label.c.ended.is_(None)),
        "role",
    )
    newest = (
        select(round.c.campaign, func.max(round.c.number).label("number"))
        .group_by(round.c.campaign)
        .subquery()
    )
    of_newest = and_(newest.c.campaign == round.c.campaign, newest.c.number == round.c.number)
    yield _by_campaign(
        connection,
        "postil_round",
        "Number of the newest round.",
        select(newest.c.campaign, newest.c.number),
    )
    lag = case(
        (round.c.ranked_at.is_not(None), 0), (round.c.state == "failed", 0), else_=now() - round.c.started_at
    )
    yield _by_campaign(
        connection,
        "postil_round_lag_seconds",
        "How long the newest round has been at work without having ordered the queue; else 0.",
        select(round.c.campaign, lag).join(newest, of_newest),
    )
    yield _by_campaign(
        connection,
        "postil_round_failed",
        "1 where the newest round failed.",
        select(round.c.campaign, case((round.c.state == "failed", 1), else_=0)).join(newest, of_newest),
    )


def _counts(*columns: ColumnElement[Any]) -> Select[Any]:
    """Rows of each combination of these columns: (value …, count)."""
    return select(*columns, func.count()).group_by(*columns)


def _by_campaign(
    connection: Connection, name: str, words: str, query: Select[Any], *labels: str
) -> GaugeMetricFamily:
    """A metric of rows (campaign, label …, value)."""
    family = GaugeMetricFamily(name, words, labels=["campaign", *labels])
    for *values, number in connection.execute(query):
        family.add_metric(values, float(number))
    return family
