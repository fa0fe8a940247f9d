"""Bearer tokens, stored hashed: 256 random bits need no slow hash."""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from service.errors import NotFound
from service.records import Access
from service.store.database import now
from service.store.schema import token

ACCESSES: tuple[Access, ...] = get_args(Access)


class Token(msgspec.Struct, frozen=True):
    """A token that was issued, without its secret. Times are seconds since 1970."""

    id: int
    name: str
    access: Access
    campaigns: tuple[str, ...] | None
    """Ids of those it is for; None: all, those to come among them."""
    made_at: float
    expires_at: float | None
    revoked_at: float | None

    def allows(self, access: Access) -> bool:
        return ACCESSES.index(self.access) >= ACCESSES.index(access)

    def expired(self, at: float) -> bool:
        return self.expires_at is not None and self.expires_at <= at


def issue(
    connection: Connection,
    name: str,
    access: Access = "admin",
    campaigns: Iterable[str] | None = None,
    seconds: float | None = None,
) -> tuple[Token, str]:
    """A new token and its secret, which can be read this one time; `seconds`: that it lasts, None: until revoked."""
    secret = f"postil_{secrets.token_urlsafe(32)}"
    made = insert(token).values(
        name=name,
        hash=_hash(secret),
        access=access,
        campaigns=None if campaigns is None else sorted(set(campaigns)),
        made_at=now(),
        expires_at=None if seconds is None else now() + seconds,
    )
    return _record(connection.execute(made.returning(token)).one()), secret


def known(connection: Connection, secret: str) -> Token | None:
    """The token with this secret, unless it was revoked or has expired."""
    return _valid(connection, token.c.hash == _hash(secret))


def valid(connection: Connection, id_: int) -> Token | None:
    """The token, unless it was revoked or has expired."""
    return _valid(connection, token.c.id == id_)


def all_of(connection: Connection) -> list[Token]:
    """Every token that was ever issued, oldest first."""
    return [_record(row) for row in connection.execute(select(token).order_by(token.c.id))]


def revoke(connection: Connection, id_: int) -> None:
    """Make a token worthless for ever; raises NotFound. Once more does nothing."""
    if connection.execute(select(token.c.id).where(token.c.id == id_)).first() is None:
        raise NotFound(f"there is no token {id_}: `postil token list` shows those there are")
    connection.execute(
        update(token).where(token.c.id == id_, token.c.revoked_at.is_(None)).values(revoked_at=now())
    )


def _valid(connection: Connection, which: ColumnElement[bool]) -> Token | None:
    lasts = token.c.expires_at.is_(None) | (token.c.expires_at > now())
    row = connection.execute(select(token).where(which, token.c.revoked_at.is_(None), lasts)).first()
    return None if row is None else _record(row)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: Row[Any]) -> Token:
    values = dict(row._mapping)
    del values["hash"]
    campaigns = values.pop("campaigns")
    return Token(**values, campaigns=None if campaigns is None else tuple(campaigns))
