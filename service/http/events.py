"""The campaign's log, as a stream or as a list."""

from collections.abc import AsyncIterator

import msgspec
from sqlalchemy import select
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Invalid
from service.http.api import Api
from service.http.hub import Message, message
from service.http.schemas import Event, Events, EventsQuery
from service.store import events
from service.store.schema import event_log

NEWEST = 200
PING_S = 15


async def follow(api: Api, c: str, query: EventsQuery, request: Request) -> Response:
    """Events after number `after` (or the header Last-Event-ID), as they happen; or the newest 200 as a list.

    The stream also carries `progress` (jobs that work) and `status`, both without a number, when they change.
    """
    accept = request.headers.get("accept", "")
    if not query.follow or ("application/json" in accept and "text/event-stream" not in accept):
        found = await run_in_threadpool(_newest, api, c, query.after)
        return Response(
            msgspec.json.encode(found), media_type="application/json", headers={"Cache-Control": "no-store"}
        )
    after = _after(request, query)
    id_, newest = await run_in_threadpool(_position, api, c)
    return EventSourceResponse(
        _stream(api, id_, after, newest), ping=PING_S, sep="\n", headers={"X-Accel-Buffering": "no"}
    )


async def _stream(api: Api, campaign: str, after: int, newest: int) -> AsyncIterator[ServerSentEvent]:
    sent = after
    with api.hub.listen(campaign, newest) as messages:
        while missed := await run_in_threadpool(_since, api, campaign, sent):
            for event in missed:
                sent = event.id
                yield _server_sent(message(event))
        async for one in messages:
            if one.id is None or one.id > sent:
                sent = sent if one.id is None else one.id
                yield _server_sent(one)


def _server_sent(one: Message) -> ServerSentEvent:
    return ServerSentEvent(one.data, event=one.kind, id=None if one.id is None else str(one.id), sep="\n")


def _after(request: Request, query: EventsQuery) -> int:
    last = request.headers.get("last-event-id", "")
    if not last:
        return query.after
    if not last.isdecimal() or len(last) > 18:
        raise Invalid(f"the header Last-Event-ID is {last!r}: send the number of an event", "Last-Event-ID")
    return int(last)


def _position(api: Api, c: str) -> tuple[str, int]:
    with api.reading(c) as (connection, campaign):
        return campaign.id, events.newest(connection, campaign.id)


def _since(api: Api, campaign: str, after: int) -> list[Event]:
    with api.database.reading() as connection:
        return [Event(**row) for row in events.since(connection, campaign, after)]


def _newest(api: Api, c: str, after: int) -> Events:
    columns = event_log.c.id, event_log.c.at, event_log.c.kind, event_log.c.data
    with api.reading(c) as (connection, campaign):
        query = select(*columns).where(event_log.c.campaign == campaign.id, event_log.c.id > after)
        rows = connection.execute(query.order_by(event_log.c.id.desc()).limit(NEWEST)).all()
    return Events([Event(**row._mapping) for row in reversed(rows)])
