"""Tokens on the command line, against a real API."""

import json
from collections.abc import Callable
from typing import Any

from service.client import Client


def test_a_token_is_issued_used_and_revoked(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="tokens", labels=["a", "b"], model="none")
    api.create(name="hidden", labels=["a", "b"], model="none")

    made = postil("token", "create", "the dashboard", "--campaign", "tokens", "--days", "30")
    secret = made.out.strip()
    assert (made.status, made.err, secret[:7]) == (0, "", "postil_")

    seen = json.loads(postil("campaign", "list", "--json", POSTIL_TOKEN=secret).out)
    assert [one["name"] for one in seen] == ["tokens"]
    refused = postil("campaign", "pause", "tokens", POSTIL_TOKEN=secret)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == (
        "error: the token 'the dashboard' is one for a viewer, and this takes one for an engineer: "
        "ask an admin for it\n"
    )

    listed = postil("token", "list").out
    (row,) = [line for line in listed.splitlines() if "the dashboard" in line]
    assert row.split()[3] == "viewer"
    (one,) = [
        one for one in json.loads(postil("token", "list", "--json").out) if one["name"] == "the dashboard"
    ]
    assert postil("token", "revoke", str(one["id"])).out == f"Token {one['id']} is revoked.\n"
    assert postil("token", "revoke", "99999").err == (
        "error: there is no token 99999: `postil token list` shows those there are\n"
    )
