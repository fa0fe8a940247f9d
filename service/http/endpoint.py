"""One row of the route table: method, path, handler; its annotations are the wire format.

A handler is either a plain function, which runs in a thread, or a coroutine, which streams. It is given what it
asks for by name: `api`, the path's parameters, `body` (JSON, validated), `query` (validated), `request`, `token`.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_type_hints

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from service.http.api import Api
from service.http.auth import permit
from service.http.requests import PATH
from service.records import Access
from service.store.tokens import Token

MAX_BODY_BYTES = 1 << 20
MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class Endpoint:
    """`returns` and `accepts` are for handlers that stream: {media type: schema or None} of answer and body."""

    method: str
    path: str
    handler: Callable[..., Any]
    status: int = 200
    returns: dict[str, Any] = field(default_factory=dict)
    accepts: dict[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    """Request headers that mean something here."""
    needs: Access | None = None
    """What a token must allow; None: below /v1 a viewer for GET and an engineer for all else, elsewhere nothing."""

    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.handler)

    @property
    def access(self) -> Access | None:
        if self.needs or not self.path.startswith("/v1/"):
            return self.needs
        return "viewer" if self.method == "GET" else "engineer"

    @property
    def body(self) -> Any:
        return self.hints.get("body")

    @property
    def query(self) -> Any:
        return self.hints.get("query")

    async def answer(self, request: Request) -> Response:
        if any(isinstance(value, int) and value > MAX_NUMBER for value in request.path_params.values()):
            raise HTTPException(404)
        given: dict[str, Any] = {"api": request.app.state.api, "request": request, **request.path_params}
        if self.access is not None:
            token: Token = request.state.token
            given |= await permit(given["api"], token, self.access, request.path_params)
            given["token"] = token
        if self.query is not None:
            given["query"] = _query(request, self.query)
        if self.body is not None:
            given["body"] = await _json(request, self.body)
        wanted = {name: given[name] for name in inspect.signature(self.handler).parameters}
        if inspect.iscoroutinefunction(self.handler):
            answer = await self.handler(**wanted)
        elif self.method == "GET" and issubclass(self.hints["return"], msgspec.Struct):
            return await self._shared(request, given["api"], wanted)
        else:
            answer = await run_in_threadpool(self.handler, **wanted)
        if isinstance(answer, Response):
            return answer
        return self._response(msgspec.json.encode(answer))

    async def _shared(self, request: Request, api: Api, wanted: dict[str, Any]) -> Response:
        whose: Token | None = wanted.get("token")
        key = request.scope["path"], request.scope["query_string"], whose and whose.id

        async def make() -> bytes:
            return await run_in_threadpool(lambda: msgspec.json.encode(self.handler(**wanted)))

        body, age_s = await api.shared.get(key, request.headers.get("cache-control", ""), make)
        return self._response(body, {"Age": str(round(age_s))} if age_s else {})

    def _response(self, body: bytes, headers: dict[str, str] | None = None) -> Response:
        return Response(
            body, self.status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
        )


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    """One route for each path, so that a wrong method is told of all the right ones."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [_route(path, by_method) for path, by_method in by_path.items()]


def _route(path: str, by_method: dict[str, Endpoint]) -> Route:
    async def answer(request: Request) -> Response:
        request.scope[PATH] = path
        return await by_method["GET" if request.method == "HEAD" else request.method].answer(request)

    return Route(path, answer, methods=list(by_method))


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body; 413 where it is longer than `limit` bytes."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HTTPException(413, f"the body is longer than {limit:,} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off") from None
    return bytes(body)


def _query(request: Request, kind: Any) -> Any:
    return msgspec.convert(dict(request.query_params), kind, strict=False)


async def _json(request: Request, kind: Any) -> Any:
    media_type = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, f"the body is {media_type}: send application/json")
    return msgspec.json.decode(await read_body(request), type=kind)
