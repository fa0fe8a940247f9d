"""A job in hand: its lease is renewed by a thread, and its effects are committed together with its end."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from service.errors import LeaseLost
from service.rounds.advance import changing
from service.store import jobs
from workers.context import Context

LIMITS_S = {"sync": 900.0, "seal": 1800.0, "select": 1800.0, "rerank": 1800.0}
LIMIT_S = 4 * 3600.0
PROGRESS_S = 0.5

log = logging.getLogger(__name__)


class Stopping(Exception):
    """The process was asked to end, or the job is to begin anew: give it back."""


class Held:
    """One claimed job. `with held:` keeps the lease alive; `effects()` ends the job."""

    stopping = False
    """Set for the whole process when it is asked to end."""

    def __init__(self, context: Context, claim: jobs.Claim) -> None:
        self.context, self.claim = context, claim
        self._progress: dict[str, Any] | None = None
        self._lost = threading.Event()
        self._over = threading.Event()
        self._wake = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"lease-{claim.id}", daemon=True)

    @property
    def campaign(self) -> str:
        return self.claim.campaign

    @property
    def args(self) -> dict[str, Any]:
        return self.claim.args

    def folder(self, name: str) -> str:
        """A folder's name for what this attempt writes: no other attempt has the same."""
        return f"{name}-{self.claim.id}-{self.claim.epoch}"

    def progress(self, done: float, total: float, doing: str) -> None:
        """Say how far the job is; raises LeaseLost or Stopping where it should go no further."""
        if self._lost.is_set():
            raise LeaseLost(f"job {self.claim.id} ({self.claim.kind}) lost its lease")
        if Held.stopping:
            raise Stopping
        self._progress = {"done": done, "total": total, "doing": doing}
        self._wake.set()

    def require(self, holds: bool) -> None:
        """What the job began with still holds; else it is given back, to begin anew."""
        if not holds:
            raise Stopping

    def telling(self, words: str) -> Callable[[float, float], None]:
        """What tells how far something is that is called `words`."""
        return lambda done, total: self.progress(done, total, words)

    @contextmanager
    def effects(self, result: Any = None, rearm_s: float | None = None) -> Iterator[Connection]:
        """The transaction that ends the job: what is written in it holds together with the job's end, or not at all.

        The campaign is brought forward in the same transaction. Raises LeaseLost.
        """
        with changing(self.context.database, self.context.doorbell, self.campaign) as (connection, _):
            yield connection
            if rearm_s is None:
                jobs.finish(connection, self.claim, result)
            else:
                jobs.rearm(connection, self.claim, rearm_s)

    @contextmanager
    def step(self) -> Iterator[Connection]:
        """A transaction in the midst of the job; it is rolled back where the job is not ours any more (LeaseLost)."""
        with changing(self.context.database, self.context.doorbell, self.campaign) as (connection, _):
            yield connection
            jobs.renew(connection, self.claim, self._progress)

    def __enter__(self) -> "Held":
        self._keeper.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._wake.set()
        self._keeper.join()

    def _keep(self) -> None:
        started = renewed = time.monotonic()
        limit_s = LIMITS_S.get(self.claim.kind, LIMIT_S)
        while not self._over.is_set():
            self._wake.wait(jobs.LEASE_S / 5)
            if self._over.wait(PROGRESS_S):
                return
            if time.monotonic() - started > limit_s:
                log.error("job %d (%s) ran longer than %.0f s: this worker ends", *self._named(), limit_s)
                os.kill(os.getpid(), signal.SIGKILL)
            if not self._wake.is_set() and time.monotonic() - renewed < jobs.LEASE_S / 5:
                continue
            self._wake.clear()
            try:
                with self.context.database.transaction() as connection:
                    jobs.renew(connection, self.claim, self._progress)
                renewed = time.monotonic()
            except LeaseLost:
                self._lost.set()
                return
            except SQLAlchemyError as error:
                log.warning("job %d (%s): the lease was not renewed: %s", *self._named(), error)

    def _named(self) -> tuple[int, str]:
        return self.claim.id, self.claim.kind
