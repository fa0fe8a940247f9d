"""Who would hear a wake-up, at a real server."""

from rq import Queue, SimpleWorker

from service.doorbell import Doorbell, queue_name


def test_workers_are_counted_by_their_queue(valkey: str) -> None:
    doorbell = Doorbell(valkey)
    before = doorbell.workers("gpu")
    made = [
        SimpleWorker([Queue(queue_name(queue), connection=doorbell.redis)], connection=doorbell.redis)
        for queue in ("gpu", "gpu", "cpu")
    ]
    for worker in made:
        worker.register_birth()
    assert doorbell.workers("gpu") == before + 2
    for worker in made:
        worker.register_death()
    assert doorbell.workers("gpu") == before
    doorbell.redis.close()


def test_nobody_is_counted_while_redis_is_away() -> None:
    assert Doorbell("redis://127.0.0.1:1/0").workers("gpu") == 0
