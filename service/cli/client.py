"""The API over HTTP, as the command line and the demo use it."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Self, cast
from urllib.parse import quote, urlsplit

import httpx

from service.cli import events
from service.cli.events import Event
from service.cli.views import (
    Asked,
    AuditView,
    Campaign,
    Cost,
    Curve,
    Disagreements,
    Groups,
    InfluenceView,
    IssuedToken,
    Job,
    LabelChange,
    LabelChanges,
    LogEvent,
    People,
    Predictions,
    Receipt,
    Reviewed,
    Round,
    Synthesis,
    Token,
)
from service.errors import Conflict, Forbidden, Invalid, NotFound, PostilError, Unauthorized
from service.pool.forms import Form
from service.settings import Settings

CONTENT_TYPES: dict[Form, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
COUNTED = "x-postil-"
"""Of a header that counts something of an export."""
AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
SILENCE_S = 60.0
"""An event stream that says nothing for so long, not even a ping, is taken for dead."""


class Unreachable(PostilError):
    """The API did not answer, or broke off."""


class Api:
    """One installation's API.

    Every method raises Unreachable where nothing answers; Unauthorized, Forbidden, NotFound, Conflict, Invalid or
    PostilError, with the API's own words, where it says no. `campaign` is an id or a name.
    """

    def __init__(self, url: str, token: str, token_from: str = "") -> None:
        """`token_from`: where the token was looked for, in words, for the message when it is refused."""
        self.url = url.rstrip("/")
        self._token_from = token_from
        local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(30.0, connect=5.0),
            trust_env=not local,  # a proxy cannot reach this machine's own address
        )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The API that the settings name; its token from them, or from the data folder."""
        path = settings.folder / "token"
        token = settings.token or (path.read_text().strip() if path.is_file() else "")
        return cls(_address(settings), token, f"POSTIL_TOKEN, or the file {path}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def campaigns(self) -> list[Campaign]:
        return cast(list[Campaign], self._get("/v1/campaigns")["campaigns"])

    def campaign(self, campaign: str) -> Campaign:
        return cast(Campaign, self._get(_path(campaign)))

    def create(self, **values: Any) -> Campaign:
        """Fields as in `service.store.campaigns.NewCampaign`; what is left out has the API's default."""
        return cast(Campaign, self._send("POST", "/v1/campaigns", json=values).json())

    def release(self, campaign: str) -> Campaign:
        """Give an adopted project back; it is done some seconds later."""
        return cast(Campaign, self._send("POST", f"{_path(campaign)}/release").json())

    def change(self, campaign: str, **values: Any) -> Campaign:
        return cast(Campaign, self._send("PATCH", _path(campaign), json=values).json())

    def delete(self, campaign: str) -> None:
        self._send("DELETE", _path(campaign))

    def add_pool(
        self, campaign: str, chunks: Iterable[bytes], form: Form, encoding: str = "identity"
    ) -> Receipt:
        """`encoding`: how the bytes are compressed, by HTTP's name for it."""
        return self._upload(f"{_path(campaign)}/pool", chunks, form, encoding)

    def import_pool(self, campaign: str, url: str) -> int:
        """Number of the upload that a worker makes of a path or URL."""
        return cast(
            int, self._send("POST", f"{_path(campaign)}/pool/import", json={"url": url}).json()["upload"]
        )

    def add_labels(
        self,
        campaign: str,
        chunks: Iterable[bytes],
        form: Form,
        encoding: str = "identity",
        test: bool = False,
    ) -> Receipt:
        """Known labels, which train; or the test set, which measures."""
        path = f"{_path(campaign)}/labels?set={'test' if test else 'train'}"
        return self._upload(path, chunks, form, encoding)

    def change_labels(self, campaign: str, **change: Any) -> LabelChange:
        """Fields as in `service.http.schemas.LabelChangeBody`."""
        return cast(LabelChange, self._send("POST", f"{_path(campaign)}/labels/changes", json=change).json())

    def label_changes(self, campaign: str) -> LabelChanges:
        return cast(LabelChanges, self._get(f"{_path(campaign)}/labels/changes"))

    def rounds(self, campaign: str) -> list[Round]:
        return cast(list[Round], self._get(f"{_path(campaign)}/rounds")["rounds"])

    def begin_round(self, campaign: str) -> Asked:
        return cast(Asked, self._send("POST", f"{_path(campaign)}/rounds").json())

    def curve(self, campaign: str) -> Curve:
        return cast(Curve, self._get(f"{_path(campaign)}/curve"))

    def groups(self, campaign: str) -> Groups:
        """The curve by domains; domains and classes by the newest adapter."""
        return cast(Groups, self._get(f"{_path(campaign)}/curve/groups"))

    def cost(self, campaign: str, rounds: int = 1) -> Cost:
        """With the newest `rounds`."""
        return cast(Cost, self._get(f"{_path(campaign)}/cost?rounds={rounds}"))

    def begin_audit(self, campaign: str) -> Job:
        return cast(Job, self._send("POST", f"{_path(campaign)}/audit").json())

    def audit(self, campaign: str) -> AuditView:
        """The newest, and the job of one that is being made."""
        return cast(AuditView, self._get(f"{_path(campaign)}/audit"))

    def begin_influence(self, campaign: str) -> Job:
        return cast(Job, self._send("POST", f"{_path(campaign)}/influence").json())

    def influence(self, campaign: str) -> InfluenceView:
        """The newest, and the job of one that is being worked out."""
        return cast(InfluenceView, self._get(f"{_path(campaign)}/influence"))

    def review(self, campaign: str, n: int) -> Reviewed:
        """Have somebody else asked about the `n` most harmful labels."""
        return cast(Reviewed, self._send("POST", f"{_path(campaign)}/influence/review", json={"n": n}).json())

    def begin_synthesis(self, campaign: str, **values: Any) -> Synthesis:
        """Fields as in `service.http.schemas.SynthesisBody`."""
        return cast(Synthesis, self._send("POST", f"{_path(campaign)}/synthesis", json=values).json())

    def syntheses(self, campaign: str) -> list[Synthesis]:
        """The newest first."""
        return cast(list[Synthesis], self._get(f"{_path(campaign)}/synthesis")["syntheses"])

    def undo_synthesis(self, campaign: str, number: int) -> Synthesis:
        return cast(Synthesis, self._send("DELETE", f"{_path(campaign)}/synthesis/{number}").json())

    def predict(self, campaign: str, texts: list[str]) -> Predictions:
        """What the campaign's adapter says of so many texts as the API takes at a time."""
        patient = httpx.Timeout(120.0, connect=5.0)
        path = f"{_path(campaign)}/predict"
        return cast(Predictions, self._send("POST", path, json={"texts": texts}, timeout=patient).json())

    def look(self, campaign: str, what: str) -> Any:
        """What the campaign's route `what` answers, as it is."""
        return self._get(f"{_path(campaign)}/{what}")

    def annotators(self, campaign: str) -> People:
        return cast(People, self._get(f"{_path(campaign)}/annotators"))

    def disagreements(self, campaign: str, limit: int) -> Disagreements:
        """The least sure ones first, at most `limit`."""
        return cast(Disagreements, self._get(f"{_path(campaign)}/disagreements?limit={limit}"))

    def jobs(self, campaign: str) -> list[Job]:
        """Those that are not finished."""
        return cast(list[Job], self._get(f"{_path(campaign)}/jobs")["jobs"])

    def log(self, campaign: str) -> list[LogEvent]:
        """The newest 200 events, oldest first."""
        return cast(list[LogEvent], self._get(f"{_path(campaign)}/events?follow=false")["events"])

    def follow(self, campaign: str, after: int) -> Iterator[Event]:
        """Events younger than number `after`, as they happen; ends only by an error."""
        with self._stream(
            f"{_path(campaign)}/events?follow=true",
            {"Accept": "text/event-stream", "Last-Event-ID": str(after)},
            SILENCE_S,
        ) as response:
            yield from events.read(response.iter_bytes())
        raise Unreachable(f"{self.url} ended the stream of events")

    @contextmanager
    def export(
        self, campaign: str, what: str, form: str, **more: float
    ) -> Iterator[tuple[Iterator[bytes], dict[str, int]]]:
        """(the bytes of an export, as they come; what is counted of it: see `service.http.export.stream`).

        `more` as in `service.http.schemas.ExportQuery`.
        """
        query = "".join(f"&{name}={value}" for name, value in more.items())
        with self._stream(f"{_path(campaign)}/export?what={what}&format={form}{query}", {}, None) as response:
            told = {
                name.removeprefix(COUNTED): int(value)
                for name, value in response.headers.items()
                if name.startswith(COUNTED)
            }
            yield response.iter_bytes(), told

    @contextmanager
    def adapter(self, campaign: str, number: int) -> Iterator[Iterator[bytes]]:
        """The bytes of a tar file with one round's adapter, as they come."""
        with self._stream(f"{_path(campaign)}/adapters/{number}", {}, None) as response:
            yield response.iter_bytes()

    def issue_token(self, **values: Any) -> IssuedToken:
        """Fields as in `service.http.schemas.TokenBody`."""
        return cast(IssuedToken, self._send("POST", "/v1/tokens", json=values).json())

    def tokens(self) -> list[Token]:
        return cast(list[Token], self._get("/v1/tokens")["tokens"])

    def revoke_token(self, id_: int) -> None:
        self._send("DELETE", f"/v1/tokens/{id_}")

    def _get(self, path: str) -> Any:
        return self._send("GET", path).json()

    def _upload(self, path: str, chunks: Iterable[bytes], form: Form, encoding: str) -> Receipt:
        # The receipt comes when the last line is stored: there is no telling how long that takes.
        patient = httpx.Timeout(30.0, connect=5.0, read=None, write=None)
        headers = {"Content-Type": CONTENT_TYPES[form], "Content-Encoding": encoding}
        return cast(
            Receipt, self._send("POST", path, content=chunks, headers=headers, timeout=patient).json()
        )

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._away(error) from None
        self._check(response)
        return response

    @contextmanager
    def _stream(self, path: str, headers: dict[str, str], read_s: float | None) -> Iterator[httpx.Response]:
        timeout = httpx.Timeout(30.0, connect=5.0, read=read_s)
        try:
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                self._check(response)
                yield response
        except httpx.TransportError as error:
            raise self._away(error) from None

    def _away(self, error: httpx.TransportError) -> Unreachable:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unreachable(
                f"no API answers at {self.url}: start it with `postil up`, or set POSTIL_URL to where it is"
            )
        words = str(error) or type(error).__name__
        return Unreachable(f"the API at {self.url} broke off ({words}): see its log, and try again")

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        status, (words, field) = response.status_code, _problem(response)
        if status == HTTPStatus.UNAUTHORIZED:
            where = f"; the token was looked for in {self._token_from}" if self._token_from else ""
            raise Unauthorized(f"{self.url} refuses the token: {words}{where}")
        if status == HTTPStatus.FORBIDDEN:
            raise Forbidden(words)
        if status == HTTPStatus.NOT_FOUND:
            raise NotFound(words)
        if status == HTTPStatus.CONFLICT:
            raise Conflict(words)
        if response.is_client_error:
            raise Invalid(f"{field}: {words}" if field and field not in words else words, field)
        if status in AWAY:
            raise Unreachable(f"{self.url} is not ready: {words}")
        raise PostilError(f"{words} (status {status} from {self.url}): see the API's log")


def _path(campaign: str) -> str:
    return f"/v1/campaigns/{quote(campaign, safe='')}"


def _address(settings: Settings) -> str:
    """The API's address: as set; else where `postil up` put it when the usual port was taken."""
    remembered = settings.folder / "ports.json"
    if settings.url != Settings.url or not remembered.is_file():
        return settings.url
    port = json.loads(remembered.read_text()).get("api")
    return f"http://127.0.0.1:{port}" if port else settings.url


def _problem(response: httpx.Response) -> tuple[str, str | None]:
    """(words, field at fault) of a problem detail (RFC 9457), or of whatever else came."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return f"{response.reason_phrase or 'an error'}, without further words", None
    words = problem.get("detail") or problem.get("title") or response.reason_phrase
    return str(words), problem.get("field")
