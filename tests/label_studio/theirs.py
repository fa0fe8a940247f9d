"""A project as people have one: labeled for a while, with settings, tasks, predictions and a webhook of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.label_studio.annotator import Annotator, Served
from service.label_studio.client import Client

PAGE = """
<View>
  <Header value="What is it about?"/>
  <Text name="doc" value="$body"/>
  <Choices name="topic" toName="doc" choice="single" showInline="true">
    {choices}
  </Choices>
</View>
"""
COUNTED = {
    "task_number",
    "finished_task_number",
    "total_annotations_number",
    "total_predictions_number",
    "useful_annotation_number",
    "skipped_annotations_number",
    "num_tasks_with_annotations",
    "ground_truth_number",
    "queue_total",
    "queue_done",
    "state",
}
"""What Label Studio says of a project that people's work changes, and that is no setting."""


def project(client: Client, labels: Sequence[str], aliases: Mapping[str, str], **settings: Any) -> int:
    """A new project with Choices over these labels; its settings are Label Studio's defaults but for `settings`."""
    given = {label: f' alias="{alias}"' for label, alias in aliases.items()}
    choices = "\n    ".join(f'<Choice value="{label}"{given.get(label, "")}/>' for label in labels)
    body = {"title": "Ours for years", "label_config": PAGE.format(choices=choices), **settings}
    return int(client.call(dict[str, Any], "POST", "/api/projects/", None, body)["id"])


def add_tasks(client: Client, project: int, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
    """Import tasks as they are; their ids."""
    path, ids = f"/api/projects/{project}/import", list[int]()
    for start in range(0, len(tasks), 500):
        some = list(tasks[start : start + 500])
        ids += client.call(dict[str, Any], "POST", path, {"return_task_ids": "true"}, some)["task_ids"]
    return ids


def choice(token: str) -> list[dict[str, Any]]:
    """The result of choosing what `token` stands for."""
    return [{"from_name": "topic", "to_name": "doc", "type": "choices", "value": {"choices": [token]}}]


def answer(annotator: Annotator, task: int, token: str) -> int:
    """Answer a task that was opened by hand, without anything that was shown."""
    return annotator.submit(Served(task, {}, []), choice(token), 1.0)


def settings(client: Client, project: int) -> dict[str, Any]:
    """All that Label Studio says of a project and that is no count of what people did."""
    found = client.project(project) or {}
    return {name: value for name, value in found.items() if name not in COUNTED}


def tasks(client: Client, project: int) -> dict[int, dict[str, Any]]:
    """What people put into each task, for how many of them it is, and whether it is done."""
    kept = ("data", "meta", "overlap", "inner_id", "created_at", "file_upload", "is_labeled")
    found: dict[int, dict[str, Any]] = {}
    page = 1
    while True:
        params: dict[str, str | int] = {
            "project": project,
            "page": page,
            "page_size": 1000,
            "fields": "all",
            "include": ",".join(("id", *kept)),
        }
        response = client.send("GET", "/api/tasks/", params, absent=True)
        some = response.json().get("tasks", []) if response.is_success else []
        found |= {task["id"]: {name: task.get(name) for name in kept} for task in some}
        if len(some) < 1000:
            return found
        page += 1
