"""Makes good what was lost: workers that nobody woke, leases that ran out, campaigns nobody brought forward, orphans.

It also deletes what is kept no longer.

Any number of processes may run one: every step is a transaction, and doing it twice does no harm.
"""

import logging
import threading

from service import orphans, retention
from service.doorbell import Doorbell
from service.files import Files
from service.http.metrics import Metrics
from service.rounds.advance import changing
from service.store import campaigns, jobs, uploads
from service.store.database import Database

TURN_S = 1.0
ADVANCE_TURNS = 5
SWEEP_TURNS = 3600

log = logging.getLogger(__name__)


class Reconciler:
    """A thread that looks after all campaigns; it outlives whatever goes wrong."""

    def __init__(
        self, database: Database, files: Files, doorbell: Doorbell, metrics: Metrics, keep_days: int
    ) -> None:
        self.database, self.files, self.doorbell, self.metrics = database, files, doorbell, metrics
        self.keep_days = keep_days
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def turn(self, bring_forward: bool) -> None:
        """Wake workers for what is due; `bring_forward`: decide for every campaign, too."""
        with self.database.transaction() as connection:
            uploads.break_silent(connection)
            expired = jobs.expire(connection)
        with self.database.transaction() as connection:  # apart, as in webhooks.py
            queues = jobs.due(connection)
            ids = [campaign.id for campaign in campaigns.all_of(connection)] if bring_forward else []
        self.metrics.expired.inc(expired)
        self.doorbell.ring(queues)
        for id_ in ids:
            try:
                with changing(self.database, self.doorbell, id_):
                    pass
            except Exception:
                log.exception("campaign %s could not be brought forward", id_)

    def _run(self) -> None:
        turns = 0
        while not self._over.wait(TURN_S):
            turns += 1
            try:
                self.turn(bring_forward=turns % ADVANCE_TURNS == 0)
                if turns % SWEEP_TURNS == 0:
                    retention.prune(self.database, self.keep_days)
                    orphans.sweep(self.database, self.files)
                    self.files.trim()
            except Exception:
                log.exception("the reconciler's turn failed; it goes on")
