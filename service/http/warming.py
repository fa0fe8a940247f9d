"""What takes long to compute is made when the API starts, so that who looks at a campaign first need not wait."""

import logging
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.http import maps, people, rounds
from service.http.api import Api
from service.http.schemas import CurveQuery, QueueQuery
from service.store import campaigns

DISAGREEMENTS = 50
"""As the dashboard asks for them."""

log = logging.getLogger(__name__)


async def warm(api: Api) -> None:
    """Campaign after campaign, the newest first; one that cannot be computed is left to who asks for it."""
    plain = Request({"type": "http", "headers": []})
    parts: tuple[Callable[[str], object], ...] = (
        lambda c: rounds.learning_curve(api, c, CurveQuery(), plain),
        lambda c: rounds.by_group(api, c, plain),
        lambda c: people.list_all(api, c, plain),
        lambda c: people.disagreements(api, c, QueueQuery(DISAGREEMENTS), plain),
        lambda c: maps.show(api, c, plain),
    )
    ids = await run_in_threadpool(_ids, api)
    for c in reversed(ids):
        for part in parts:
            try:
                await run_in_threadpool(part, c)
            except Exception as error:  # noqa: BLE001 - nobody asked: whoever does is told
                log.warning("campaign %s: %s", c, error)
                break
    log.info("%d campaigns are at hand", len(ids))


def _ids(api: Api) -> list[str]:
    with api.database.reading() as connection:
        return [one.id for one in campaigns.all_of(connection)]
