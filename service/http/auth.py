"""Bearer tokens: nothing below /v1 is answered without one that was issued here."""

import hashlib
import time
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.http.api import Api
from service.http.problems import unauthorized
from service.stack.credentials import write_private
from service.store import tokens

REMEMBERED_S = 30.0
_WHERE = "the first one is in the file `token` of the data folder"


class Auth:
    """Middleware that asks for a token. One that was known is not looked up again for REMEMBERED_S."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._known: dict[bytes, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        scheme, _, value = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            await unauthorized(f"this needs the header `Authorization: Bearer <token>`; {_WHERE}")(
                scope, receive, send
            )
        elif not await self._knows(scope["app"].state.api, value.strip()):
            await unauthorized(f"this token is not known here; {_WHERE}")(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _knows(self, api: Api, value: str) -> bool:
        key = hashlib.sha256(value.encode()).digest()
        if self._known.get(key, 0.0) > time.monotonic():
            return True
        if not await run_in_threadpool(_look_up, api, value):
            return False
        self._known[key] = time.monotonic() + REMEMBERED_S
        return True


def first_token(api: Api) -> None:
    """Make sure that the file `token` of the data folder holds a token that is known."""
    path = Path(api.settings.data) / "token"
    with api.database.transaction() as connection:
        if path.is_file() and tokens.known(connection, path.read_text().strip()):
            return
        write_private(path, tokens.issue(connection, "first") + "\n")


def _look_up(api: Api, value: str) -> bool:
    with api.database.reading() as connection:
        return tokens.known(connection, value)
