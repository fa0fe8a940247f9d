"""What is done around every request: an id, how long its answer took to begin, and what was unforeseen."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import logs, tracing
from service.http.metrics import Metrics
from service.http.problems import problem

PATH = "postil.path"
"""In a request's scope: the path of the route that answered, as it stands in the table."""
_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)

log = logging.getLogger(__name__)


class Requests:
    """Middleware. The id is the sender's X-Request-ID, or a new one; the answer has it, and every line of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        metrics: Metrics = scope["app"].state.api.metrics
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        id_ = given if _ID.fullmatch(given) else secrets.token_hex(8)
        begun, answered = time.perf_counter(), False

        async def told(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                MutableHeaders(scope=message)["X-Request-ID"] = id_
                labels = scope["method"], scope.get(PATH, "none"), str(message["status"])
                metrics.requests.labels(*labels).observe(time.perf_counter() - begun)
                span.name = f"{scope['method']} {scope.get(PATH, '')}".strip()
                span.facts |= {
                    "http.route": scope.get(PATH, ""),
                    "http.response.status_code": message["status"],
                }
                span.error = "server error" if message["status"] >= 500 else ""
            await send(message)

        facts = {"http.request.method": scope["method"], "url.path": scope["path"], "postil.request": id_}
        with (
            logs.about(request=id_),
            tracing.span(scope["method"], facts, server=True, parent=headers) as span,
        ):
            try:
                await self.app(scope, receive, told)
            except Exception:
                log.exception("%s %s", scope["method"], scope["path"])
                if answered:
                    raise
                words = f"an unforeseen error; the server's log has its cause, under request {id_}"
                await problem(500, words).response()(scope, receive, told)
