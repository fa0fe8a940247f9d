"""What is logged, in both forms, and to what it belongs."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from service import logs
from service.errors import Invalid
from tests.http.conftest import Served, served  # noqa: F401 - a fixture

log = logging.getLogger("service.somewhere")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_words_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin("text")

    log.warning("nobody was woken at %s", "gpu")
    with logs.about(campaign="c1"), logs.about(job="7"):
        log.info("begins")

    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"[-\d]+ [\d:,]+ WARNING service.somewhere: nobody was woken at gpu", first)
    assert second.endswith("INFO service.somewhere: begins [campaign c1, job 7]")
    assert logs.facts_here.get().get("job", "") == ""


def test_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin("json")

    with logs.about(request="1f"):
        try:
            raise ValueError('a "broken"\nrow')
        except ValueError:
            log.exception("it failed")

    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found | {"time": "", "error": ""} == {
        "time": "",
        "level": "error",
        "logger": "service.somewhere",
        "message": "it failed",
        "error": "",
        "request": "1f",
    }
    assert found["error"].endswith('ValueError: a "broken"\nrow')
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", found["time"])


def test_facts_are_a_threads_own(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin("text")

    with logs.about(request="1f"):
        other = Thread(target=log.info, args=["elsewhere"])
        other.start()
        other.join()

    assert "request" not in capsys.readouterr().err


def test_a_form_that_there_is_not() -> None:
    with pytest.raises(Invalid, match="POSTIL_LOG is 'xml': choose one of text, json"):
        logs.begin("xml")


def test_a_program_logs_in_the_form_that_is_set(tmp_path: Path) -> None:
    environ = {
        "POSTIL_DATA": str(tmp_path),
        "POSTIL_REDIS_URL": "redis://127.0.0.1:1/0",
        "POSTIL_LOG": "json",
    }
    program = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve", "--port", "0"],
        env=environ,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert program.stderr is not None
    first = json.loads(program.stderr.readline())
    program.terminate()
    program.communicate()

    assert (first["logger"].split(".")[0], first["level"]) == ("uvicorn", "info")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("one-of:theirs.1", True), ("", False), ("a b", False), ("x" * 65, False), ("é", False)],
)
def test_a_request_has_an_id(served: Served, given: str, kept: bool) -> None:  # noqa: F811
    headers = {"X-Request-ID": given.encode()}

    found = [
        served.http.get(path, headers=headers).headers["x-request-id"] for path in ("/healthz", "/nowhere")
    ]

    assert (found == [given] * 2) is kept
    assert kept or all(re.fullmatch("[0-9a-f]{16}", one) for one in found)


def test_lines_of_a_request_name_it(
    served: Served,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(
        "service.http.tokens.log.info", lambda *_: seen.append(logs.facts_here.get()["request"])
    )

    made = served.http.post(
        "/v1/tokens", json={"name": "x", "access": "viewer"}, headers={"X-Request-ID": "mine"}
    )

    assert (made.status_code, seen) == (201, ["mine"])
