"""A whole campaign on real parts, for tests: the API as an engineer uses it, Label Studio as annotators do."""

import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

from service.errors import LabelStudioRefused, LabelStudioUnavailable
from service.label_studio.annotator import Annotator, Served, invite
from service.label_studio.client import Client
from service.label_studio.problems import Problem, problem
from service.settings import Settings
from service.stack.stack import Stack
from tests.learner.conftest import FILLER, TOPICS

PASSWORD = "long enough 8412"
Answerer = Callable[[Served, np.random.Generator], Any]
"""What a person says of a task, as the campaign's problem has it; None skips it."""


def wait(true: Callable[[], Any], what: str, seconds: float = 240.0) -> Any:
    """Until `true` gives something, and that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.3)
    raise AssertionError(f"in vain for {seconds:.0f} s: {what}")


class World:
    """The running stack, and what is needed to look into it."""

    def __init__(self, stack: Stack | Settings, studio: Path | None = None) -> None:
        """`studio`: the data folder of a Label Studio that is not the stack's own.

        Settings are those of an installation that no stack looks after.
        """
        self.settings = stack if isinstance(stack, Settings) else stack.settings
        self._stack = stack
        self.studio = studio or Path(self.settings.data) / "label-studio"
        token = (Path(self.settings.data) / "token").read_text().strip()
        self.api = httpx.Client(
            base_url=self.settings.url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self.label_studio = Client(self.settings.label_studio_url, self.settings.label_studio_token)

    @property
    def stack(self) -> Stack:
        assert isinstance(self._stack, Stack)
        return self._stack

    def create(self, **campaign: Any) -> str:
        answer = self.api.post("/v1/campaigns", json={"name": uuid.uuid4().hex[:12], **campaign})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def post(self, path: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        answer = self.api.post(path, content=body, headers={"Content-Type": "application/x-ndjson"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def get(self, path: str) -> dict[str, Any]:
        """GET, patient with an API that is just being restarted."""
        for _ in range(100):
            try:
                answer = self.api.get(path)
            except httpx.TransportError:
                time.sleep(0.3)
                continue
            assert answer.status_code == 200, answer.text
            return dict(answer.json())
        raise AssertionError(f"the API did not come back for {path}")

    def status(self, campaign: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/campaigns/{campaign}")["status"])

    def answered(self, campaign: str) -> int:
        return int(self.status(campaign)["annotations"].get("answer", 0))

    def rounds(self, campaign: str) -> list[dict[str, Any]]:
        return list(self.get(f"/v1/campaigns/{campaign}/rounds")["rounds"])

    def last_round(self, campaign: str) -> dict[str, Any]:
        """The newest round; {} before the first."""
        return (self.rounds(campaign) or [{}])[-1]

    def wait(self, true: Callable[[], Any], what: str, seconds: float = 240.0) -> Any:
        return wait(true, what, seconds)

    def project(self, campaign: str) -> int:
        found = self.wait(
            lambda: (self.get(f"/v1/campaigns/{campaign}")["label_studio"] or {}).get("project"),
            "a project in Label Studio",
        )
        self.wait(lambda: self.label_studio.list_tasks(found), "the first tasks")
        return int(found)

    def annotator(self) -> Annotator:
        token = invite(self.label_studio, f"{uuid.uuid4().hex[:10]}@postil.test", PASSWORD)
        return Annotator(self.label_studio.url, token)

    def answers_in_label_studio(self, project: int) -> dict[int, str]:
        """{annotation id: data.ext_id}, skips left out, out of Label Studio's own database."""
        path = self.studio / "label_studio.sqlite3"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as connection:
            rows = connection.execute(
                "SELECT c.id, json_extract(t.data, '$.ext_id') FROM task_completion c JOIN task t ON t.id = c.task_id"
                " WHERE t.project_id = ? AND c.was_cancelled = 0",
                (project,),
            )
            return dict(rows.fetchall())

    def annotations(self, campaign: str) -> list[dict[str, Any]]:
        """Every revision that Postil has, oldest first."""
        answer = self.api.get(f"/v1/campaigns/{campaign}/export", params={"what": "annotations"})
        assert answer.status_code == 200, answer.text
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    def labels(self, campaign: str) -> list[dict[str, Any]]:
        """What the campaign believes."""
        answer = self.api.get(f"/v1/campaigns/{campaign}/export", params={"what": "labels"})
        assert answer.status_code == 200, answer.text
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    def assert_nothing_lost(self, campaign: str, project: int) -> None:
        """Every answer in Label Studio is in Postil exactly once, and no example was queued twice."""
        theirs = self.answers_in_label_studio(project)
        self.wait(
            lambda: (
                self.status(campaign)["annotations"]["answer"] == len(self.answers_in_label_studio(project))
            ),
            f"{len(theirs)} answers of Label Studio in Postil",
            60,
        )
        ours = Counter(one["annotation"] for one in self.annotations(campaign) if one["kind"] == "answer")
        assert set(ours) == set(theirs)
        tasks = Counter(task.ext_id for task in self.label_studio.list_tasks(project))
        assert [ext_id for ext_id, count in tasks.items() if count > 1] == []

    def close(self) -> None:
        self.api.close()
        self.label_studio.close()


class People:
    """Annotators who work at once, each in a thread, until `stop` or until nothing more is served.

    They are as patient as people: when Label Studio is away they try again.
    """

    def __init__(
        self,
        world: World,
        project: int,
        labels: list[str],
        answer: Answerer,
        people: int = 2,
        seed: int = 0,
        kind: str = "single_label",
    ) -> None:
        self.world, self.project, self.answer = world, project, answer
        self.asks: Problem = problem(kind, labels)
        self.given = 0
        self.idle: list[int] = []
        """How many tasks were done whenever `next` said that there was nothing to do."""
        self.done = 0
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(world.annotator(), np.random.default_rng([seed, one])))
            for one in range(people)
        ]

    def __enter__(self) -> "People":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def _work(self, annotator: Annotator, rng: np.random.Generator) -> None:
        with annotator:
            while not self._stop.is_set():
                try:
                    self._one(annotator, rng)
                except LabelStudioUnavailable:
                    time.sleep(0.5)
                except BaseException as error:  # noqa: BLE001 - raised again by stop()
                    self.failures.append(error)
                    return

    def _one(self, annotator: Annotator, rng: np.random.Generator) -> None:
        task = annotator.next(self.project)
        if task is None:
            self.idle.append(self.done)
            time.sleep(0.3)
            return
        said = self.answer(task, rng)
        try:
            if said is None:
                annotator.skip(task)
            else:
                annotator.submit(task, self.asks.to_result(said), 1.0)
        except LabelStudioRefused as error:
            # Label Studio serves a task of overlap 1 to two people now and then, and a restart drops locks.
            if "400" not in str(error) and "404" not in str(error):
                raise
            return
        with self._lock:
            self.given += said is not None
            self.done += 1


def worded(times: int) -> dict[str, str]:
    """{text: the word in it that tells its topic}: each word of TOPICS so many times, among FILLER."""
    rng = np.random.default_rng(0)
    words = [str(word) for topic in TOPICS for word in topic]
    return {f"{' '.join(rng.choice(FILLER, 4))} {word} {at}": word for at in range(times) for word in words}


def topical(times: int, labels: list[str]) -> dict[str, str]:
    """{text: its topic's label} of `worded`."""
    label = {word: name for topic, name in zip(TOPICS, labels, strict=True) for word in topic}
    return {text: label[word] for text, word in worded(times).items()}


def truthful(truth: dict[str, str], labels: list[str], wrong: float = 0.0, skips: float = 0.0) -> Answerer:
    """Answers from the truth, wrong or skipped now and then."""

    def answer(task: Served, rng: np.random.Generator) -> str | None:
        luck = rng.random()
        if luck < skips:
            return None
        if luck < skips + wrong:
            return str(rng.choice(labels))
        return truth[task.data["text"]]

    return answer
