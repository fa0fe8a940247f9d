"""One administrator and two annotators at the real Label Studio, and a project of one's own for each test."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from service.label_studio.annotator import Annotator, invite
from service.label_studio.client import Client
from service.label_studio.problems import SingleLabel
from service.label_studio.tasks import NewTask

PASSWORD = "long enough 8412"


@pytest.fixture(scope="session")
def client(label_studio: Any) -> Iterator[Client]:
    with Client(label_studio.url, label_studio.token) as client:
        yield client


@pytest.fixture(scope="session")
def annotators(client: Client) -> Iterator[tuple[Annotator, Annotator]]:
    tokens = [invite(client, f"{uuid.uuid4().hex[:12]}@postil.test", PASSWORD) for _ in range(2)]
    with Annotator(client.url, tokens[0]) as ann, Annotator(client.url, tokens[1]) as ben:
        yield ann, ben


@pytest.fixture
def ann(annotators: tuple[Annotator, Annotator]) -> Annotator:
    return annotators[0]


@pytest.fixture
def ben(annotators: tuple[Annotator, Annotator]) -> Annotator:
    return annotators[1]


@pytest.fixture(scope="session")
def moods() -> SingleLabel:
    return SingleLabel(("good", "bad"))


@pytest.fixture
def project(client: Client, moods: SingleLabel) -> int:
    return client.ensure_project("Moods", moods.label_config(), "", f"postil:{uuid.uuid4()}")


def tasks(scores: list[float], model_version: str = "r0", label: str | None = "good") -> list[NewTask]:
    """A task a score: 'ex-0', 'ex-1', …; label None makes them blind."""
    result = SingleLabel(("good", "bad")).to_result(label, 0.75)
    return [
        NewTask({"text": f"text {i}", "ext_id": f"ex-{i}"}, model_version, score, result)
        for i, score in enumerate(scores)
    ]
