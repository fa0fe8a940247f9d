"""Tokens: issue, list, revoke."""

import logging

from starlette.responses import Response

from service.errors import Invalid
from service.http.api import Api
from service.http.schemas import IssuedToken, TokenBody, Tokens
from service.store import campaigns, tokens
from service.store.tokens import Token

MAX_NAME_CHARS = 100
MAX_DAYS = 3_650.0
DAY_S = 86_400.0

log = logging.getLogger(__name__)


def issue(api: Api, body: TokenBody, token: Token) -> IssuedToken:
    """Issue a token.

    `secret` is what to send; it is not kept, and never shown again. `campaigns` are ids or names.
    """
    name = body.name.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise Invalid(f"name: give 1 to {MAX_NAME_CHARS} characters that can be shown", "name")
    if body.days is not None and not 0 < body.days <= MAX_DAYS:
        raise Invalid(f"days is {body.days}: choose more than 0, {MAX_DAYS:,.0f} at most", "days")
    if body.campaigns is not None and not body.campaigns:
        raise Invalid("campaigns is empty: name some, or leave it out for all", "campaigns")
    if body.campaigns is not None and body.access == "admin":
        raise Invalid("an admin's token is for all campaigns: leave campaigns out", "campaigns")
    seconds = None if body.days is None else body.days * DAY_S
    with api.database.transaction() as connection:
        ids = None
        if body.campaigns is not None:
            ids = [campaigns.get(connection, one).id for one in body.campaigns]
        made, secret = tokens.issue(connection, name, body.access, ids, seconds)
    log.info("token %d (%s, %s) was issued by token %d", made.id, made.name, made.access, token.id)
    return IssuedToken(secret, made)


def list_all(api: Api) -> Tokens:
    """All tokens, revoked and expired ones too, oldest first."""
    with api.database.reading() as connection:
        return Tokens(tokens.all_of(connection))


def revoke(api: Api, token_id: int, token: Token) -> Response:
    """Revoke a token.

    Processes of the API that know it still take it for some seconds.
    """
    with api.database.transaction() as connection:
        tokens.revoke(connection, token_id)
    log.info("token %d was revoked by token %d", token_id, token.id)
    return Response(status_code=204)
