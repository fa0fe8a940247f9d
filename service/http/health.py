"""Whether the process lives, whether it can do its work, and figures for a monitor."""

from pathlib import Path

import msgspec
from alembic.script import ScriptDirectory
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from service.http.api import Api
from service.http.auth import for_all
from service.http.schemas import Health
from service.store import database
from service.store.tokens import Token


def alive(api: Api) -> Health:
    """The process lives."""
    return Health("ok", {})


def ready(api: Api) -> Response:
    """The database answers and has the newest schema, and Redis answers; 503 otherwise."""
    parts = {"database": _database(api), "redis": _redis(api)}
    well = all(word == "ok" for word in parts.values())
    body = msgspec.json.encode(Health("ok" if well else "not ready", parts))
    return Response(body, 200 if well else 503, {"Cache-Control": "no-store"}, "application/json")


def metrics(api: Api, token: Token) -> Response:
    """How the installation stands, for Prometheus.

    It tells of every campaign, so a token for some of them is not enough.
    """
    for_all(token)
    return Response(api.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _database(api: Api) -> str:
    newest = ScriptDirectory(str(Path(database.__file__).parent / "migrations")).get_current_head()
    try:
        current = api.database.revision()
    except SQLAlchemyError as error:
        return f"does not answer: {type(error).__name__}"
    return (
        "ok"
        if current == newest
        else f"has schema {current}, not {newest}: restart the API, which upgrades it"
    )


def _redis(api: Api) -> str:
    try:
        api.doorbell.redis.ping()
    except RedisError as error:
        return f"does not answer: {type(error).__name__}"
    return "ok"
