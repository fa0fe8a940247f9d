"""Waking workers: a wake-up names a queue, never a job, and may be lost at any time without loss."""

import logging
from collections.abc import Iterable

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry
from rq import Queue, Worker

QUEUES = ("gpu", "cpu", "sync")
ANSWER = "workers.door.answer"

log = logging.getLogger(__name__)


def connect(url: str, patient: bool = False) -> Redis:
    """A client; a `patient` one outlives a restart of the server, as a worker must."""
    retries = Retry(ExponentialBackoff(cap=2, base=0.1), 30 if patient else 1)
    return Redis.from_url(
        url,
        retry=retries,
        retry_on_error=[ConnectionError, TimeoutError],
        health_check_interval=15,
        socket_keepalive=True,
        socket_connect_timeout=2,
        socket_timeout=None if patient else 5,
    )


def queue_name(queue: str) -> str:
    return f"postil-{queue}"


class Doorbell:
    """Rings at queues. When Redis is away the reconciler rings again later."""

    def __init__(self, url: str) -> None:
        self.redis = connect(url)

    def ring(self, queues: Iterable[str]) -> None:
        """Wake one worker for each name in `queues`."""
        for queue in queues:
            try:
                Queue(queue_name(queue), connection=self.redis, serializer="json").enqueue(
                    ANSWER, queue, job_timeout=-1, result_ttl=0, failure_ttl=0
                )
            except RedisError as error:
                log.warning("nobody was woken at %s: %s", queue, error)

    def workers(self, queue: str) -> int:
        """How many wait or work at the queue; one that was killed counts for half a minute. 0 while Redis is away."""
        try:
            return int(Worker.count(queue=Queue(queue_name(queue), connection=self.redis)))
        except RedisError as error:
            log.warning("the workers at %s were not counted: %s", queue, error)
            return 0
