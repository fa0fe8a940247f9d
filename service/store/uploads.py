"""Rows of uploads: who is sending what, how far it came, and what became of it."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from service.errors import Conflict
from service.store import events
from service.store.database import clock, now
from service.store.schema import upload

SILENT_S = 60.0
"""An upload that was not heard of for so long is taken for broken."""


class Upload(msgspec.Struct, frozen=True):
    """An upload that may go on; with a `receipt` it was done before, and nothing is to be read again."""

    id: int
    receipt: dict[str, Any] | None = None


def begin(
    connection: Connection, campaign: str, kind: str, key: str | None, state: str = "running"
) -> Upload:
    """A new upload, or the one with this key again; the caller holds the campaign's lock.

    Raises Conflict while an upload with this key runs, or where the key was used for another kind.
    """
    held = None
    if key is not None:
        query = select(upload).where(upload.c.campaign == campaign, upload.c.key == key)
        held = connection.execute(query).first()
    if held is None:
        made = insert(upload).values(campaign=campaign, key=key, kind=kind, state=state, seen_at=now())
        return Upload(connection.execute(made.returning(upload.c.id)).scalar_one())
    if held.kind != kind:
        raise Conflict(f"the Idempotency-Key {key!r} belongs to an upload of another kind: choose a new one")
    if held.state == "done":
        return Upload(held.id, held.receipt)
    if held.state == "running" and held.seen_at > clock(connection) - SILENT_S:
        raise Conflict(
            f"an upload with the Idempotency-Key {key!r} is running: wait for it, or {SILENT_S:.0f} s "
            "where its sender is gone"
        )
    touch(connection, held.id)
    return Upload(held.id)


def touch(connection: Connection, id_: int, receipt: dict[str, Any] | None = None) -> None:
    """The upload is alive; `receipt`: what is stored of it with this transaction."""
    values: dict[str, Any] = {"state": "running", "seen_at": now()}
    if receipt is not None:
        values["receipt"] = receipt
    connection.execute(update(upload).where(upload.c.id == id_).values(**values))


def receipt(connection: Connection, id_: int) -> dict[str, Any] | None:
    """What is stored of the upload, as far as it came."""
    found: dict[str, Any] | None = connection.execute(
        select(upload.c.receipt).where(upload.c.id == id_)
    ).scalar_one_or_none()
    return found


def end(
    connection: Connection, id_: int, state: str, receipt: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """The upload is over: done or broken. Without a receipt it keeps the one of its last batch; that is returned."""
    values: dict[str, Any] = {"state": state, "seen_at": now()}
    if receipt is not None:
        values["receipt"] = receipt
    changed = update(upload).where(upload.c.id == id_).values(**values)
    kept: dict[str, Any] | None = connection.execute(changed.returning(upload.c.receipt)).scalar_one()
    return kept


def end_told(
    connection: Connection,
    campaign: str,
    id_: int,
    state: str,
    receipt: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """As `end`, and the campaign's log has it."""
    stored = end(connection, id_, state, receipt)
    told = {name: value for name, value in (stored or {}).items() if name != "errors"}
    events.record(connection, campaign, "upload-finished", upload=id_, state=state, **told, **more)


def break_silent(connection: Connection) -> None:
    """Uploads whose sender or server vanished are over."""
    silent = (upload.c.state == "running") & ~upload.c.seen_at.between(now() - SILENT_S, now())
    connection.execute(update(upload).where(silent).values(state="broken"))


def all_of(connection: Connection, campaign: str) -> list[Row[Any]]:
    """The campaign's uploads, oldest first."""
    return list(connection.execute(select(upload).where(upload.c.campaign == campaign).order_by(upload.c.id)))
