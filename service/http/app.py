"""The application: every route in one table, and what lives as long as it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response

from service.http import (
    adapters,
    adopting,
    audits,
    campaigns,
    confusions,
    cost,
    docs,
    events,
    export,
    health,
    influences,
    labels,
    maps,
    ml,
    openapi,
    page,
    people,
    pool,
    predicting,
    problems,
    queue,
    reference,
    rounds,
    session,
    similars,
    syntheses,
    tokens,
    warming,
    webhooks,
)
from service.http.api import Api
from service.http.auth import Auth, first_token
from service.http.endpoint import Endpoint, routes
from service.http.headers import SafeHeaders
from service.http.reconciler import Reconciler
from service.http.requests import Requests
from service.http.schemas import Events, Health, Session
from service.http.uploading import FORMS
from service.pool.pool import Receipt
from service.settings import Settings

C = "/v1/campaigns/{c}"
LINES: dict[str, None] = dict.fromkeys(FORMS)


def describe() -> Response:
    """This API, as OpenAPI 3.1."""
    return JSONResponse(openapi.describe(ENDPOINTS))


def read() -> Response:
    """This API as a page of the documentation."""
    return docs.answer(_reference())


@cache
def _reference() -> docs.Page:
    return docs.render(docs.REFERENCE, reference.markdown(openapi.describe(ENDPOINTS)))


ENDPOINTS = (
    Endpoint("POST", "/v1/campaigns", campaigns.create, status=201),
    Endpoint("GET", "/v1/campaigns", campaigns.list_all),
    Endpoint("GET", C, campaigns.show),
    Endpoint("PATCH", C, campaigns.change),
    Endpoint("DELETE", C, campaigns.remove, status=204),
    Endpoint("POST", f"{C}/release", adopting.release, status=202),
    Endpoint(
        "POST",
        f"{C}/pool",
        pool.add,
        accepts=LINES,
        returns={"application/json": Receipt},
        headers=("Idempotency-Key",),
    ),
    Endpoint("GET", f"{C}/pool", pool.show),
    Endpoint("POST", f"{C}/pool/import", pool.import_, status=202),
    Endpoint(
        "POST",
        f"{C}/labels",
        pool.add_labels,
        accepts=LINES,
        returns={"application/json": Receipt},
        headers=("Idempotency-Key",),
    ),
    Endpoint("POST", f"{C}/labels/changes", labels.change, status=201),
    Endpoint("GET", f"{C}/labels/changes", labels.list_changes),
    Endpoint("GET", f"{C}/rounds", rounds.list_all),
    Endpoint("POST", f"{C}/rounds", rounds.begin, status=202),
    Endpoint("GET", f"{C}/rounds/{{n:int}}", rounds.show),
    Endpoint("GET", f"{C}/rounds/{{n:int}}/turn", rounds.turn),
    Endpoint("GET", f"{C}/curve", rounds.learning_curve),
    Endpoint("GET", f"{C}/curve/groups", rounds.by_group),
    Endpoint("GET", f"{C}/cost", cost.show),
    Endpoint("GET", f"{C}/confusion", confusions.show),
    Endpoint("GET", f"{C}/confusion/examples", confusions.examples),
    Endpoint("POST", f"{C}/map", maps.begin, status=202),
    Endpoint("GET", f"{C}/map", maps.show),
    Endpoint("GET", f"{C}/queue", queue.show),
    Endpoint("GET", f"{C}/annotators", people.list_all),
    Endpoint("GET", f"{C}/disagreements", people.disagreements),
    Endpoint("POST", f"{C}/audit", audits.begin, status=202),
    Endpoint("GET", f"{C}/audit", audits.show),
    Endpoint("POST", f"{C}/influence", influences.begin, status=202),
    Endpoint("GET", f"{C}/influence", influences.show),
    Endpoint("POST", f"{C}/influence/review", influences.review),
    Endpoint("POST", f"{C}/synthesis", syntheses.begin, status=202),
    Endpoint("GET", f"{C}/synthesis", syntheses.list_all),
    Endpoint("DELETE", f"{C}/synthesis/{{s:int}}", syntheses.undo),
    Endpoint("GET", f"{C}/similar/{{key}}", similars.show),
    Endpoint("POST", f"{C}/predict", predicting.predict, needs="viewer"),
    Endpoint("GET", f"{C}/jobs", queue.list_jobs),
    Endpoint(
        "GET",
        f"{C}/events",
        events.follow,
        returns={"text/event-stream": None, "application/json": Events},
        headers=("Last-Event-ID",),
    ),
    Endpoint("GET", f"{C}/export", export.stream, returns=dict.fromkeys(export.MEDIA_TYPES)),
    Endpoint("GET", f"{C}/adapters", adapters.list_all),
    Endpoint("GET", f"{C}/adapters/{{n:int}}", adapters.download, returns={"application/x-tar": None}),
    Endpoint("GET", "/v1/strategies", campaigns.list_strategies),
    Endpoint("GET", "/v1/workers", queue.list_workers),
    Endpoint("POST", "/v1/session", session.begin, 201, {"application/json": Session}, needs="viewer"),
    Endpoint("GET", "/v1/session", session.show),
    Endpoint("DELETE", "/v1/session", session.end, 204, needs="viewer"),
    Endpoint("POST", "/v1/tokens", tokens.issue, status=201, needs="admin"),
    Endpoint("GET", "/v1/tokens", tokens.list_all, needs="admin"),
    Endpoint("DELETE", "/v1/tokens/{token_id:int}", tokens.revoke, status=204, needs="admin"),
    Endpoint(
        "POST",
        "/webhooks/label-studio/{c}",
        webhooks.hint,
        status=204,
        accepts={"application/json": None},
        headers=("X-Postil-Secret",),
    ),
    Endpoint("GET", "/ml/{c}/health", ml.health, needs="viewer"),
    Endpoint("POST", "/ml/{c}/setup", ml.setup, needs="viewer", accepts={"application/json": None}),
    Endpoint("POST", "/ml/{c}/predict", ml.predict, needs="viewer", accepts={"application/json": None}),
    Endpoint("GET", "/ml/{c}/versions", ml.versions, needs="viewer"),
    Endpoint("POST", "/ml/{c}/webhook", ml.webhook, returns={"application/json": ml.Heard}),
    Endpoint("GET", "/healthz", health.alive),
    Endpoint("GET", "/readyz", health.ready, returns={"application/json": Health}),
    Endpoint("GET", "/metrics", health.metrics, returns={"text/plain": None}, needs="viewer"),
    Endpoint("GET", "/openapi.json", describe, returns={"application/json": None}),
    Endpoint("GET", "/docs", docs.overview, returns={"text/html": None}),
    Endpoint("GET", "/docs/api", read, returns={"text/html": None}),
    Endpoint("GET", "/docs/{page}", docs.show, returns={"text/html": None}),
    Endpoint("GET", "/", page.index, returns={"text/html": None}),
    Endpoint("GET", "/similar/{c}/{key}", page.similar, returns={"text/html": None}),
    Endpoint(
        "GET",
        "/static/{name}",
        page.static,
        returns={"text/javascript": None, "text/css": None, "image/svg+xml": None},
    ),
)


def create_app(settings: Settings) -> Starlette:
    """The API of one installation; raises Invalid for settings that cannot work.

    Serve it with a limit on its graceful end (uvicorn: timeout_graceful_shutdown), since uploads and event streams
    may last for hours.
    """
    api = Api(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(api.database.upgrade)
        await run_in_threadpool(first_token, api)
        reconciler = Reconciler(api.database, api.files, api.doorbell, api.metrics, settings.keep_days)
        reconciler.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(api.hub.run)
            tasks.start_soon(warming.warm, api)
            yield
            tasks.cancel_scope.cancel()
        await run_in_threadpool(reconciler.stop)
        api.close()

    app = Starlette(
        routes=routes(ENDPOINTS),
        middleware=[Middleware(Requests), Middleware(SafeHeaders), Middleware(Auth, rate=settings.rate)],
        exception_handlers=problems.handlers(),
        lifespan=lifespan,
    )
    app.state.api = api
    return app
