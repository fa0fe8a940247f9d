"""The scripted annotator at the real Label Studio."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.demo.labeler import Labeler, Truth, label
from service.demo.summary import label_studio_answers
from service.label_studio.annotator import Annotator, invite
from service.label_studio.client import Client
from service.label_studio.problems import SingleLabel
from service.label_studio.tasks import NewTask

MOODS = SingleLabel(("good", "bad"))
TRUTH = Truth((f"text {n}", "bad" if n % 3 else "good") for n in range(12))


@pytest.fixture(scope="module")
def client(label_studio: Any) -> Iterator[Client]:
    with Client(label_studio.url, label_studio.token) as client:
        yield client


@pytest.fixture(scope="module")
def annotators(client: Client) -> Iterator[list[Annotator]]:
    tokens = [invite(client, f"{uuid.uuid4().hex[:12]}@postil.test", "long enough 8412") for _ in range(2)]
    with Annotator(client.url, tokens[0]) as ann, Annotator(client.url, tokens[1]) as ben:
        yield [ann, ben]


@pytest.fixture
def project(client: Client) -> int:
    return client.ensure_project("Moods", MOODS.label_config(), "", f"postil:{uuid.uuid4()}")


def push(client: Client, project: int, texts: list[str]) -> None:
    tasks = [NewTask({"text": text, "ext_id": text}, "r0", n / 100, []) for n, text in enumerate(texts)]
    client.import_tasks(project, tasks)


def answers(client: Client, project: int) -> dict[str, list[str | None]]:
    """Text -> the labels given, None for a skip."""
    tasks = [task for page in client.changed_tasks(project, None) for task in page]
    return {
        task.data["text"]: [
            None if one.was_cancelled else MOODS.from_result(one.result) for one in task.annotations
        ]
        for task in tasks
    }


def test_texts_that_differ_in_white_space_alone_have_one_truth() -> None:
    assert TRUTH.of("text  1\n") == "bad"
    assert TRUTH.of("text 3") == "good"
    assert TRUTH.of("text 99") is None


def test_it_answers_with_the_truth_and_skips_what_it_does_not_know(
    client: Client, annotators: list[Annotator], project: int
) -> None:
    push(client, project, ["text 0", "never seen", "text 1"])
    labeler = Labeler(annotators[0], project, MOODS, TRUTH, pace_s=0)

    turns = [labeler.turn() for _ in range(4)]

    assert turns == [True, True, True, False]
    assert (labeler.answers, labeler.skips) == (2, 1)
    assert answers(client, project) == {"text 0": ["good"], "text 1": ["bad"], "never seen": [None]}


def test_its_lead_time_is_the_time_that_it_took(
    client: Client, annotators: list[Annotator], project: int
) -> None:
    push(client, project, ["text 0", "text 1"])
    labeler = Labeler(annotators[0], project, MOODS, TRUTH, pace_s=1.0)
    labeler.turn()
    labeler.turn()

    times = [
        one.lead_time
        for page in client.changed_tasks(project, None)
        for task in page
        for one in task.annotations
    ]

    assert len(times) == 2
    assert all(time is not None and 0 <= time <= 1.0 for time in times)


def test_two_share_a_count_and_wait_where_there_is_no_task(
    client: Client, annotators: list[Annotator], project: int
) -> None:
    push(client, project, [f"text {n}" for n in range(5)] + ["never seen"])
    labelers = [Labeler(one, project, MOODS, TRUTH, pace_s=0) for one in annotators]
    told: list[bool] = []
    one_at_a_time = threading.Lock()

    def on_turn(answered: bool) -> None:
        with one_at_a_time:
            told.append(answered)
            if not answered and told.count(False) == 3:
                push(client, project, [f"text {n}" for n in range(5, 10)])

    label(labelers, 8, on_turn)

    assert sum(one.answers for one in labelers) == told.count(True) == 8
    given = [value for values in answers(client, project).values() for value in values if value is not None]
    assert len(given) == 8


def test_answers_are_counted_in_label_studios_own_database(
    client: Client,
    annotators: list[Annotator],
    project: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    database = next(tmp_path_factory.getbasetemp().glob("label-studio*/data/label_studio.sqlite3"))
    push(client, project, ["text 0", "never seen", "text 1", "text 2"])
    labeler = Labeler(annotators[0], project, MOODS, TRUTH, pace_s=0)
    for _ in range(3):
        labeler.turn()

    assert label_studio_answers(Path(database), project) == 2
    assert label_studio_answers(Path(database), project + 1000) == 0
