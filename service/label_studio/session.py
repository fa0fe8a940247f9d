"""One account's session with Label Studio: signed requests, answers decoded, errors made ours.

Nothing is retried here: the jobs that call are.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Self, TypeVar

import httpx
import msgspec

from service.errors import Invalid, LabelStudioRefused, LabelStudioUnavailable

Answer = TypeVar("Answer")

ACCESS_TOKEN_S = 240
"""An access token lives 300 s; it is renewed before that."""


class _Access(msgspec.Struct):
    access: str


class Session:
    """Every request raises LabelStudioUnavailable when there is no answer, or 5xx, 408 or 429, or one that is not
    Label Studio's; LabelStudioRefused on any other no.
    """

    def __init__(self, url: str, token: str, timeout_s: float = 30.0) -> None:
        """`token`: a legacy token, or a personal access token (a refresh JWT)."""
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Invalid(f"{url!r} is no address of Label Studio: it starts with http:// or https://", "url")
        if not token.isascii() or not token.isprintable() or not token.strip():
            raise Invalid("the Label Studio token is empty or holds strange characters", "token")
        self._auth = Auth(self.url, token.strip())
        self._timeout_s = timeout_s
        self._http = httpx.Client(timeout=timeout_s, auth=self._auth, headers={"User-Agent": "postil"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        answer: type[Answer],
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
    ) -> Answer:
        """`send`, and the answer's JSON as `answer`."""
        return self.decode(answer, self.send(method, path, params, body).content, f"{method} {path}")

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
        absent: bool = False,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """One request. With `absent`, 404 is an answer too. `timeout_s`: where the client's own is too short."""
        try:
            response = self._http.request(
                method, self.url + path, params=params, json=body, timeout=timeout_s or self._timeout_s
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(f"{method} {path}", error) from None
        if response.is_success or (absent and response.status_code == HTTPStatus.NOT_FOUND):
            return response
        raise self._no(f"{method} {path}", response.status_code, _words(response))

    def decode(self, kind: type[Answer], content: bytes | msgspec.Raw, what: str) -> Answer:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LabelStudioUnavailable(
                f"{what}: the answer is not Label Studio's ({error}): is {self.url} its address?"
            ) from None

    @contextmanager
    def sdk(self, what: str) -> Iterator[Any]:
        """Label Studio's own SDK over our connection, with its errors made ours.

        It retries POSTs unless told not to. The token it is given is not one: `Auth` signs every request.
        """
        from label_studio_sdk.client import LabelStudio  # imported here: it takes a second
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield LabelStudio(
                base_url=self.url,
                api_key="-",
                timeout=self._timeout_s,
                max_retries=0,
                httpx_client=self._http,
            )
        except ApiError as error:
            if error.status_code is None or error.status_code < HTTPStatus.MULTIPLE_CHOICES:
                raise LabelStudioUnavailable(
                    f"{what}: the answer is not Label Studio's: is {self.url} its address?"
                ) from None
            raise self._no(what, error.status_code, _plain(error.body)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(what, error) from None
        except ValueError as error:  # pydantic's and json's errors are ValueErrors
            raise LabelStudioUnavailable(
                f"{what}: the answer is not Label Studio's ({type(error).__name__})"
            ) from None

    def _unreachable(self, what: str, error: Exception) -> LabelStudioUnavailable:
        reason = str(error) or type(error).__name__
        return LabelStudioUnavailable(
            f"{what}: no answer from {self.url} ({self._auth.hide(reason)}): is it running?"
        )

    def _no(self, what: str, status: int, words: str) -> LabelStudioRefused | LabelStudioUnavailable:
        words = self._auth.hide(words)[:1000]
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_MANY_REQUESTS,
        ):
            return LabelStudioUnavailable(f"{what}: {status} from {self.url}: {words}: try again later")
        return LabelStudioRefused(f"{what}: {status} from {self.url}: {words}: {_HINTS.get(status, _HINT)}")


_HINT = "see what Label Studio says; it understood the request and will refuse it again"
_HINTS = {
    301: "set Label Studio's address to the one it redirects to",
    302: "set Label Studio's address to the one it redirects to",
    307: "set Label Studio's address to the one it redirects to",
    308: "set Label Studio's address to the one it redirects to",
    401: "check the token; legacy tokens have to be allowed in Label Studio's organization settings, "
    "personal access tokens are not",
    403: "the token's account may not do this, or Label Studio's SSRF protection forbids the address",
    404: "the project, the task or the annotation is not there any more, or belongs to another organization",
    413: "a proxy in front of Label Studio limits the size of a request: raise the limit",
}


class Auth(httpx.Auth):
    """Signs requests with a legacy token, or with access tokens got for a personal access token."""

    requires_response_body = True

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._personal = token.count(".") == 2
        self._access = ""
        self._renew_at = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._personal:
            request.headers["Authorization"] = f"Token {self._token}"
            yield request
            return
        if not self._access or time.monotonic() >= self._renew_at:
            yield from self._renew(request)
        request.headers["Authorization"] = f"Bearer {self._access}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            yield from self._renew(request)
            request.headers["Authorization"] = f"Bearer {self._access}"
            yield request

    def hide(self, text: str) -> str:
        """`text` without the tokens."""
        for secret in filter(None, (self._token, self._access)):
            text = text.replace(secret, "***")
        return text

    def _renew(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        path = "/api/token/refresh/"
        # the extensions carry the time limit
        response = yield httpx.Request(
            "POST", self._url + path, json={"refresh": self._token}, extensions=request.extensions
        )
        if response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise LabelStudioRefused(
                f"POST {path}: {response.status_code} from {self._url}: {self.hide(_words(response))}: "
                "the personal access token is wrong, expired or revoked: make a new one in Label Studio"
            )
        try:
            self._access = msgspec.json.decode(response.content, type=_Access).access
        except msgspec.DecodeError:
            raise LabelStudioUnavailable(
                f"POST {path}: {response.status_code} from {self._url}, no access token: try again later"
            ) from None
        self._renew_at = time.monotonic() + ACCESS_TOKEN_S


def _words(response: httpx.Response) -> str:
    if "location" in response.headers:
        return f"redirects to {response.headers['location']}"
    try:
        return _plain(response.json())
    except ValueError:  # a page for people
        return response.reason_phrase


def _plain(body: Any) -> str:
    """What an error's body says to a person."""
    if isinstance(body, dict):
        said = [body.get("detail"), body.get("validation_errors")]
        body = " ".join(str(part) for part in said if part) or body
    return str(body)
