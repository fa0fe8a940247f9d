"""What takes long to compute, kept until what it is made of changes.

It is made once, however many ask for it. Who allows for its age is not made to wait for a new one where there is an
old one, and is told that a new one is on its way.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from sqlalchemy import Connection

from service import annotations
from service.records import Campaign
from service.store import rounds, selections

T = TypeVar("T")

PATIENCE_S = 0.1
"""So long everybody waits: most are made by then."""
WORKERS = 2


class Kept(Generic[T]):
    """By name (a campaign's id), the newest that was made."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Hashable, T]] = {}
        self._making: dict[str, tuple[Hashable, Future[T]]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, "kept")

    def get(self, name: str, key: Hashable, make: Callable[[], T], old: bool = False) -> tuple[T, bool]:
        """(what is made of `key`, False); where an old one may do and a new one takes its time, (the old one, True).

        Of one name one is made at a time.
        """
        while True:
            with self._lock:
                held = self._held.get(name)
                if held is not None and held[0] == key:
                    return held[1], False
                if name not in self._making:
                    self._making[name] = key, self._pool.submit(self._make, name, key, make)
                mine, future = self._making[name]
            if held is not None and old:
                wait([future], PATIENCE_S)
                if mine != key or not future.done():
                    return held[1], True
            if mine == key:
                return future.result(), False
            wait([future])

    def forget(self, name: str) -> None:
        """What is being made at this moment is told to those who wait for it, and kept by its key alone."""
        with self._lock:
            self._held.pop(name, None)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        try:
            made = make()
            with self._lock:
                self._held[name] = key, made
            return made
        finally:
            with self._lock:
                self._making.pop(name, None)


def changes(connection: Connection, campaign: Campaign) -> Hashable:
    """What is told of answers, labels and the queue is kept until one of them, or a round, changes."""
    newest = rounds.measured(connection, campaign.id)
    return (
        annotations.mark(connection, campaign.id),
        campaign.label_version,
        campaign.page_changes,
        len(campaign.label_changes),
        campaign.project,
        None if newest is None else (newest.number, newest.state),
        tuple(sorted(selections.counts(connection, campaign.id).items())),
    )
