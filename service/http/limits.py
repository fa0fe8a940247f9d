"""How often somebody may ask."""

import time
from collections.abc import Callable, Hashable
from math import ceil

MOST_KEYS = 10_000
"""Keys that are remembered before those that have nothing to wait for are forgotten."""


class Buckets:
    """A token bucket for each key: `rate` a second on the average, `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self.clock = rate, burst, clock
        self._full_at: dict[Hashable, float] = {}

    def wait(self, key: Hashable) -> int:
        """Whole seconds until `key` may ask again; 0 where it may now."""
        missing = (self._full_at.get(key, 0.0) - self.clock()) * self.rate
        return max(0, ceil((missing - self.burst + 1) / self.rate))

    def take(self, key: Hashable) -> int:
        """As `wait`; where it may ask now, this was its asking."""
        waiting = self.wait(key)
        if not waiting:
            now = self.clock()
            if len(self._full_at) >= MOST_KEYS:
                self._full_at = {one: at for one, at in self._full_at.items() if at > now}
            self._full_at[key] = max(now, self._full_at.get(key, 0.0)) + 1 / self.rate
        return waiting
