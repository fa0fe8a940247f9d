"""Uploads: a body of any length becomes batches in the store, in constant memory.

A thread pulls one chunk at a time out of the event loop, so a sender is never read faster than the store writes.
Every batch is committed with the receipt so far: whatever breaks, what was committed stays and is told.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
import msgspec
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.http.adopting import FOREIGN
from service.http.api import Api
from service.pool import compression
from service.pool.batch import Batch
from service.pool.lines import read_many
from service.pool.pool import Receipt, ingest
from service.records import Campaign
from service.store import adoptions, uploads
from service.store.uploads import Upload

FORMS = {
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/json-lines": "jsonl",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
}
ENCODINGS = ("identity", *compression.SUFFIXES.values())
MAX_KEY_CHARS = 200
TOUCH_S = 15.0
QUIET_S = 0.2
"""What other processes hold is waited for when nothing came for so long."""

Store = Callable[[Connection, Campaign, Batch, Receipt], None]


async def upload(
    api: Api, c: str, request: Request, kind: str, store: Store, text_required: bool = True
) -> Response:
    """Read the request's body into `store`; the answer is its receipt.

    With the Idempotency-Key of an upload that is done the answer is that upload's receipt, and nothing is stored.
    """
    form, encoding = _form(request), _encoding(request)
    key = _key(request)
    campaign, begun = await run_in_threadpool(_begin, api, c, kind, key)
    if begun.receipt is not None:
        return await _again(request, begun.receipt)
    work = partial(_take, api, campaign, begun, request, form, encoding, store, text_required)
    try:
        receipt = await anyio.to_thread.run_sync(work, limiter=api.upload_limit)
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off: what was stored of it stays") from None
    return _answer(msgspec.json.encode(receipt))


def _begin(api: Api, c: str, kind: str, key: str | None) -> tuple[Campaign, Upload]:
    with api.changing(c) as (connection, campaign):
        if kind != "test":
            adoptions.refuse(connection, campaign.id, FOREIGN)
        return campaign, uploads.begin(connection, campaign.id, kind, key)


async def _again(request: Request, receipt: dict[str, Any]) -> Response:
    try:
        async for _ in request.stream():  # a sender that is cut short may never read the answer
            pass
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off; it had been stored before") from None
    return _answer(msgspec.json.encode(receipt))


def _take(
    api: Api,
    campaign: Campaign,
    begun: Upload,
    request: Request,
    form: str,
    encoding: str,
    store: Store,
    text_required: bool,
) -> Receipt:
    receipt = Receipt()

    def commit(batch: Batch) -> None:
        with api.changing(campaign.id) as (connection, current):
            store(connection, current, batch, receipt)
            uploads.touch(connection, begun.id, msgspec.to_builtins(receipt))

    try:
        with api.upload_turns:
            chunks = compression.unpacked(_chunks(api, begun, request), encoding)
            packing = api.packers.in_order
            lines = read_many(chunks, form, campaign.text_field, text_required, campaign.problem, packing)
            ingest(lines, receipt, commit)
    except BaseException:
        # What the last batch's transaction wrote into the row is what is stored.
        _end(api, campaign, begun, "broken", None)
        raise
    _end(api, campaign, begun, "done", receipt)
    return receipt


def _chunks(api: Api, begun: Upload, request: Request) -> Iterator[bytes]:
    """An empty one where nothing came for QUIET_S. Who waits for the sender lets other uploads have their turn."""
    more = True

    async def next_chunk() -> bytes:
        nonlocal more
        with anyio.move_on_after(QUIET_S):
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message.get("more_body", False)
            body: bytes = message.get("body", b"")
            return body
        return b""

    touched = time.monotonic()
    while more:
        api.upload_turns.release()
        try:
            chunk = anyio.from_thread.run(next_chunk)
        finally:
            api.upload_turns.acquire()
        if chunk and time.monotonic() - touched > TOUCH_S:
            with api.database.transaction() as connection:
                uploads.touch(connection, begun.id)
            touched = time.monotonic()
        yield chunk


def _end(api: Api, campaign: Campaign, begun: Upload, state: str, receipt: Receipt | None) -> None:
    with api.changing(campaign.id) as (connection, _):
        kept = None if receipt is None else msgspec.to_builtins(receipt)
        uploads.end_told(connection, campaign.id, begun.id, state, kept)


def _form(request: Request) -> str:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in FORMS:
        raise HTTPException(415, f"Content-Type is {media_type or 'missing'}: send {', '.join(FORMS)}")
    return FORMS[media_type]


def _encoding(request: Request) -> str:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ENCODINGS:
        raise HTTPException(415, f"Content-Encoding is {encoding}: send {', '.join(ENCODINGS)}")
    return encoding


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= MAX_KEY_CHARS:
        raise HTTPException(400, f"Idempotency-Key: give 1 to {MAX_KEY_CHARS} characters")
    return key


def _answer(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
