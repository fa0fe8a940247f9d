"""Label Studio over HTTP: projects, webhooks, tasks, predictions and annotations.

One call does one thing. What to push, what to delete and when is decided elsewhere, and so is what an answer
means (`problems`). Nothing is retried here: the jobs that call are.
"""

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Any, Self, TypeVar

import httpx
import msgspec

from service.errors import Conflict, Invalid, LabelStudioRefused, LabelStudioUnavailable

Answer = TypeVar("Answer")

CHUNK = 500
"""Tasks, predictions or ids in one request: about half a second of Label Studio's time."""
ACCESS_TOKEN_S = 240
"""An access token lives 300 s; it is renewed before that."""
CHANGED = (
    "id,data,updated_at,annotations,"
    # Label Studio applies the one list to the annotations as well
    "result,was_cancelled,created_at,lead_time,completed_by,parent_prediction"
)
DELETE_CHUNK = 50
"""Tasks deleted in one request: each prediction that goes with them takes 2 ms, and annotators wait meanwhile."""
DELETE_TIMEOUT_S = 300.0
"""A model version goes in one request, at 6 ms a prediction."""
OVERLAP_S = 60
"""How far polling looks back: a slow transaction becomes visible after a quicker, later one."""

SERVING: dict[str, Any] = {
    "sampling": "Uncertainty sampling",  # the lowest score of the project's model version first
    "skip_queue": "IGNORE_SKIPPED",  # a skip ends a task
    "show_collab_predictions": True,
    "reveal_preannotations_interactively": False,
    "evaluate_predictions_automatically": False,
    "maximum_annotations": 1,  # more would serve started tasks first, whatever their score
    "show_skip_button": True,
}
WEBHOOK_ACTIONS = ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED", "TASKS_DELETED"]


class User(msgspec.Struct, frozen=True):
    id: int
    email: str


class NewTask(msgspec.Struct, frozen=True):
    """A task to import with its one prediction; `data["ext_id"]` is the key that makes a push repeatable."""

    data: dict[str, Any]
    model_version: str
    score: float
    """Place in the queue, 0..1: the lowest is served first."""
    result: list[dict[str, Any]]
    """As `problems` writes it; [] for a blind task, which keeps its place by its score."""


class NewPrediction(msgspec.Struct, frozen=True):
    """A prediction to add to a task that is there already."""

    task: int
    score: float
    result: list[dict[str, Any]]


class Annotation(msgspec.Struct, frozen=True):
    """One answer as Label Studio gives it; `result` is unchecked and may be anything."""

    id: int
    result: Any
    was_cancelled: bool
    """True for a skip; its result is then a copy of the prediction, not an answer."""
    created_at: datetime
    updated_at: datetime
    lead_time: float | None = None
    """Seconds the annotator took, as the browser counted them."""
    completed_by: int | None = None
    parent_prediction: int | None = None
    """The prediction the editor started from; None too once that prediction is deleted."""

    @property
    def origin(self) -> str:
        """How the pre-annotation was used: 'prediction' kept, 'prediction-changed', or 'manual'."""
        regions = self.result if isinstance(self.result, list) else []
        origins = {region.get("origin", "manual") for region in regions if isinstance(region, dict)}
        if origins == {"prediction"}:
            return "prediction"
        return "prediction-changed" if origins & {"prediction", "prediction-changed"} else "manual"


class ChangedTask(msgspec.Struct, frozen=True):
    """A task with all its annotations, skips among them."""

    id: int
    data: dict[str, Any]
    updated_at: datetime
    annotations: list[Annotation]

    @property
    def ext_id(self) -> str | None:
        return _ext_id(self.data)


class OpenTask(msgspec.Struct, frozen=True):
    """What a list tells of a task, whether or not it was answered."""

    id: int
    ext_id: str | None
    total_annotations: int
    """Answers; skips are not among them."""
    cancelled_annotations: int
    draft_exists: bool
    annotations: list[int]
    """Ids of answers and skips."""

    @property
    def started(self) -> bool:
        """Somebody answered, skipped or drafted. A page that is merely open cannot be seen."""
        return bool(self.annotations) or self.draft_exists


class _Id(msgspec.Struct):
    id: int


class _Data(msgspec.Struct):
    ext_id: Any = None


class _Listed(msgspec.Struct):
    id: int
    data: _Data
    total_annotations: int
    cancelled_annotations: int
    draft_exists: bool
    annotations: list[_Id]


class _Keyed(msgspec.Struct):
    id: int
    data: _Data


class _Version(msgspec.Struct):
    model_version: str | None


class _Predicted(msgspec.Struct):
    id: int
    predictions: list[_Version]


class _Page(msgspec.Struct):
    tasks: msgspec.Raw


class _Project(msgspec.Struct):
    id: int
    description: str | None


class _Projects(msgspec.Struct):
    results: list[_Project]
    next: str | None


class _Hook(msgspec.Struct):
    id: int
    url: str
    project: int | None


class _Imported(msgspec.Struct):
    task_ids: list[int]


class _Created(msgspec.Struct):
    created: int


class _Deleted(msgspec.Struct):
    deleted_predictions: int


class _Release(msgspec.Struct):
    release: str


class _Access(msgspec.Struct):
    access: str


class Client:
    """Label Studio for one account.

    Every method raises LabelStudioUnavailable when there is no answer, or 5xx, 408 or 429, or one that is not
    Label Studio's; LabelStudioRefused on any other no.
    """

    def __init__(self, url: str, token: str, timeout_s: float = 30.0) -> None:
        """`token`: a legacy token, or a personal access token (a refresh JWT)."""
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Invalid(f"{url!r} is no address of Label Studio: it starts with http:// or https://", "url")
        if not token.isascii() or not token.isprintable() or not token.strip():
            raise Invalid("the Label Studio token is empty or holds strange characters", "token")
        self._auth = _Auth(self.url, token.strip())
        self._timeout_s = timeout_s
        self._http = httpx.Client(timeout=timeout_s, auth=self._auth, headers={"User-Agent": "postil"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def version(self) -> str:
        """Label Studio's release, such as '1.23.2'; needs no valid token."""
        return self.call(_Release, "GET", "/api/version/").release

    def user(self) -> User:
        """The account of the token: the cheapest call that fails on a wrong one."""
        return self.call(User, "GET", "/api/current-user/whoami")

    def ensure_project(self, title: str, label_config: str, instruction: str, key: str) -> int:
        """The id of the project whose description holds `key` as a word; made if there is none.

        On a project that is found the settings that serving depends on are set, and nothing else. Two callers
        at the same moment can make two projects; the older one is found from then on.
        """
        if key.split() != [key]:
            raise Invalid(f"the project key {key!r} has to be one word", "key")
        found = [it.id for it in self._projects() if key in (it.description or "").split()]
        with self._sdk("find or make a project") as sdk:
            if found:
                sdk.projects.update(min(found), **SERVING)
                return min(found)
            project = sdk.projects.create(
                title=title,
                description=key,
                label_config=label_config,
                expert_instruction=_paragraphs(instruction),
                show_instruction=bool(instruction),
                **SERVING,
            )
            return int(project.id)

    def update_project(
        self,
        project: int,
        title: str | None = None,
        label_config: str | None = None,
        instruction: str | None = None,
    ) -> None:
        """Change what is given. Label Studio refuses a label config that existing answers contradict."""
        changes: dict[str, Any] = {"title": title, "label_config": label_config}
        if instruction is not None:
            changes |= {"expert_instruction": _paragraphs(instruction), "show_instruction": bool(instruction)}
        with self._sdk(f"update project {project}") as sdk:
            sdk.projects.update(
                project, **{name: value for name, value in changes.items() if value is not None}
            )

    def ensure_webhook(self, project: int, url: str, headers: Mapping[str, str]) -> int:
        """The id of the project's webhook to `url`: made, or set to these headers; doubles are removed."""
        hooks = self.call(list[_Hook], "GET", "/api/webhooks/", {"project": project})
        mine = sorted(hook.id for hook in hooks if hook.project == project and hook.url == url)
        with self._sdk(f"set up the webhook of project {project}") as sdk:
            # an update without the actions would wipe them
            settings: dict[str, Any] = {
                "url": url,
                "headers": dict(headers),
                "actions": WEBHOOK_ACTIONS,
                "send_payload": True,
                "send_for_all_actions": False,
                "is_active": True,
            }
            for double in mine[1:]:
                sdk.webhooks.delete(double)
            if mine:
                sdk.webhooks.update(mine[0], **settings)
                return mine[0]
            return int(sdk.webhooks.create(project=project, **settings).id)

    def find_tasks(self, project: int, ext_ids: Collection[str]) -> dict[str, list[int]]:
        """Task ids by `data.ext_id`, ascending, for those that have a task; two ids are a double push."""
        found: dict[str, list[int]] = {}
        for chunk in _chunks(sorted(set(ext_ids)), CHUNK):
            wanted = set(chunk)
            where = [_is("data.ext_id", "in_list", "List", chunk)]
            for task in self._tasks(_Keyed, project, where, include="id,data"):
                if task.data.ext_id in wanted:
                    found.setdefault(task.data.ext_id, []).append(task.id)
        return found

    def list_tasks(self, project: int) -> list[OpenTask]:
        """Every task by id, with the ids of its annotations: what is missing here, somebody deleted.

        About 0.6 s for 1,000 tasks.
        """
        include = "id,data,total_annotations,cancelled_annotations,draft_exists,annotations.id"
        listed = self._tasks(_Listed, project, [], include=include, expand="annotations", fields="all")
        return [
            OpenTask(
                task.id,
                _ext_id({"ext_id": task.data.ext_id}),
                task.total_annotations,
                task.cancelled_annotations,
                task.draft_exists,
                sorted(annotation.id for annotation in task.annotations),
            )
            for task in listed
        ]

    def import_tasks(self, project: int, tasks: Sequence[NewTask]) -> list[int]:
        """Make tasks; their ids, in the order given. Each chunk is made whole or not at all.

        Not repeatable by itself: after a failure look for what is there with `find_tasks`, import the rest.
        """
        ids: list[int] = []
        path = f"/api/projects/{project}/import"
        for chunk in _chunks(tasks, CHUNK):
            body = [
                {
                    "data": task.data,
                    "predictions": [
                        {"model_version": task.model_version, "score": task.score, "result": task.result}
                    ],
                }
                for task in chunk
            ]
            made = self.call(_Imported, "POST", path, {"return_task_ids": "true"}, body).task_ids
            if len(made) != len(chunk):
                raise LabelStudioUnavailable(
                    f"POST {path}: {len(made)} ids for {len(chunk)} tasks: look what is there, and repeat"
                )
            ids += made
        return ids

    def add_predictions(self, project: int, rows: Sequence[NewPrediction], model_version: str) -> int:
        """Give tasks a prediction of this version; how many were written.

        Repeatable: tasks that have one of this version already are left out, and so are tasks that are no
        more. Label Studio does not check these results.
        """
        written = 0
        path = f"/api/projects/{project}/import/predictions"
        for chunk in _chunks(rows, CHUNK):
            missing = self._without_version(project, [row.task for row in chunk], model_version)
            body = [
                {"task": row.task, "score": row.score, "result": row.result, "model_version": model_version}
                for row in {row.task: row for row in chunk}.values()
                if row.task in missing
            ]
            if body:
                written += self.call(_Created, "POST", path, None, body).created
        return written

    def model_versions(self, project: int) -> dict[str, int]:
        """How many predictions there are of each version."""
        counts = self.call(dict[str, int], "GET", f"/api/projects/{project}/model-versions/")
        return {version: count for version, count in counts.items() if count}

    def model_version(self, project: int) -> str:
        """The version that is served and shown; '' before the first import."""
        return self.call(_Version, "GET", f"/api/projects/{project}/").model_version or ""

    def set_model_version(self, project: int, model_version: str) -> None:
        """Serve and show this version from now on: its scores are the order.

        Tasks without a prediction of it are served only when none with one is left, so a re-rank gives every
        open task one, blind tasks too. The first import sets the version, later imports do not.
        """
        self.send("PATCH", f"/api/projects/{project}/", body={"model_version": model_version})

    def delete_model_version(self, project: int, model_version: str) -> int:
        """Delete all predictions of a version; how many there were.

        A page that was opened on one of them can no longer be submitted (400), so delete a version only when
        it has been out of use for longer than a page stays open. Raises Conflict for the version in use,
        without which Label Studio would serve at random.

        On SQLite nobody can submit while it runs. Versions that stay cost too: time to list and to delete tasks
        grows with them, so keep a handful.
        """
        if model_version == self.model_version(project):
            raise Conflict(
                f"model version {model_version!r} is in use in project {project}: set another one first"
            )
        path = f"/api/projects/{project}/model-versions/"
        body = {"model_version": model_version}
        response = self.send("DELETE", path, body=body, timeout_s=DELETE_TIMEOUT_S)
        return self._decode(_Deleted, response.content, f"DELETE {path}").deleted_predictions

    def delete_unstarted(self, project: int, task_ids: Collection[int]) -> list[int]:
        """Delete those of the tasks that nobody answered, skipped or drafted; which of them are gone.

        It cannot see a page that is open: who submits there is refused and the answer is lost. So never pass
        the head of the queue.
        """
        untouched = {
            "conjunction": "and",
            "items": [
                _is("total_annotations", "equal", "Number", 0),
                _is("cancelled_annotations", "equal", "Number", 0),
                _is("draft_exists", "equal", "Boolean", False),
            ],
        }
        gone: list[int] = []
        # an empty list of included ids would mean every task; there are no empty chunks
        for chunk in _chunks(sorted(set(task_ids)), DELETE_CHUNK):
            self.send(
                "POST",
                "/api/dm/actions",
                {"id": "delete_tasks", "project": project},
                {"filters": untouched, "selectedItems": {"all": False, "included": chunk}},
            )
            left = self._ids(project, [_is("id", "in_list", "List", chunk)])
            gone += [task for task in chunk if task not in left]
        return gone

    def changed_tasks(
        self, project: int, since: datetime | None, overlap_s: float = OVERLAP_S, page_size: int = CHUNK
    ) -> Iterator[list[ChangedTask]]:
        """Pages of the tasks that changed since, oldest change first, with all their annotations.

        The `updated_at` of the last task of a page is the cursor to store and to pass as `since` next time
        (it is Label Studio's clock). What changed up to `overlap_s` before it comes again: keep what is new
        by annotation id and `updated_at`. An import, an answer, a skip, an edit and a deleted annotation are
        changes; a draft, a prediction and a deleted task are not: see `list_tasks`.
        """
        cursor = since - timedelta(seconds=overlap_s) if since else datetime(1970, 1, 1, tzinfo=UTC)
        seen: set[tuple[int, datetime]] = set()
        page = 1
        while True:
            tasks = self._page(
                list[ChangedTask],
                project,
                [_is("updated_at", "greater_or_equal", "Datetime", _instant(cursor))],
                "updated_at",
                {
                    "page": page,
                    "page_size": page_size,
                    "include": CHANGED,
                    "fields": "all",
                },
            )
            fresh = [task for task in tasks if (task.id, task.updated_at) not in seen]
            if fresh:
                yield fresh
            if len(tasks) < page_size:
                return
            # Going on from the last change, not to the next page: pages shift when a task changes meanwhile.
            # Only a page of one single instant is turned.
            seen.update((task.id, task.updated_at) for task in tasks)
            last = tasks[-1].updated_at
            page, cursor = (1, last) if last > cursor else (page + 1, cursor)

    def call(
        self,
        answer: type[Answer],
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
    ) -> Answer:
        """`send`, and the answer's JSON as `answer`."""
        return self._decode(answer, self.send(method, path, params, body).content, f"{method} {path}")

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

    def _projects(self) -> Iterator[_Project]:
        """Not through the SDK, which takes half an answer for an empty list."""
        page: dict[str, str | int] = {"page": 1, "page_size": 100, "ordering": "id"}
        while True:
            answer = self.call(_Projects, "GET", "/api/projects/", page | {"include": "id,description"})
            yield from answer.results
            if not answer.next:
                return
            page["page"] = int(page["page"]) + 1

    def _without_version(self, project: int, tasks: list[int], model_version: str) -> set[int]:
        """Those of the tasks that exist and have no prediction of this version."""
        chosen = _is("id", "in_list", "List", tasks)
        # Label Studio looks for a part of the name; the few tasks it finds are then looked at
        perhaps = [chosen, _is("predictions_model_versions", "contains", "List", [model_version])]
        have = {
            task.id
            for task in self._tasks(_Predicted, project, perhaps, include="id,predictions", fields="all")
            if any(prediction.model_version == model_version for prediction in task.predictions)
        }
        return self._ids(project, [chosen]) - have

    def _ids(self, project: int, where: list[dict[str, Any]]) -> set[int]:
        return {task.id for task in self._tasks(_Id, project, where, include="id")}

    def _tasks(
        self, kind: type[Any], project: int, where: list[dict[str, Any]], **params: str
    ) -> Iterator[Any]:
        """Tasks by id. Each page starts after the last id seen, so tasks deleted meanwhile shift nothing."""
        after = 0
        while True:
            tasks: list[Any] = self._page(
                list[kind],  # type: ignore[valid-type]
                project,
                [*where, _is("id", "greater", "Number", after)],
                "id",
                {"page": 1, "page_size": 2 * CHUNK, **params},
            )
            yield from tasks
            if len(tasks) < 2 * CHUNK:
                return
            after = tasks[-1].id

    def _page(
        self,
        kind: type[Answer],
        project: int,
        where: list[dict[str, Any]],
        order: str,
        params: Mapping[str, str | int],
    ) -> Answer:
        # without resolve_uri=false a text that looks like an address of a file store would come back changed
        response = self.send(
            "GET",
            "/api/tasks/",
            {"project": project, "resolve_uri": "false", **params},
            {"filters": {"conjunction": "and", "items": where}, "ordering": [f"tasks:{order}"]},
            absent=int(params["page"]) > 1,
        )
        where_at = "GET /api/tasks/"
        if response.status_code == HTTPStatus.NOT_FOUND:  # a page past the last one
            return self._decode(kind, b"[]", where_at)
        return self._decode(kind, self._decode(_Page, response.content, where_at).tasks, where_at)

    def _decode(self, kind: type[Answer], content: bytes | msgspec.Raw, what: str) -> Answer:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LabelStudioUnavailable(
                f"{what}: the answer is not Label Studio's ({error}): is {self.url} its address?"
            ) from None

    @contextmanager
    def _sdk(self, what: str) -> Iterator[Any]:
        """Label Studio's own SDK over our connection, with its errors made ours.

        It retries POSTs unless told not to. The token it is given is not one: `_Auth` signs every request.
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


class _Auth(httpx.Auth):
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


def _is(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    """A filter of Label Studio's data manager."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _chunks(items: Sequence[Answer], size: int) -> Iterator[Sequence[Answer]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _ext_id(data: Mapping[str, Any]) -> str | None:
    """The key, or None where somebody else made the task."""
    ext_id = data.get("ext_id")
    return ext_id if isinstance(ext_id, str) else None


def _paragraphs(text: str) -> str:
    """Plain text as the HTML that Label Studio takes for an instruction."""
    return escape(text).replace("\n", "<br>")


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
