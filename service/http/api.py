"""What every handler holds: the store, the files, the doorbell, and the events' poller."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pyarrow as pa
from sqlalchemy import Connection

from service.curve import Curve
from service.doorbell import Doorbell
from service.errors import Invalid
from service.files import Files
from service.groups import Groups
from service.http.hub import Hub
from service.http.kept import Kept
from service.http.metrics import Metrics
from service.http.shared import Shared
from service.maps import Map
from service.people import Disagreements, People
from service.pool.packers import Packers
from service.records import Campaign
from service.rounds.advance import changing
from service.settings import Settings
from service.store import campaigns
from service.store.database import Database

UPLOADS = 8
"""Uploads that are taken at the same time, each by a thread of its own; others wait."""
READING = 2
"""Of these, so many are worked at in the same instant: more would only keep the event loop from its turn."""

PREDICTIONS = 16
"""Requests that wait for the scorer at the same time, each in a thread of its own."""


class Api:
    """One process' API."""

    def __init__(self, settings: Settings) -> None:
        if not settings.redis_url:
            raise Invalid(
                "POSTIL_REDIS_URL is empty: set it to a Valkey or Redis >= 6.2, or start all with `postil up`",
                "POSTIL_REDIS_URL",
            )
        pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's own keeps 20 MB more for writing a shard
        self.settings = settings
        self.database = Database(settings.database)
        self.files = Files(settings.files, settings.files_url)
        self.doorbell = Doorbell(settings.redis_url)
        self.metrics = Metrics(self.database, self.doorbell)
        self.hub = Hub(self.database)
        self.curves = Kept[Curve]()
        """Of each campaign (intervals take long to compute)."""
        self.groups = Kept[Groups]()
        """The same of its groups."""
        self.people = Kept[People]()
        self.disagreements = Kept[Disagreements]()
        self.maps = Kept[Map]()
        self.packers = Packers()
        self.shared = Shared()
        self.upload_limit = anyio.CapacityLimiter(UPLOADS)
        self.predict_limit = anyio.CapacityLimiter(PREDICTIONS)
        self.upload_turns = threading.Semaphore(READING)

    @contextmanager
    def changing(self, c: str) -> Iterator[tuple[Connection, Campaign]]:
        """A transaction on campaign `c` (id or name), which is brought forward at its end; then workers are woken."""
        with changing(self.database, self.doorbell, c) as held:
            yield held

    @contextmanager
    def reading(self, c: str) -> Iterator[tuple[Connection, Campaign]]:
        """A reading connection, and campaign `c` (id or name) as it stands; raises NotFound."""
        with self.database.reading() as connection:
            yield connection, campaigns.get(connection, c)

    def close(self) -> None:
        self.packers.close()
        for one in (self.curves, self.groups, self.people, self.disagreements, self.maps):
            one.close()
        self.database.close()
        self.doorbell.redis.close()
