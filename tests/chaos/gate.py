"""HTTP gates: Label Studio as it answers on a bad day, and the way that webhooks take."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn

from service.stack.ports import LOOPBACK, free_port

SHARE = 0.5
"""Of the requests, while a gate misbehaves."""
HANG_S = 100.0
LATE_S = 8.0
OWN = {
    b"host",
    b"connection",
    b"content-length",
    b"transfer-encoding",
    b"proxy-connection",
    b"accept-encoding",
}

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Gate:
    """Forwards requests to `target`, or, where that is 0, to the host that they name, as a proxy does.

    `mode` may be set at any time; what happens in it, happens to SHARE of the requests:

    500, 409    answered so, and not forwarded
    done-500    forwarded, and answered with 500
    half        forwarded, and half of the answer given
    hang        forwarded, and never answered
    lost        answered with 200, and not forwarded
    doubled     forwarded twice
    late        answered with 200, and forwarded within LATE_S, so that others overtake it
    """

    def __init__(self, target: int, seed: int) -> None:
        self.port, self.target = free_port(), target
        self.mode = ""
        self._rng = random.Random(seed)
        self._later: set[asyncio.Task[Any]] = set()
        config = uvicorn.Config(
            self._app,
            host=LOOPBACK,
            port=self.port,
            lifespan="off",
            log_level="critical",
            interface="asgi3",
            date_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name=f"gate {target}", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> "Gate":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(30)

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=120, trust_env=False) as self._client:
            await self._server.serve()
            for task in self._later:
                task.cancel()

    async def _app(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        mode = self.mode if self._rng.random() < SHARE else ""
        if mode in ("500", "409"):
            return await _answer(send, int(mode))
        if mode == "lost":
            return await _answer(send, 200)
        if mode == "late":
            self._later.add(task := asyncio.create_task(self._deliver(scope, body)))
            task.add_done_callback(self._later.discard)
            return await _answer(send, 200)
        try:
            if mode == "doubled":
                await self._forward(scope, body)
            answer = await self._forward(scope, body)
        except httpx.HTTPError:
            return await _answer(send, 502)
        if mode == "done-500":
            return await _answer(send, 500)
        if mode == "hang":
            await asyncio.sleep(HANG_S)
        await _answer(send, answer.status_code, answer.headers.raw, answer.content, half=mode == "half")

    async def _deliver(self, scope: MutableMapping[str, Any], body: bytes) -> None:
        await asyncio.sleep(self._rng.uniform(0, LATE_S))
        try:
            await self._forward(scope, body)
        except httpx.HTTPError:
            return

    async def _forward(self, scope: MutableMapping[str, Any], body: bytes) -> httpx.Response:
        given = dict(scope["headers"])
        host = f"{LOOPBACK}:{self.target}" if self.target else given[b"host"].decode()
        path = urlsplit(scope["raw_path"].decode()).path  # a proxy is asked for a whole URL
        path += f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        headers = [(name, value) for name, value in scope["headers"] if name not in OWN]
        return await self._client.request(
            scope["method"], f"http://{host}{path}", headers=headers, content=body
        )


async def _answer(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]] | None = None,
    body: bytes = b"",
    half: bool = False,
) -> None:
    kept = [
        (name, value)
        for name, value in headers or []
        if name.lower() not in OWN and name.lower() != b"content-encoding"
    ]
    kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    if half:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise ConnectionAbortedError("half an answer")
    await send({"type": "http.response.body", "body": body})
