"""Errors as people and programs get to see them: problem details, RFC 9457."""

import errno
import logging
import re
from http import HTTPStatus
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from service.errors import (
    Conflict,
    FilesUnavailable,
    Forbidden,
    Invalid,
    LabelStudioRefused,
    LabelStudioUnavailable,
    NotFound,
    PostilError,
    ScorerUnavailable,
    Unauthorized,
)

MEDIA_TYPE = "application/problem+json"
_STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    Unauthorized: 401,
    Forbidden: 403,
    FilesUnavailable: 503,
    ScorerUnavailable: 503,
    LabelStudioUnavailable: 503,
    LabelStudioRefused: 502,
    PostilError: 500,
}
_PATH = re.compile(r" - at `(key in )?\$\.?(?P<path>[^`]*)`$")

log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details; `field` names the part of the request that is at fault, where there is one."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    field: str | None = None

    def response(self, headers: dict[str, str] | None = None) -> Response:
        body = msgspec.to_builtins(self) | {"type": self.type}
        return Response(msgspec.json.encode(body), self.status, headers, MEDIA_TYPE)


def problem(status: int, detail: str, field: str | None = None) -> Problem:
    return Problem(HTTPStatus(status).phrase, status, detail, field=field)


def handlers() -> dict[Any, ExceptionHandler]:
    """Exception handlers of the application."""
    return {
        PostilError: _ours,
        HTTPException: _http,
        msgspec.ValidationError: _validation,
        msgspec.DecodeError: _decoding,
        IntegrityError: _raced,
        OperationalError: _database,
        OSError: _disk,
    }


def unauthorized(detail: str) -> Response:
    return problem(401, detail).response({"WWW-Authenticate": "Bearer"})


def too_many(detail: str, wait_s: int) -> Response:
    return problem(429, f"{detail}: try again in {wait_s} s").response({"Retry-After": str(wait_s)})


def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, Unauthorized):
        return unauthorized(str(error))
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    headers = {"Retry-After": "5"} if isinstance(error, ScorerUnavailable) else None
    return problem(status, str(error), error.field if isinstance(error, Invalid) else None).response(headers)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase:
        detail = f"{request.method} {request.url.path}: {detail.lower()}; /openapi.json lists what there is"
    return problem(error.status_code, detail).response(dict(error.headers or {}))


def _validation(request: Request, error: Exception) -> Response:
    words = str(error)
    found = _PATH.search(words)
    field = found["path"] if found and found["path"] else None
    if unknown := re.search(r"unknown field `(.*?)`", words):
        field = unknown[1]
    return problem(422, words, field).response()


def _decoding(request: Request, error: Exception) -> Response:
    return problem(400, f"the body is not JSON: {error}").response()


def _raced(request: Request, error: Exception) -> Response:
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return problem(409, "somebody else changed this at the same time: look, and try again").response()


def _database(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return problem(503, "the database does not answer: try again later").response({"Retry-After": "5"})


def _disk(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise error
    log.error("%s %s: %s", request.method, request.url.path, error)
    return problem(
        507, f"the disk of POSTIL_DATA takes nothing more ({error.strerror}): make room on it"
    ).response({"Retry-After": "30"})
