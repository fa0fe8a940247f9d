"""Label Studio over HTTP: projects, webhooks, tasks, predictions and annotations.

One call does one thing. What to push, what to delete and when is decided elsewhere, and so is what an answer
means (`problems`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from http import HTTPStatus
from typing import Any

import msgspec

from service.errors import Conflict, Invalid, LabelStudioUnavailable
from service.label_studio.session import Answer, Session
from service.label_studio.tasks import ChangedTask, NewPrediction, NewTask, OpenTask, ext_id

CHUNK = 500
"""Tasks, predictions or ids in one request: about half a second of Label Studio's time."""
CHANGED = (
    "id,data,updated_at,annotations,"
    # Label Studio applies the one list to the annotations as well
    "result,was_cancelled,created_at,lead_time,completed_by,parent_prediction"
)
DELETE_CHUNK = 50
"""Tasks deleted in one request: each prediction that goes with them takes 2 ms, and annotators wait meanwhile."""
LONG_TIMEOUT_S = 300.0
"""A model version goes in one request, at 6 ms a prediction."""
TITLE_CHARS = (3, 50)
OVERLAP_S = 60
"""How far polling looks back: a slow transaction becomes visible after a quicker, later one."""

SERVING: dict[str, Any] = {
    "sampling": "Uncertainty sampling",  # the lowest score of the project's model version first
    "skip_queue": "IGNORE_SKIPPED",  # a skip ends a task
    "show_collab_predictions": True,
    "reveal_preannotations_interactively": False,
    "evaluate_predictions_automatically": False,
    "show_skip_button": True,
}
WEBHOOK_ACTIONS = ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED", "TASKS_DELETED"]


class User(msgspec.Struct, frozen=True):
    id: int
    email: str


class _Id(msgspec.Struct):
    id: int


class _Data(msgspec.Struct):
    ext_id: Any = None


class _Changed(msgspec.Struct):
    id: int
    updated_at: datetime


class _Listed(msgspec.Struct):
    id: int
    data: _Data
    total_annotations: int
    cancelled_annotations: int
    draft_exists: bool
    annotations: list[_Changed]


class _Shown(msgspec.Struct):
    id: int
    result: list[Any]


class _Counted(msgspec.Struct):
    id: int
    total_annotations: int
    cancelled_annotations: int
    predictions: list[_Shown]


class _Keyed(msgspec.Struct):
    id: int
    data: _Data


class _Version(msgspec.Struct):
    model_version: str | None


class _Overlap(msgspec.Struct):
    id: int
    overlap: int


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


class Hook(msgspec.Struct, frozen=True):
    """A webhook."""

    id: int
    url: str
    project: int | None
    headers: dict[str, Any] = {}


class _Imported(msgspec.Struct):
    task_ids: list[int]


class _Created(msgspec.Struct):
    created: int


class _Deleted(msgspec.Struct):
    deleted_predictions: int


class _Release(msgspec.Struct):
    release: str


class Client(Session):
    """Label Studio for one account; what its methods raise, see `Session`."""

    def version(self) -> str:
        """Label Studio's release, such as '1.23.2'; needs no valid token."""
        return self.call(_Release, "GET", "/api/version/").release

    def user(self) -> User:
        """The account of the token: the cheapest call that fails on a wrong one."""
        return self.call(User, "GET", "/api/current-user/whoami")

    def ensure_project(
        self, title: str, label_config: str, instruction: str, key: str, overlap: int = 1
    ) -> int:
        """The id of the project whose description holds `key` as a word; made if there is none.

        `overlap`: how many people answer each task; above 1, tasks that were begun are served first.

        On a project that is found the settings that serving depends on are set, and nothing else. Two callers
        at the same moment can make two projects; the older one is found from then on.
        """
        if key.split() != [key]:
            raise Invalid(f"the project key {key!r} has to be one word", "key")
        found = [it.id for it in self._projects() if key in (it.description or "").split()]
        with self.sdk("find or make a project") as sdk:
            if found:
                sdk.projects.update(min(found), **SERVING, maximum_annotations=overlap)
                return min(found)
            project = sdk.projects.create(
                title=_title(title),
                description=key,
                label_config=label_config,
                **instructing(instruction),
                **SERVING,
                maximum_annotations=overlap,
            )
            return int(project.id)

    def update_project(self, project: int, title: str, instruction: str) -> None:
        """Change what people read of the project."""
        with self.sdk(f"update project {project}") as sdk:
            sdk.projects.update(project, title=_title(title), **instructing(instruction))

    def update_labels(self, project: int, label_config: str) -> None:
        """Give the project another labeling page, whatever labels it had.

        Answers that say a label which the page has no more stay as they are: Label Studio's API takes such a page, its
        settings' form would not. The editor shows them without that label. What somebody changed of the page is gone.
        """
        with self.sdk(f"change the labels of project {project}") as sdk:
            sdk.projects.update(project, label_config=label_config)

    def ensure_webhook(self, project: int, url: str, headers: Mapping[str, str]) -> int:
        """The id of the project's webhook to `url`: made, or set to these headers; doubles are removed."""
        mine = sorted(hook.id for hook in self.webhooks(project) if hook.url == url)
        with self.sdk(f"set up the webhook of project {project}") as sdk:
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

    def project(self, project: int) -> dict[str, Any] | None:
        """All that Label Studio says of a project; None where there is none."""
        path = f"/api/projects/{project}/"
        response = self.send("GET", path, absent=True)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self.decode(dict[str, Any], response.content, f"GET {path}")

    def change_project(self, project: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """Set settings of a project; all of them as they are then. Some have Label Studio go through all tasks."""
        path = f"/api/projects/{project}/"
        response = self.send("PATCH", path, body=dict(values), timeout_s=LONG_TIMEOUT_S)
        return self.decode(dict[str, Any], response.content, f"PATCH {path}")

    def webhooks(self, project: int) -> list[Hook]:
        """Those of the project."""
        hooks = self.call(list[Hook], "GET", "/api/webhooks/", {"project": project})
        return [hook for hook in hooks if hook.project == project]

    def remove_webhook(self, project: int, url: str) -> None:
        """Delete the project's webhooks to `url`, where there are any."""
        for hook in self.webhooks(project):
            if hook.url == url:
                self.send("DELETE", f"/api/webhooks/{hook.id}/", absent=True)

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
        counts = "total_annotations,cancelled_annotations,draft_exists"
        include = f"id,data,{counts},annotations.id,annotations.updated_at"
        listed = self._tasks(_Listed, project, [], include=include, expand="annotations", fields="all")
        return [
            OpenTask(
                task.id,
                ext_id({"ext_id": task.data.ext_id}),
                task.total_annotations,
                task.cancelled_annotations,
                task.draft_exists,
                {one.id: one.updated_at for one in task.annotations},
            )
            for task in listed
        ]

    def tasks(self, project: int, ids: Collection[int]) -> Iterator[list[ChangedTask]]:
        """Pages of those of the tasks that are there, with all their annotations."""
        for chunk in _chunks(sorted(set(ids)), CHUNK):
            where = [_is("id", "in_list", "List", chunk)]
            yield list(self._tasks(ChangedTask, project, where, include=CHANGED, fields="all"))

    def tasks_after(
        self, project: int, after: int, until: int | None = None, page_size: int = CHUNK
    ) -> list[ChangedTask]:
        """A page of the tasks by id, those above `after` and up to `until`, with all their annotations."""
        where = [_is("id", "greater", "Number", after)]
        where += [] if until is None else [_is("id", "less_or_equal", "Number", until)]
        params: dict[str, str | int] = {
            "page": 1,
            "page_size": page_size,
            "include": CHANGED,
            "fields": "all",
        }
        return self._page(list[ChangedTask], project, where, "id", params)

    def newest_change(self, project: int) -> datetime | None:
        """When a task of the project was last changed; None where there is no task."""
        params: dict[str, str | int] = {"page": 1, "page_size": 1, "include": "id,updated_at"}
        newest = self._page(list[_Changed], project, [], "-updated_at", params)
        return newest[0].updated_at if newest else None

    def overlaps(self, project: int, ids: Collection[int]) -> dict[int, int]:
        """How many are to answer each of the tasks; what is not there is left out."""
        found: dict[int, int] = {}
        for chunk in _chunks(sorted(set(ids)), CHUNK):
            where = [_is("id", "in_list", "List", chunk)]
            found |= {
                task.id: task.overlap for task in self._tasks(_Overlap, project, where, include="id,overlap")
            }
        return found

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
        response = self.send("DELETE", path, body=body, timeout_s=LONG_TIMEOUT_S)
        return self.decode(_Deleted, response.content, f"DELETE {path}").deleted_predictions

    def ask_again(self, project: int, answers: Mapping[int, int]) -> None:
        """Have tasks served until each has so many answers and skips, {task: how many}; what is gone is left out.

        Label Studio shows nobody a task that they answered or skipped, so it goes to somebody else, who is to see no
        prediction: those of these tasks are emptied, and keep their places. Repeatable. About 50 ms a task.
        """
        for chunk in _chunks(sorted(answers), CHUNK):
            where = [_is("id", "in_list", "List", chunk)]
            include = "id,total_annotations,cancelled_annotations,predictions,result"
            for task in list(self._tasks(_Counted, project, where, include=include, fields="all")):
                number = answers[task.id]
                if task.total_annotations + task.cancelled_annotations < number:
                    for shown in task.predictions:
                        if shown.result:
                            blind = {"result": [], "project": project, "task": task.id}
                            self.send("PATCH", f"/api/predictions/{shown.id}/", body=blind)
                    # Whether a task is done Label Studio sees when an answer comes, and at no other time.
                    body = {"overlap": number, "is_labeled": False}
                    self.send("PATCH", f"/api/tasks/{task.id}/", body=body, absent=True)

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
        self,
        project: int,
        since: datetime | None,
        overlap_s: float = OVERLAP_S,
        page_size: int = CHUNK,
        until: int | None = None,
    ) -> Iterator[list[ChangedTask]]:
        """Pages of the tasks that changed since, oldest change first, with all their annotations.

        `until`: the greatest id of a task that is looked at.

        The `updated_at` of the last task of a page is the cursor to store and to pass as `since` next time
        (it is Label Studio's clock). What changed up to `overlap_s` before it comes again: keep what is new
        by annotation id and `updated_at`. An import, an answer, a skip, an edit and a deleted annotation are
        changes; a draft, a prediction and a deleted task are not: see `list_tasks`.
        """
        cursor = since - timedelta(seconds=overlap_s) if since else datetime(1970, 1, 1, tzinfo=UTC)
        known = [] if until is None else [_is("id", "less_or_equal", "Number", until)]
        seen: set[tuple[int, datetime]] = set()
        page = 1
        while True:
            tasks = self._page(
                list[ChangedTask],
                project,
                [_is("updated_at", "greater_or_equal", "Datetime", _instant(cursor)), *known],
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
        ordering = f"-tasks:{order[1:]}" if order.startswith("-") else f"tasks:{order}"
        # without resolve_uri=false a text that looks like an address of a file store would come back changed
        response = self.send(
            "GET",
            "/api/tasks/",
            {"project": project, "resolve_uri": "false", **params},
            {"filters": {"conjunction": "and", "items": where}, "ordering": [ordering]},
            absent=int(params["page"]) > 1,
        )
        where_at = "GET /api/tasks/"
        if response.status_code == HTTPStatus.NOT_FOUND:  # a page past the last one
            return self.decode(kind, b"[]", where_at)
        return self.decode(kind, self.decode(_Page, response.content, where_at).tasks, where_at)


def _is(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    """A filter of Label Studio's data manager."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _chunks(items: Sequence[Answer], size: int) -> Iterator[Sequence[Answer]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _title(name: str) -> str:
    """Label Studio takes 3 to 50 characters."""
    title = name if len(name) >= TITLE_CHARS[0] else f"Postil: {name}"
    return title if len(title) <= TITLE_CHARS[1] else title[: TITLE_CHARS[1] - 1] + "…"


def instructing(text: str) -> dict[str, Any]:
    """Plain text as the HTML that Label Studio takes for an instruction."""
    return {"expert_instruction": escape(text).replace("\n", "<br>"), "show_instruction": bool(text)}
