"""Real servers for the tests, started once a session by the code that `postil up` runs."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Connection

from service.settings import Settings
from service.stack.label_studio import LabelStudio, installed
from service.stack.ports import free_port
from service.stack.processes import Program, Supervisor
from service.stack.valkey import Valkey
from service.store.database import Database
from tests.objects import ObjectStore
from tests.postgresql import PostgreSQL, binaries

if TYPE_CHECKING:
    from workers.context import Context

ROOT = Path(__file__).parent.parent

# A shell's background job is deaf to Ctrl-C, under nohup to hang-ups too, and what it starts inherits that. The tests
# send both to programs.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="what the tests of the API stand on (those of the store stand on both)",
    )


def missing(reason: str) -> NoReturn:
    """Skip the test; in CI, where every part has to be there, fail it."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"in CI nothing may be missing: {reason}", pytrace=False)
    pytest.skip(reason)


@contextmanager
def running(program: Program, folder: Path) -> Iterator[None]:
    """`program`, up, within the block."""
    supervisor = Supervisor([program], folder)
    try:
        supervisor.start()
        supervisor.wait_up([program.name], 300)
        yield
    finally:
        supervisor.stop()


@pytest.fixture
def tmp_settings(tmp_path: Path) -> Settings:
    """Settings of an empty installation: files and SQLite in a folder of this test, no servers."""
    return Settings(data=str(tmp_path / "data"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty store of this test, with its schema, of either kind."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'postil.sqlite'}")
        database.upgrade()
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        database = Database(server.new())
    yield database
    database.close()


@pytest.fixture
def context(valkey: str, database: Database, tmp_path: Path) -> Iterator["Context"]:
    """What a worker of this test's store has."""
    from workers.context import Context  # torch takes its time, and few tests need it

    context = Context(Settings(data=str(tmp_path / "data"), database_url=database.url, redis_url=valkey))
    yield context
    context.database.close()
    context.doorbell.redis.close()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """One transaction over the whole test."""
    with database.transaction() as connection:
        yield connection


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real server that the session's tests share: have a database of your own made in it."""
    if binaries() is None:
        missing("there is no PostgreSQL on this machine: apt-get install postgresql")
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A real S3 server that the session's tests share; this process has its keys."""
    folder = tmp_path_factory.mktemp("objects")
    server = ObjectStore(folder / "data")
    with running(server.program(), folder), pytest.MonkeyPatch.context() as patch:
        for name, value in server.environ.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real server that the session's tests share: use key names, or a flush, of your own."""
    folder = tmp_path_factory.mktemp("valkey")
    server = Valkey(folder / "data", free_port(), "test-password")
    with running(server.program(), folder):
        yield server.url


@dataclass(frozen=True)
class LabelStudioServer:
    """A real Label Studio that the session's tests share: make projects of your own in it."""

    url: str
    token: str
    """Legacy token of the administrator."""
    admin_email: str
    admin_password: str
    venv: Path


@pytest.fixture(scope="session")
def label_studio_settings() -> Settings:
    """Settings that name the environment `make test` installs Label Studio in, or POSTIL_LABEL_STUDIO_VENV."""
    settings = Settings(
        data=str(ROOT / ".postil"), label_studio_venv=os.environ.get("POSTIL_LABEL_STUDIO_VENV", "")
    )
    if not installed(settings):
        missing("Label Studio is not installed: run `make test`, or set POSTIL_LABEL_STUDIO_VENV")
    return settings


@pytest.fixture(scope="session")
def label_studio(
    label_studio_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabelStudioServer]:
    folder = tmp_path_factory.mktemp("label-studio")
    server = LabelStudio(
        label_studio_settings, folder / "data", free_port(), "test-password", "test-token-0123"
    )
    with running(server.program(), folder):
        yield LabelStudioServer(server.url, server.token, server.email, server.password, server.venv)


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless, that asks nobody on the internet for anything.

    A new browser per test: while Playwright's synchronous interface lives, its thread cannot run asyncio.
    """
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        missing("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            headless=True,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()
