"""The worker process: an RQ worker that does its jobs itself, so that models stay loaded.

RQ only brings wake-ups. A wake-up that is lost, doubled or late does no harm: what is to be done, by whom and
how often stands in SQL.
"""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DeserializationError
from rq.job import Job

from service import doorbell, logs, tracing
from service.pool.packers import NICENESS
from service.settings import Settings
from workers import door, vitals
from workers.context import Context
from workers.held import Held

HEARTBEAT_S = 5.0

log = logging.getLogger(__name__)


class Resident(SimpleWorker):  # type: ignore[misc]
    """RQ's SimpleWorker, whose heart beats while it works and which gives its job back when asked to end.

    It answers wake-ups and nothing else: RQ would call whatever function a job names, and whoever can write to Redis
    could name any.
    """

    def perform_job(self, job: Job, queue: Queue, execution: Any) -> bool:
        if not _is_wake_up(job):
            log.error(
                "a job in Redis is no wake-up of Postil's, and is thrown away: who else can write there?"
            )
            with self.connection.pipeline() as pipeline:
                self.cleanup_execution(job, pipeline, execution)
                job.delete(pipeline=pipeline)
                pipeline.execute()
            return False
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(job, execution, over), daemon=True)
        beat.start()
        try:
            return bool(super().perform_job(job, queue, execution))
        finally:
            over.set()
            beat.join()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        Held.stopping = True
        super().request_stop(signum, frame)

    def _beat(self, job: Job, execution: Any, over: threading.Event) -> None:
        while not over.wait(HEARTBEAT_S):
            try:
                self.maintain_heartbeats(job, execution)
            except RedisError as error:
                log.warning("no heartbeat: %s", error)


def _is_wake_up(job: Job) -> bool:
    if any((job._success_callback_name, job._failure_callback_name, job._stopped_callback_name)):
        return False
    try:
        return bool(job.func_name == doorbell.ANSWER)
    except DeserializationError:
        return False


def run(settings: Settings, queue: str) -> None:
    """Work at one queue until SIGTERM or SIGINT."""
    logs.begin(settings.log)
    tracing.begin(f"postil-worker-{queue}")
    if queue == "gpu":
        import torch

        os.nice(NICENESS)
        torch.set_num_threads(settings.worker_threads)
    context = Context(settings)
    door.open_(context, queue)
    vitals.tell(context, queue)
    connection = doorbell.connect(settings.redis_url, patient=True)
    worker = Resident(
        [Queue(doorbell.queue_name(queue), connection=connection, serializer="json")],
        connection=connection,
        serializer="json",
        worker_ttl=20,
        maintenance_interval=30,
    )
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    log.info("worker at queue %s", queue)
    worker.work(logging_level="WARNING")
    tracing.end()
