"""Who is signed in on the page: a secret in a cookie that stands for a token, stored hashed, for some hours."""

import hashlib
import secrets

from sqlalchemy import Connection, delete, insert, select

from service.store import tokens
from service.store.database import now
from service.store.schema import session
from service.store.tokens import Token

HOURS = 12.0


def begin(connection: Connection, token: Token) -> str:
    """A new session's secret, for a cookie. Sessions that are over are forgotten on the way."""
    connection.execute(delete(session).where(session.c.expires_at <= now()))
    secret = secrets.token_urlsafe(32)
    connection.execute(
        insert(session).values(hash=_hash(secret), token=token.id, expires_at=now() + HOURS * 3_600)
    )
    return secret


def known(connection: Connection, secret: str) -> Token | None:
    """The token that the session stands for, unless either is over."""
    mine = session.c.hash == _hash(secret), session.c.expires_at > now()
    id_ = connection.execute(select(session.c.token).where(*mine)).scalar()
    return None if id_ is None else tokens.valid(connection, id_)


def end(connection: Connection, secret: str) -> None:
    """Sign out; once more does nothing."""
    connection.execute(delete(session).where(session.c.hash == _hash(secret)))


def proof(secret: str) -> str:
    """What a page of this origin is told, and no other can know: changes by cookie must carry it."""
    return hashlib.sha256(f"csrf {secret}".encode()).hexdigest()


def _hash(secret: str) -> str:
    return hashlib.sha256(f"session {secret}".encode()).hexdigest()
