"""Asking the resident scorer, a worker that keeps adapters in memory: texts go to it through Redis, answers come back.

    postil-predict        list of ids: requests, oldest first
    postil-predict:ID     the request, JSON; whoever takes it deletes it
    postil-predicted:ID   list of one: the answer, JSON, for as long as somebody may still want it

Nothing of this is written down: a request that is lost is refused, and may be made again.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from service.errors import ScorerUnavailable

QUEUE = "predict"
"""The kind of worker, as `postil worker` and what it tells of itself name it."""
MOST_TEXTS = 1_000
TAKEN_S = 5.0
"""For so long nobody may take a request up before it is withdrawn."""
DONE_S = 90.0
"""So long an answer may take; Label Studio waits for 100 s."""
_WAITING, _ASKED, _SAID = "postil-predict", "postil-predict:", "postil-predicted:"
_LOOK_S = 1.0


class Request(msgspec.Struct, frozen=True):
    """Texts for the adapter of one round."""

    campaign: str
    round: int
    texts: list[str]


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the adapter says of each text, in the campaign's labels of today, and by its problem:

    {label, confidence, probabilities: {label: probability}}, {labels, probabilities}, or
    {spans: [{start, end, label, confidence}]}.
    """

    predictions: list[dict[str, Any]] = []
    unsure: list[str] = []
    """Labels that the adapter cannot tell from others, since they were split after its training."""
    error: str = ""
    """What kept the scorer from it; empty where nothing did."""


def ask(
    redis: Redis,
    campaign: str,
    round_: int,
    texts: Sequence[str],
    taken_s: float = TAKEN_S,
    done_s: float = DONE_S,
) -> Said:
    """What the adapter of the round says of the texts (MOST_TEXTS at most).

    Raises ScorerUnavailable where no scorer takes it up within `taken_s`, or has no answer within `done_s`.
    """
    id_ = secrets.token_hex(16)
    body = msgspec.json.encode(Request(campaign, round_, list(texts)))
    asked_at, taken = time.monotonic(), False
    try:
        with redis.pipeline() as both:
            both.set(_ASKED + id_, body, px=round(2_000 * done_s))
            both.rpush(_WAITING, id_)
            both.execute()
        while (waited := time.monotonic() - asked_at) < done_s:
            until = done_s if taken else taken_s
            said = _pop(redis, _SAID + id_, max(0.05, min(_LOOK_S, until - waited)))
            if said is not None:
                return _read(said)
            if not taken and time.monotonic() - asked_at >= taken_s:
                if redis.getdel(_ASKED + id_) is not None:
                    redis.lrem(_WAITING, 1, id_)
                    raise ScorerUnavailable(
                        f"no scorer took this up within {taken_s:.0f} s: start `postil worker predict`; where one "
                        "runs, it is at work on others, or loading a model: try again"
                    )
                taken = True
        redis.delete(_ASKED + id_)
    except RedisError as error:
        raise ScorerUnavailable(f"Redis does not answer ({type(error).__name__}): try again later") from None
    raise ScorerUnavailable(
        f"the scorer had no answer within {done_s:.0f} s: send fewer texts at a time, or see the log of "
        "`postil worker predict`"
    )


def take(redis: Redis, wait_s: float) -> tuple[str, Request] | None:
    """The oldest request that somebody still waits for, and its id; None where none comes within `wait_s` (0: now)."""
    while True:
        id_ = _pop(redis, _WAITING, wait_s)
        if id_ is None:
            return None
        name = id_.decode()
        body: Any = redis.getdel(_ASKED + name)
        try:
            if body is not None:
                return name, msgspec.json.decode(body, type=Request)
        except msgspec.MsgspecError as error:
            answer(redis, name, Said(error=f"this is no request: {error}"))


def answer(redis: Redis, id_: str, said: Said) -> None:
    """Give the answer to whoever waits."""
    with redis.pipeline() as both:
        both.rpush(_SAID + id_, msgspec.json.encode(said))
        both.expire(_SAID + id_, round(DONE_S))
        both.execute()


def _pop(redis: Redis, name: str, wait_s: float) -> bytes | None:
    """The first of a list, once there is one; None where there is none within `wait_s` (0: now)."""
    found: Any = redis.blpop([name], timeout=wait_s) if wait_s else redis.lpop(name)
    one: bytes | None = found[1] if wait_s and found else found
    return one


def _read(body: bytes) -> Said:
    try:
        said = msgspec.json.decode(body, type=Said)
    except msgspec.MsgspecError as error:
        raise ScorerUnavailable(
            f"the answer is not a scorer's ({error}): who else can write to Redis?"
        ) from None
    if said.error:
        raise ScorerUnavailable(said.error)
    return said
