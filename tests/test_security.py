"""What holds of the whole project: no pickle, nobody's code out of Redis, and a test for each threat."""

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Callback

from service.doorbell import Doorbell, queue_name
from service.settings import Settings
from service.store.database import Database

ROOT = Path(__file__).parents[1]
SOURCES = [path for folder in ("service", "workers", "strategies") for path in (ROOT / folder).rglob("*.py")]
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "compile", "torch.load", "yaml.load", "pandas.read_pickle"}


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, Any]]]:
    """(dotted name, keywords that are constants) of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = {
                one.arg: one.value.value
                for one in node.keywords
                if one.arg and isinstance(one.value, ast.Constant)
            }
            yield ast.unparse(node.func), keywords


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }

    assert not imported & UNSAFE_MODULES
    for name, keywords in calls(tree):
        assert name not in UNSAFE_CALLS
        assert not keywords.get("allow_pickle")
        assert not keywords.get("trust_remote_code")


@pytest.fixture
def worker(valkey: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker at the queue cpu; its log is in this test's folder."""
    settings = Settings(data=str(tmp_path), redis_url=valkey)
    database = Database(settings.database)
    database.upgrade()
    database.close()
    command = [sys.executable, "-m", "service.cli.main", "worker", "cpu"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings.environ(), cwd=ROOT, stderr=log)
    yield process
    process.terminate()
    process.wait(30)


def test_a_worker_runs_nothing_that_redis_names(
    valkey: str, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    mark = tmp_path / "poisoned"
    with Redis.from_url(valkey) as redis:
        pickled = Queue(queue_name("cpu"), connection=redis)
        as_json = Queue(queue_name("cpu"), connection=redis, serializer="json")
        as_json.empty()
        touch = f"touch {mark}"
        pickled.enqueue("os.system", touch)
        as_json.enqueue("os.system", touch)
        as_json.enqueue("workers.door.answer", "cpu", on_success=Callback("os.system"))
        as_json.enqueue("workers.door.answer", "cpu", on_failure=Callback("os.system"))
        Doorbell(valkey).ring(["cpu"])
        until = time.monotonic() + 60
        while as_json.count or as_json.started_job_registry.get_job_ids():
            assert time.monotonic() < until, "the queue was not emptied"
            assert worker.poll() is None
            time.sleep(0.1)
        assert as_json.failed_job_registry.get_job_ids() == []

    assert not mark.exists()
    assert (tmp_path / "log").read_text().count("is no wake-up of Postil's") == 4
    assert worker.poll() is None


def test_every_threat_has_its_tests() -> None:
    rows = re.findall(r"^\| (?!Threat)(?!-)[^|]+\|[^|]+\| ([^|]+) \|$", THREATS.read_text(), re.M)
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.M)
    }

    assert len(rows) >= 20
    assert all(named)
    assert {name for names in named for name in names} - there == set()


THREATS = ROOT / "service" / "SECURITY.md"
