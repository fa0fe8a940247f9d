"""Label Studio's webhook: a hint that something happened there, and nothing else.

Label Studio calls inside the annotator's own request and waits for the answer, so that goes out first.
"""

import hashlib
import hmac

import msgspec
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.errors import NotFound, Unauthorized
from service.http.api import Api
from service.http.endpoint import read_body
from service.store import campaigns, jobs

MAX_HINT_BYTES = 4 << 20


class Hint(msgspec.Struct, frozen=True):
    action: str = ""


async def hint(api: Api, c: str, request: Request) -> Response:
    """Wake the sync job; a deletion makes it look for what is gone. The header X-Postil-Secret must be right."""
    given = hashlib.sha256(request.headers.get("x-postil-secret", "").encode()).hexdigest()
    expected = await run_in_threadpool(_expected, api, c)
    if expected is None or not hmac.compare_digest(given, expected):
        raise Unauthorized("X-Postil-Secret is not the one that this campaign's webhook was made with")
    deletes = (await action(request)).endswith("_DELETED")
    return Response(status_code=204, background=BackgroundTask(wake, api, c, deletes))


async def action(request: Request) -> str:
    """The one word that is read of the body; whatever else is in it, Label Studio is asked itself."""
    try:
        return msgspec.json.decode(await read_body(request, MAX_HINT_BYTES), type=Hint).action
    except (msgspec.MsgspecError, RecursionError, HTTPException):
        return ""


def _expected(api: Api, c: str) -> str | None:
    try:
        with api.reading(c) as (_, campaign):
            return campaign.webhook_hash
    except NotFound:
        return None


def wake(api: Api, c: str, deletes: bool) -> None:
    """Have the sync job look at once; `deletes`: for what is gone, too."""
    with api.database.transaction() as connection:
        campaign = campaigns.get(connection, c)
        if deletes:
            campaigns.change(connection, campaign.id, swept_at=None)
        jobs.hint(connection, campaign.id, "sync")
    # Apart: a job that is changed twice in one transaction has PostgreSQL lock its campaign as well, which others hold
    # while they wait for the job.
    with api.database.transaction() as connection:
        queues = jobs.due(connection)
    api.doorbell.ring(queues)
