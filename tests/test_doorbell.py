"""Who would hear a wake-up, and what workers say of themselves, at a real server."""

from rq import Queue, SimpleWorker

from service.doorbell import VITALS_S, Doorbell, Vitals, queue_name
from workers import vitals


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


def test_what_workers_say_is_known_for_a_while(valkey: str) -> None:
    doorbell = Doorbell(valkey)
    own = Vitals("me", "gpu", vitals.memory())
    doorbell.say(own)

    assert own in doorbell.vitals()
    assert 0 < doorbell.redis.ttl("postil-vitals:me") <= VITALS_S
    assert 10 * 2**20 < own.memory["resident"] < 100 * 2**30
    doorbell.redis.delete("postil-vitals:me")
    doorbell.redis.close()


def test_nothing_is_known_while_redis_is_away() -> None:
    away = Doorbell("redis://127.0.0.1:1/0")

    away.say(Vitals("me", "gpu", {}))

    assert away.vitals() == []
