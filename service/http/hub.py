"""The events' poller: one for all listeners of a process. It looks once a second, at what somebody listens to.

It is no record: the numbers of events are the database's, and who comes back asks for those after the last one.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.concurrency import run_in_threadpool

from service.errors import NotFound
from service.http.schemas import Event, Jobs
from service.http.status import job_view, status
from service.store import campaigns, events, jobs
from service.store.database import Database

LOOK_S = 1.0
HELD = 2_000
"""Messages that may wait for one slow listener before it is cut off; it comes back for the rest."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One server-sent event; `id` numbers those of the log."""

    kind: str
    data: str
    id: int | None = None


@dataclass
class _Channel:
    """What the listeners of one campaign were told."""

    newest: int | None = None
    told: dict[str, Message] = field(default_factory=dict)
    """The latest status and progress: a new listener hears them at once."""
    listeners: list[MemoryObjectSendStream[Message]] = field(default_factory=list)


class Hub:
    """Hands out what happens in campaigns. `run` must be running in the event loop."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._channels: dict[str, _Channel] = {}
        self._wanted = anyio.Event()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            if not self._channels:
                self._wanted = anyio.Event()
                await self._wanted.wait()
            for campaign in list(self._channels):
                try:
                    await self._look(campaign)
                except Exception:
                    log.exception(
                        "campaign %s could not be looked at; the next look is in %g s", campaign, LOOK_S
                    )
            await anyio.sleep(LOOK_S)

    @contextmanager
    def listen(self, campaign: str, newest: int) -> Iterator[MemoryObjectReceiveStream[Message]]:
        """Messages of a campaign (by id); events younger than number `newest` are among them, and maybe some older."""
        send, receive = anyio.create_memory_object_stream[Message](HELD)
        channel = self._channels.setdefault(campaign, _Channel())
        channel.newest = newest if channel.newest is None else channel.newest
        for message in channel.told.values():
            send.send_nowait(message)
        channel.listeners.append(send)
        self._wanted.set()
        try:
            with receive:
                yield receive
        finally:
            self._drop(campaign, send)

    def _drop(self, campaign: str, listener: MemoryObjectSendStream[Message]) -> None:
        listener.close()
        channel = self._channels.get(campaign)
        if channel is not None and listener in channel.listeners:
            channel.listeners.remove(listener)
            if not channel.listeners:
                del self._channels[campaign]

    async def _look(self, campaign: str) -> None:
        channel = self._channels.get(campaign)
        if channel is None:
            return
        try:
            seen = await run_in_threadpool(self._read, campaign, channel.newest or 0)
        except NotFound:  # it was deleted: who comes back is told so
            for listener in list(channel.listeners):
                self._drop(campaign, listener)
            return
        for message in seen:
            if message.id is None:
                if channel.told.get(message.kind) == message:
                    continue
                channel.told[message.kind] = message
            else:
                channel.newest = message.id
            for listener in list(channel.listeners):
                try:
                    listener.send_nowait(message)
                except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    self._drop(campaign, listener)

    def _read(self, campaign: str, newest: int) -> list[Message]:
        with self.database.reading() as connection:
            found = [Event(**row) for row in events.since(connection, campaign, newest)]
            now = status(connection, campaigns.get(connection, campaign))
            rows = jobs.unfinished(connection, campaign)
        # The sync job comes and goes every few seconds: only what it does or suffers is news.
        working = [job_view(row) for row in rows if row.kind != "sync" or row.progress or row.error]
        return [
            *map(message, found),
            Message("progress", _json(Jobs(working))),
            Message("status", _json(now)),
        ]


def message(event: Event) -> Message:
    """One event of the log as it is sent."""
    return Message(event.kind, _json({"at": event.at, **event.data}), event.id)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
