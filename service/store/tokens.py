"""Bearer tokens, stored hashed: 256 random bits need no slow hash."""

import hashlib
import secrets

from sqlalchemy import Connection, func, insert, select

from service.store.database import now
from service.store.schema import token


def issue(connection: Connection, name: str) -> str:
    """A new token; this is the only time that it can be read."""
    value = f"postil_{secrets.token_urlsafe(32)}"
    connection.execute(insert(token).values(name=name, hash=_hash(value), made_at=now()))
    return value


def known(connection: Connection, value: str) -> bool:
    """Whether this token was issued here."""
    return connection.execute(select(token.c.id).where(token.c.hash == _hash(value))).first() is not None


def any_issued(connection: Connection) -> bool:
    return bool(connection.execute(select(func.count()).select_from(token)).scalar_one())


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
