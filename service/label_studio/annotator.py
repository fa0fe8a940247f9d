"""What a person does in Label Studio, through its API: for the demo and the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from service.errors import LabelStudioRefused, LabelStudioUnavailable
from service.label_studio.client import Client


class Prediction(msgspec.Struct, frozen=True):
    id: int
    result: list[dict[str, Any]]
    score: float | None
    model_version: str | None


class Served(msgspec.Struct, frozen=True):
    """A task as it opens before an annotator, with the prediction shown, where there is one."""

    id: int
    data: dict[str, Any]
    predictions: list[Prediction]

    @property
    def shown(self) -> Prediction | None:
        return self.predictions[0] if self.predictions else None


class _Made(msgspec.Struct):
    id: int


class _Invitation(msgspec.Struct):
    invite_url: str


class _Token(msgspec.Struct):
    token: str


class Annotator:
    """One annotator's account. A task that is served is locked for them until they answer or skip it."""

    def __init__(self, url: str, token: str, timeout_s: float = 30.0) -> None:
        self._client = Client(url, token, timeout_s)
        self.user = self._client.user()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def next(self, project: int) -> Served | None:
        """The task to label now; None when there is nothing left. Asking again serves the same one."""
        path = f"/api/projects/{project}/next/"
        response = self._client.send("GET", path, absent=True)
        if response.status_code == HTTPStatus.NOT_FOUND:
            if "no tasks" in response.text:
                return None
            raise LabelStudioRefused(f"GET {path}: 404: there is no project {project} for {self.user.email}")
        try:
            return msgspec.json.decode(response.content, type=Served)
        except msgspec.DecodeError as error:
            raise LabelStudioUnavailable(f"GET {path}: the answer is not Label Studio's ({error})") from None

    def submit(self, task: Served, result: list[dict[str, Any]], lead_time: float) -> int:
        """Answer as the editor does, naming the prediction it started from; the annotation's id. Seconds."""
        return self._annotate(task, {"result": result, "lead_time": lead_time})

    def skip(self, task: Served, lead_time: float = 1.0) -> int:
        """Skip as the editor does, with the prediction's result left in place; the annotation's id."""
        result = task.shown.result if task.shown else []
        return self._annotate(task, {"result": result, "lead_time": lead_time, "was_cancelled": True})

    def draft(self, task: Served, result: list[dict[str, Any]]) -> int:
        """Leave an answer unfinished, as the editor does while one is being made; the draft's id."""
        body = {"result": result, "lead_time": 1.0}
        return self._client.call(_Made, "POST", f"/api/tasks/{task.id}/drafts", None, body).id

    def update(self, annotation: int, result: list[dict[str, Any]]) -> None:
        self._client.send("PATCH", f"/api/annotations/{annotation}/", body={"result": result})

    def delete(self, annotation: int) -> None:
        self._client.send("DELETE", f"/api/annotations/{annotation}/")

    def _annotate(self, task: Served, body: dict[str, Any]) -> int:
        if task.shown:
            body["parent_prediction"] = task.shown.id
        return self._client.call(_Made, "POST", f"/api/tasks/{task.id}/annotations/", None, body).id


def invite(admin: Client, email: str, password: str) -> str:
    """Make an annotator's account through the organization's invite link; its legacy token.

    An account that exists already is logged into. Raises LabelStudioRefused when the password is too weak, or
    is not the account's.
    """
    invitation = admin.call(_Invitation, "GET", "/api/invite").invite_url
    link = urlsplit(invitation)
    with httpx.Client(base_url=admin.url, timeout=30) as browser:
        form = {"email": email, "password": password}
        if not _post_form(browser, f"{link.path}?{link.query}", form) and not _post_form(
            browser, "/user/login/", form
        ):
            raise LabelStudioRefused(
                f"POST {link.path}: {admin.url} made no account for {email}: take a longer password, "
                "or the one the account has"
            )
        return _token(browser, "GET", "/api/current-user/token")


def personal_access_token(url: str, email: str, password: str) -> str:
    """Make the account's personal access token. It is shown once: a second call is refused (409)."""
    with httpx.Client(base_url=url, timeout=30) as browser:
        if not _post_form(browser, "/user/login/", {"email": email, "password": password}):
            raise LabelStudioRefused(f"POST /user/login/: {url} does not let {email} in: check the password")
        return _token(browser, "POST", "/api/token/")


def _post_form(browser: httpx.Client, path: str, fields: dict[str, str]) -> bool:
    """Fill in a form of Label Studio's pages; whether it was taken."""
    with _reaching(browser, path):
        browser.get(path).raise_for_status()
        data = fields | {"csrfmiddlewaretoken": browser.cookies.get("csrftoken", "")}
        return browser.post(path, data=data, headers={"Referer": f"{browser.base_url}"}).is_redirect


def _token(browser: httpx.Client, method: str, path: str) -> str:
    with _reaching(browser, path):
        csrf = browser.cookies.get("csrftoken") or ""
        headers = {"X-CSRFToken": csrf, "Referer": f"{browser.base_url}"}
        response = browser.request(method, path, headers=headers)
        if response.is_success:
            return msgspec.json.decode(response.content, type=_Token).token
    raise LabelStudioRefused(
        f"{method} {path}: {response.status_code} without a token: it was made before, or this kind of token is "
        "off in Label Studio's organization settings"
    )


@contextmanager
def _reaching(browser: httpx.Client, path: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        raise LabelStudioUnavailable(f"{path}: no answer from {browser.base_url} ({error})") from None
