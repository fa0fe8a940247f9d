"""The whole stack as `postil up` starts it, once for all tests here."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.demo.docstrings import Corpus, corpus
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.stack import Stack
from service.store.database import Database
from tests.conftest import LabelStudioServer
from tests.loop import shallow
from tests.loop.world import World
from workers.context import Context


@pytest.fixture(scope="session")
def world(label_studio_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = replace(
        Settings(),
        data=str(tmp_path_factory.mktemp("stack")),
        label_studio_venv=str(environment(label_studio_settings)),
        url="http://127.0.0.1:0",
    )
    with Stack(settings) as stack:
        stack.start()
        stack.wait_up("label-studio", 300)
        world = World(stack)
        yield world
        world.close()


@pytest.fixture
def context(
    label_studio: LabelStudioServer, valkey: str, database: Database, tmp_path: Path
) -> Iterator[Context]:
    """What a worker of this test's store has, with a real Label Studio beside it."""
    context = Context(
        Settings(
            data=str(tmp_path),
            database_url=database.url,
            redis_url=valkey,
            label_studio_url=label_studio.url,
            label_studio_token=label_studio.token,
        )
    )
    yield context
    context.database.close()
    context.doorbell.redis.close()


@pytest.fixture(scope="session")
def docstrings() -> Corpus:
    return corpus(seed=0, gold=200)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shallow.build(tmp_path_factory.mktemp("model") / "shallow")
