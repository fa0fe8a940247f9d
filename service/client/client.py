"""The API over HTTP, a method for each thing that one may ask of it."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote, urlsplit

import httpx

from service.client import archives, events
from service.client.events import Event
from service.client.views import (
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
    Pool,
    Predictions,
    Receipt,
    Reviewed,
    Round,
    Strategy,
    Synthesis,
    Task,
    Token,
)
from service.errors import Conflict, Forbidden, Invalid, NotFound, PostilError, Unauthorized
from service.pool import forms
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
CHUNK_BYTES = 1 << 18
LOOK_S = 1.0


class Unreachable(PostilError):
    """The API did not answer, or broke off."""


class Client:
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
    def here(cls) -> Self:
        """The API that this process' environment names: POSTIL_URL, POSTIL_TOKEN or the file in POSTIL_DATA."""
        return cls.of(Settings.read())

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

    def strategies(self) -> list[Strategy]:
        return cast(list[Strategy], self._get("/v1/strategies")["strategies"])

    def add_examples(self, campaign: str, examples: Iterable[Mapping[str, Any]]) -> Receipt:
        """Add texts to the pool, as they come: mappings with `text`, and `id`, `domain`, `meta`, or what is known."""
        return self.add_pool(campaign, _lines(examples), "jsonl")

    def add_file(self, campaign: str, path: str | Path) -> Receipt:
        """Add the texts of a JSONL, CSV or Parquet file by its name, plain or compressed; raises Invalid."""
        form, encoding, chunks = _file(path)
        return self.add_pool(campaign, chunks, form, encoding)

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

    def add_known(self, campaign: str, labels: Iterable[Mapping[str, Any]], test: bool = False) -> Receipt:
        """Known labels, or the test set, of mappings with `label`, `labels` or `spans`, and `text` or `id`."""
        return self.add_labels(campaign, _lines(labels), "jsonl", test=test)

    def change_labels(self, campaign: str, **change: Any) -> LabelChange:
        """Fields as in `service.http.schemas.LabelChangeBody`."""
        return cast(LabelChange, self._send("POST", f"{_path(campaign)}/labels/changes", json=change).json())

    def label_changes(self, campaign: str) -> LabelChanges:
        return cast(LabelChanges, self._get(f"{_path(campaign)}/labels/changes"))

    def rounds(self, campaign: str) -> list[Round]:
        return cast(list[Round], self._get(f"{_path(campaign)}/rounds")["rounds"])

    def begin_round(self, campaign: str) -> Asked:
        return cast(Asked, self._send("POST", f"{_path(campaign)}/rounds").json())

    def wait(self, campaign: str, number: int, seconds: float = 3600.0) -> Round:
        """Round `number`, once it has ordered the queue.

        Raises PostilError where it fails, Unreachable where it takes longer than `seconds`.
        """
        until = time.monotonic() + seconds
        while True:
            found = next((one for one in self.rounds(campaign) if one["number"] == number), None)
            if found is not None and found["state"] == "failed":
                raise PostilError(f"round {number} failed: {found['error']}; see the log of the GPU worker")
            if found is not None and found["ranked_at"] is not None:
                return found
            if time.monotonic() > until:
                raise Unreachable(
                    f"round {number} did not end within {seconds:.0f} s: see the campaign's jobs"
                )
            time.sleep(LOOK_S)

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

    def queue(self, campaign: str, limit: int = 100) -> list[Task]:
        """The first `limit` tasks, in the order in which they will be served."""
        return cast(list[Task], self._get(f"{_path(campaign)}/queue?limit={limit}")["tasks"])

    def pool(self, campaign: str) -> Pool:
        """Shards and uploads."""
        return cast(Pool, self._get(f"{_path(campaign)}/pool"))

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

    def records(self, campaign: str, what: str = "labels", **more: float) -> Iterator[dict[str, Any]]:
        """The objects of an export, as they come: `labels`, `annotations`, `pool` or `auto-labels`."""
        with self.export(campaign, what, "jsonl", **more) as (chunks, _):
            held = b""
            for chunk in chunks:
                *whole, held = (held + chunk).split(b"\n")
                yield from (json.loads(line) for line in whole if line)
            if held:
                yield json.loads(held)

    def save_adapter(self, campaign: str, number: int, folder: str | Path) -> None:
        """Make a folder of one round's adapter, in PEFT's format; raises Conflict where it is there already."""
        archives.absent(Path(folder))
        with self.adapter(campaign, number) as chunks:
            archives.unpack(chunks, Path(folder))

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


def _lines(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for one in objects:
        yield json.dumps(one, ensure_ascii=False).encode() + b"\n"


def _file(path: str | Path) -> tuple[Form, str, Iterator[bytes]]:
    """(form, encoding, bytes) of a file; raises Invalid where its name does not say, or it cannot be read."""
    form = forms.form_of(str(path))
    if form is None:
        raise Invalid(f"{path}: neither .jsonl, .ndjson, .csv nor .parquet", "path")
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed by the one who reads it
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", "path") from None

    def chunks() -> Iterator[bytes]:
        with file:
            yield from iter(lambda: file.read(CHUNK_BYTES), b"")

    return form, forms.encoding_of(str(path)), chunks()


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
