"""Answers that several may have: what one request made, others get, too, if they allow for its age.

A client says so with `Cache-Control: max-age=1`. A hundred dashboards that hear of the same event then cost what one
does.
"""

import re
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import anyio

MOST_S = 5.0
"""No answer is used for longer."""
MOST_HELD = 256
_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})\b")


@dataclass
class _Answer:
    begun: float
    ready: anyio.Event = field(default_factory=anyio.Event)
    body: bytes | None = None
    """None too where making it failed."""


class Shared:
    """For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[Hashable, _Answer] = {}

    async def get(
        self, key: Hashable, cache_control: str, make: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, float]:
        """The answer, and how many seconds ago its making began: 0 where nothing that is held is young enough."""
        allowed = _MAX_AGE.search(cache_control)
        if allowed is None:
            return await make(), 0.0
        held = self._held.get(key)
        if held is not None and self._clock() - held.begun <= min(int(allowed[1]), MOST_S):
            await held.ready.wait()
            if held.body is not None:
                return held.body, self._clock() - held.begun
        mine = _Answer(self._clock())
        if len(self._held) >= MOST_HELD:
            self._held = {one: kept for one, kept in self._held.items() if mine.begun - kept.begun < MOST_S}
        self._held[key] = mine
        try:
            mine.body = await make()
        finally:
            mine.ready.set()
        return mine.body, 0.0
