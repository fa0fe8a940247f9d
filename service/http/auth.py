"""Bearer tokens, and the page's sessions: nothing below /v1, and no metrics, without one that was issued here."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden, NotFound
from service.http.api import Api
from service.http.limits import Buckets
from service.http.problems import problem, too_many, unauthorized
from service.records import Access
from service.stack.credentials import write_private
from service.store import campaigns, sessions, tokens
from service.store.tokens import Token

REMEMBERED_S = 10.0
CLOSED = "/v1/", "/metrics", "/ml/"
ML = "/ml/"
"""Label Studio asks here, and can do basic authentication alone."""
SAFE = "GET", "HEAD", "OPTIONS"
BURST = 10
"""Seconds of a token's rate that it may ask for at once."""
FAILURES_A_SECOND, FAILURES = 1.0, 20.0
"""Wrong tokens of one address that are looked up, on the average and at once."""
_WHERE = "the first one is in the file `token` of the data folder"


class Auth:
    """Middleware that asks for a token or the cookie of a session, and puts the token into the request's state.

    A change by cookie must carry what only a page of this origin can read (`sessions.proof`).

    One that was known is not looked up again for REMEMBERED_S: for so long it still works after it was revoked.
    `rate`: requests a second of one token, ten times as many at once; an address with wrong tokens is soon not listened
    to. Both are counted by each process for itself.
    """

    def __init__(self, app: ASGIApp, rate: int) -> None:
        self.app = app
        self._known: dict[bytes, tuple[float, Token]] = {}
        self._asked = Buckets(rate, BURST * rate) if rate else None
        self._failed = Buckets(FAILURES_A_SECOND, FAILURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(CLOSED):
            await self.app(scope, receive, send)
            return
        if scope["path"].startswith(ML) and scope["path"].endswith("/webhook") and not _authorization(scope):
            await self.app(scope, receive, send)  # a hint, as Label Studio sends it to a model
            return
        answer = await self._refusal(scope)
        await (answer or self.app)(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        """What is said instead of an answer; None: go on, with the token in the request's state."""
        request = Request(scope)
        scheme, _, given = _authorization(scope).partition(" ")
        bearer = given.strip() if scheme.lower() == "bearer" else ""
        asks = scope["path"].startswith(ML)
        if asks and scheme.lower() == "basic":
            bearer = _password(given.strip())
        cookie = "" if bearer or asks else request.cookies.get(cookie_name(request), "")
        if asks and not bearer:
            return unauthorized(
                "this needs basic authentication: the user postil, and a token for a password"
            )
        if not bearer and not cookie:
            return unauthorized(f"this needs the header `Authorization: Bearer <token>`; {_WHERE}")
        if cookie and request.method not in SAFE and not _proven(request, cookie):
            return problem(403, "a change by cookie needs the header X-CSRF-Token of its session").response()
        key = hashlib.sha256(f"{bearer} {cookie}".encode()).digest()
        token = self._remembered(key)
        if token is None:
            address = request.client.host if request.client else ""
            if wait := self._failed.wait(address):
                return too_many("too many wrong tokens came from this address", wait)
            token = await run_in_threadpool(_look_up, scope["app"].state.api, bearer, cookie)
            if token is None:
                self._failed.take(address)
                return unauthorized(f"this token is not known here, was revoked or has expired; {_WHERE}")
            self._known[key] = time.monotonic() + REMEMBERED_S, token
        if self._asked and (wait := self._asked.take(token.id)):
            return too_many(
                f"the token {token.name!r} asks more than {self._asked.rate:.0f} times a second", wait
            )
        request.state.token = token
        return None

    def _remembered(self, key: bytes) -> Token | None:
        until, token = self._known.get(key, (0.0, None))
        if token is not None and until > time.monotonic() and not token.expired(time.time()):
            return token
        self._known = {key: one for key, one in self._known.items() if one[0] > time.monotonic()}
        return None


async def permit(api: Api, token: Token, access: Access, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The path's parameters, `c` as the campaign's id, for whoever has this token.

    Raises Forbidden where it does not allow `access`, and NotFound for a campaign that it is not for, as if there
    were none.
    """
    if not token.allows(access):
        raise Forbidden(
            f"the token {token.name!r} is one for a{'n' if token.access != 'viewer' else ''} {token.access}, "
            f"and this takes one for an {access}: ask an admin for it"
        )
    if token.campaigns is None:
        return dict(parameters)
    if "c" not in parameters:
        if access != "viewer":
            for_all(token)
        return dict(parameters)
    id_ = await run_in_threadpool(_campaign, api, parameters["c"])
    if id_ not in token.campaigns:
        raise NotFound(campaigns.missing(parameters["c"]))
    return {**parameters, "c": id_}


def for_all(token: Token) -> None:
    """Raises Forbidden where the token is for some campaigns alone."""
    if token.campaigns is not None:
        raise Forbidden(f"the token {token.name!r} is for some campaigns alone, and this concerns all")


def first_token(api: Api) -> None:
    """Make sure that the file `token` of the data folder holds one for an admin that is known."""
    path = Path(api.settings.data) / "token"
    with api.database.transaction() as connection:
        if path.is_file() and tokens.known(connection, path.read_text().strip()):
            return
        _, secret = tokens.issue(connection, "first")
        write_private(path, secret + "\n")


def cookie_name(request: Request) -> str:
    """Of the session: cookies of one host are shared by all its ports."""
    return f"postil_session_{request.url.port or request.url.scheme}"


def _authorization(scope: Scope) -> str:
    return Request(scope).headers.get("authorization", "")


def _password(given: str) -> str:
    """Of basic authentication (RFC 7617); '' where it is none."""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _proven(request: Request, cookie: str) -> bool:
    carried = request.headers.get("x-csrf-token", "")
    return hmac.compare_digest(carried.encode(), sessions.proof(cookie).encode())


def _campaign(api: Api, c: str) -> str:
    with api.reading(c) as (_, campaign):
        return campaign.id


def _look_up(api: Api, bearer: str, cookie: str) -> Token | None:
    with api.database.reading() as connection:
        return tokens.known(connection, bearer) if bearer else sessions.known(connection, cookie)
