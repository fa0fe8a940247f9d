"""A real Valkey and API for the module's tests, and the command line as people run it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.client import Client
from service.settings import Settings
from service.stack.stack import Stack

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


Postil = Callable[..., Ran]


def environ(**ours: str) -> dict[str, str]:
    """The environment without any setting of Postil but these; `postil` finds its plug-ins in PYTHONPATH."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("POSTIL_")}
    return rest | {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1"} | ours


def run(words: tuple[str, ...], settings: dict[str, str], stdin: bytes = b"") -> Ran:
    """`postil` with these words, to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "service.cli.main", *words],
        input=stdin,
        capture_output=True,
        timeout=120,
        env=environ(**settings),
        cwd=ROOT,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Valkey and the API. The address of Label Studio is one where nothing listens, and there are no workers."""
    settings = Settings(
        data=str(tmp_path_factory.mktemp("data")),
        url="http://127.0.0.1:0",  # any free port
        label_studio_url="http://127.0.0.1:9",
        label_studio_token="no token at all",
    )
    with Stack(settings, workers=False) as stack:
        stack.start()
        yield stack


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[Client]:
    with Client.of(stack.settings) as api:
        yield api


@pytest.fixture(scope="module")
def postil(stack: Stack) -> Postil:
    """Run `postil` in the data folder of `stack`."""

    def call(*words: str, stdin: bytes = b"", **settings: str) -> Ran:
        return run(words, {"POSTIL_DATA": stack.settings.data} | settings, stdin)

    return call


@pytest.fixture
def postil_alone(tmp_path: Path) -> Postil:
    """Run `postil` without any server, with what was put into this test's folder to be imported."""

    def call(*words: str, **settings: str) -> Ran:
        path = f"{tmp_path}{os.pathsep}{ROOT}"
        return run(words, {"POSTIL_DATA": str(tmp_path / "data"), "PYTHONPATH": path} | settings)

    return call
