"""A TCP link that can be slow, cut, silent, or encrypted, also from one network namespace into another."""

import asyncio
import ctypes
import os
import socket
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from service.stack.ports import LOOPBACK, free_port

Mode = Literal["open", "slow", "cut", "silent"]
CHUNK = 65_536
SLOW_S = 0.15
"""Of each chunk, each way."""
LOOK_S = 0.05
CLONE_NEWNET = 0x40000000


class Link:
    """Forwards `port` to `target` on the loopback interface, from a thread of its own.

    `mode` may be set at any time. cut: connections end at once and new ones are not taken; silent: they stand, and
    nothing goes through. `at` and `to` name the namespaces of the two ports; "": that of this process. With `tls` the
    near end is encrypted.
    """

    def __init__(self, target: int, *, at: str = "", to: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.port, self.target = free_port(), target
        self.mode: Mode = "open"
        self._at, self._to, self._tls = at, to, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link {target}", daemon=True)

    def __enter__(self) -> "Link":
        self._thread.start()
        self._server = self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _listen(self) -> asyncio.Server:
        with _within(self._at):
            near = socket.create_server((LOOPBACK, self.port))
        return await asyncio.start_server(self._serve, sock=near, ssl=self._tls)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(LOOK_S)  # connections are closed by the loop's next turns

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _within(self._to):
            far = socket.socket()
        far.setblocking(False)
        try:
            if self.mode == "cut":
                raise ConnectionAbortedError
            await self._loop.sock_connect(far, (LOOPBACK, self.target))
        except OSError:
            far.close()
            writer.close()
            return
        there, back = await asyncio.open_connection(sock=far)
        pumps = [
            asyncio.create_task(one)
            for one in (self._pump(reader, back), self._pump(there, writer), self._cut())
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.close()
            back.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            while self.mode == "silent":
                await asyncio.sleep(LOOK_S)
            if self.mode == "slow":
                await asyncio.sleep(SLOW_S)
            target.write(data)
            await target.drain()

    async def _cut(self) -> None:
        while self.mode != "cut":
            await asyncio.sleep(LOOK_S)


def by_way_of(url: str, port: int) -> str:
    """`url` with another port, such as a link's."""
    split = urlsplit(url)
    return urlunsplit(split._replace(netloc=split.netloc.replace(f":{split.port}", f":{port}")))


@contextmanager
def _within(namespace: str) -> Iterator[None]:
    """This thread is in the network namespace; sockets stay in the one they were made in."""
    if not namespace:
        yield
        return
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _enter(Path("/var/run/netns") / namespace)
        try:
            yield
        finally:
            _set(own)
    finally:
        os.close(own)


def _enter(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        _set(handle)
    finally:
        os.close(handle)


def _set(handle: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
