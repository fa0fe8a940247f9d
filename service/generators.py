"""Generators that workers may ask for texts over HTTP: those below a prefix that the operator allows."""

import os
import re
from urllib.parse import SplitResult, unquote, urlsplit

from service.errors import Invalid


def allowed(url: str, prefixes: str) -> tuple[str, str | None]:
    """(the URL without a slash at its end, the environment variable that holds its key), where it is one of `prefixes`
    (commas or spaces between) or below; raises Invalid.

    A prefix names that variable behind a #: who asks for texts cannot, or any secret could be sent anywhere.
    """
    wanted = _normal(url)
    if urlsplit(url).fragment:
        raise Invalid(f"{url} has a # in it: only the operator names the key, in POSTIL_GENERATORS", "url")
    for prefix in re.split(r"[\s,]+", prefixes):
        if prefix and (wanted + "/").startswith(_normal(prefix) + "/"):
            return wanted, urlsplit(prefix).fragment or None
    raise Invalid(
        f"{url} is not below any prefix in POSTIL_GENERATORS: the operator sets which generators may be asked",
        "url",
    )


def _normal(url: str) -> str:
    """scheme://host[:port]/path; raises Invalid where it could mean something else than it says."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid(f"{url} is no URL: {error}", "url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(f"{url} is no http:// or https:// URL", "url")
    if _strange(url, parts):
        raise Invalid(
            f"{url} has a user, a query, '..', a backslash or white space in it: leave that out", "url"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f"{host}:{port}"
    return f"{parts.scheme}://{where}{re.sub('/+', '/', parts.path).rstrip('/')}"


def _strange(url: str, parts: SplitResult) -> bool:
    path = unquote(parts.path)
    odd = "@" in parts.netloc or parts.query or "\\" in url or re.search(r"[\s\x00-\x1f]", unquote(url))
    return bool(odd) or ".." in path.replace("\\", "/").split("/")


def key(variable: str | None) -> str | None:
    """The key in this environment variable of the worker's; raises Invalid where it is not set."""
    if variable is None:
        return None
    if not (found := os.environ.get(variable)):
        raise Invalid(
            f"the worker's environment has no {variable}, which POSTIL_GENERATORS names as the key", "url"
        )
    return found
