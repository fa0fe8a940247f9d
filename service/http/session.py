"""The page's session: begin it with a token, ask for it, end it."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.http.api import Api
from service.http.auth import cookie_name
from service.http.schemas import Session
from service.store import sessions
from service.store.tokens import Token


def begin(api: Api, token: Token, request: Request) -> Response:
    """Sign in: a cookie that scripts cannot read stands for the token from now on."""
    with api.database.transaction() as connection:
        secret = sessions.begin(connection, token)
    said = msgspec.to_builtins(_said(token, secret))
    answer = JSONResponse(said, 201, {"Cache-Control": "no-store"})
    answer.set_cookie(
        cookie_name(request),
        secret,
        max_age=round(sessions.HOURS * 3_600),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def show(token: Token, request: Request) -> Session:
    """Who is signed in, and what changes by cookie must carry."""
    return _said(token, request.cookies.get(cookie_name(request), ""))


def end(api: Api, request: Request) -> Response:
    """Sign out."""
    with api.database.transaction() as connection:
        sessions.end(connection, request.cookies.get(cookie_name(request), ""))
    answer = Response(status_code=204)
    answer.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
    return answer


def _said(token: Token, secret: str) -> Session:
    return Session(token.name, token.access, token.campaigns, sessions.proof(secret) if secret else "")
