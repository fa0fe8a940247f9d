"""What a demo run came to, as it is written to `summary.json`, and whether it holds."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec


class RoundResult(msgspec.Struct, frozen=True):
    """One round; times in seconds. Accuracies are None where nothing measured."""

    round: int
    labels: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    baseline_accuracy: float | None
    """Logistic regression on the base model's embeddings, with the same labels."""
    train_seconds: float | None
    score_seconds: float | None


class Summary(msgspec.Struct, frozen=True):
    campaign: str
    rounds_asked: int
    rounds: list[RoundResult]
    given: int
    """Answers that the scripted annotators gave."""
    annotations: int
    """Answers as Postil counts them."""
    label_studio_annotations: int
    """Answers in Label Studio's own database; skips are none."""
    seconds: float
    """The whole run, with the start of all servers."""

    def faults(self) -> list[str]:
        """What is wrong, in words; empty where every round was completed and no answer went missing."""
        found = []
        if len(self.rounds) < self.rounds_asked:
            found.append(f"{len(self.rounds)} of {self.rounds_asked} rounds were completed")
        if self.annotations < self.given:
            found.append(f"{self.given} answers were given, but Postil has {self.annotations}")
        if self.label_studio_annotations < self.annotations:
            found.append(
                f"Postil counts {self.annotations} answers, but Label Studio's database has "
                f"{self.label_studio_annotations}"
            )
        return found

    def write(self, path: Path) -> None:
        """As JSON; a reader never sees half of it."""
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        os.replace(draft, path)


def label_studio_answers(database: Path, project: int) -> int:
    """Answers (skips are none) to a project's tasks in Label Studio's own SQLite file, which is only read."""
    with closing(
        sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    ) as connection:
        query = "SELECT count(*) FROM task_completion WHERE project_id = ? AND was_cancelled = 0"
        return int(connection.execute(query, (project,)).fetchone()[0])
