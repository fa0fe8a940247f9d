"""Tasks, predictions and annotations as they go into Label Studio and come out of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


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


class ChangedTask(msgspec.Struct, frozen=True):
    """A task with all its annotations, skips among them."""

    id: int
    data: dict[str, Any]
    updated_at: datetime
    annotations: list[Annotation]

    @property
    def ext_id(self) -> str | None:
        return ext_id(self.data)


class OpenTask(msgspec.Struct, frozen=True):
    """What a list tells of a task, whether or not it was answered."""

    id: int
    ext_id: str | None
    total_annotations: int
    """Answers; skips are not among them."""
    cancelled_annotations: int
    draft_exists: bool
    annotations: dict[int, datetime]
    """When each answer and skip was last changed, by its id."""

    @property
    def started(self) -> bool:
        """Somebody answered, skipped or drafted. A page that is merely open cannot be seen."""
        return bool(self.annotations) or self.draft_exists


def ext_id(data: Mapping[str, Any]) -> str | None:
    """The key, or None where somebody else made the task."""
    found = data.get("ext_id")
    return found if isinstance(found, str) else None
