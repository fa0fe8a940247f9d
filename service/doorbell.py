"""Waking workers: a wake-up names a queue, never a job, and may be lost at any time without loss."""

import logging
import socket
from collections.abc import Iterable

import msgspec
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry
from rq import Queue, Worker

QUEUES = ("gpu", "cpu", "sync")
"""Of jobs. The workers at `predict` (service.scorer) do none."""
ANSWER = "workers.door.answer"
ALIVE = {
    getattr(socket, name): value
    for name, value in (
        ("TCP_KEEPIDLE", 20),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),
    )
    if hasattr(socket, name)
}
"""A server that is cut off without a word is noticed within half a minute, where the system can do that."""
VITALS = "postil-vitals:"
VITALS_S = 45
"""How long what a worker says of itself is kept."""

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
        socket_keepalive_options=ALIVE,
        socket_connect_timeout=2,
        socket_timeout=None if patient else 5,
    )


def queue_name(queue: str) -> str:
    return f"postil-{queue}"


class Vitals(msgspec.Struct, frozen=True):
    """What a worker last said of itself."""

    worker: str
    queue: str
    memory: dict[str, int]
    """Bytes: resident; with GPUs gpu (taken by the worker), gpu_free and gpu_total, of all together, too."""


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

    def say(self, vitals: Vitals) -> None:
        """Let others know how a worker is, for VITALS_S."""
        try:
            self.redis.set(f"{VITALS}{vitals.worker}", msgspec.json.encode(vitals), ex=VITALS_S)
        except RedisError as error:
            log.warning("nobody was told how this worker is: %s", error)

    def vitals(self) -> list[Vitals]:
        """Of all workers that said something lately; none while Redis is away."""
        try:
            keys = sorted(self.redis.scan_iter(f"{VITALS}*"))
            found = self.redis.mget(keys) if keys else []
        except RedisError as error:
            log.warning("the workers were not asked how they are: %s", error)
            return []
        return [msgspec.json.decode(one, type=Vitals) for one in found if one is not None]
