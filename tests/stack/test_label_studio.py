import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from playwright.sync_api import Browser

from service.errors import Invalid, PostilError
from service.settings import Settings
from service.stack import label_studio as module
from service.stack.label_studio import VERSION, LabelStudio, environment, install, installed
from service.stack.ports import free_port
from service.stack.processes import Supervisor

CONFIG = """
<View><Text name="text" value="$text"/><Choices name="label" toName="text"><Choice value="a"/></Choices></View>
"""


class Server(Protocol):
    url: str
    token: str
    admin_email: str
    admin_password: str


def say_nothing(message: str) -> None:
    pass


def fake_environment(venv: Path, version: str = VERSION) -> None:
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "label-studio").touch()
    (venv / "lib" / "python3.11" / "site-packages" / f"label_studio-{version}.dist-info").mkdir(parents=True)


def test_the_environment_is_in_the_data_folder_unless_named(tmp_path: Path) -> None:
    assert environment(Settings(data=str(tmp_path))) == tmp_path / "venvs" / "label-studio-1.23.2"
    assert environment(Settings(label_studio_venv=str(tmp_path / "ls"))) == tmp_path / "ls"


def test_installed_means_this_version_and_whole(tmp_path: Path) -> None:
    settings = Settings(label_studio_venv=str(tmp_path / "ls"))
    assert not installed(settings)
    fake_environment(tmp_path / "ls")
    assert installed(settings)
    (tmp_path / "ls" / "postil-is-installing").touch()
    assert not installed(settings)
    other = Settings(label_studio_venv=str(tmp_path / "other"))
    fake_environment(tmp_path / "other", version="1.22.0")
    assert not installed(other)


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(Invalid, match="is not a virtual environment with Label Studio"):
        install(Settings(label_studio_venv=str(tmp_path)))
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


def test_a_failed_install_is_half_made_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip itself is real; it is sent to an index that has nothing."""
    settings = Settings(data=str(tmp_path / "data"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said: list[str] = []
    pinned = resources.files("service.stack").joinpath("label-studio.txt").read_text().count("==")
    with pytest.raises(PostilError, match=r"pip install .* failed with status 1:"):
        install(settings, said.append)
    assert said[0] == "Label Studio 1.23.2: making its virtual environment"
    assert said[-1] == f"Label Studio 1.23.2: 0 of {pinned} packages collected"
    assert not installed(settings)

    trash = environment(settings) / "trash"
    trash.touch()
    monkeypatch.setattr(module, "_pip_install", lambda venv, progress: fake_environment_into(venv))
    assert install(settings) == environment(settings)
    assert installed(settings)
    assert not trash.exists()


def fake_environment_into(venv: Path) -> None:
    (venv / "bin" / "label-studio").touch()
    next(venv.glob("lib/python*/site-packages")).joinpath(f"label_studio-{VERSION}.dist-info").mkdir()


def test_what_progress_raises_ends_the_command(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    def report(lines: Sequence[str]) -> None:
        if note.exists() and note.read_text():
            raise PostilError("enough")

    with pytest.raises(PostilError, match="enough"):
        module._follow([sys.executable, "-c", code], os.environ, report)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_failing_command_is_told_with_its_last_lines() -> None:
    lines: list[str] = []
    with pytest.raises(PostilError, match=r"failed with status 3:\none\ntwo$"):
        module._follow(
            [sys.executable, "-c", "print('one'); print('two'); exit(3)"], os.environ, lines.extend
        )
    assert lines == ["one", "two"]


def test_the_servers_environment_has_nothing_of_ours_but_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOST", "PORT", "USERNAME", "DJANGO_DB", "LABEL_STUDIO_HOST", "HTTP_PROXY"):
        monkeypatch.setenv(name, "of the person's shell")
    server = LabelStudio(Settings(data=str(tmp_path)), tmp_path / "data", 4321, "password", "token-0123")
    environ = server.environ(server.folder)
    assert "of the person's shell" not in environ.values()
    assert environ["LABEL_STUDIO_HOST"] == server.url == "http://127.0.0.1:4321"
    assert environ["TASK_LOCK_TTL"] == "900"


def api(server: Server, method: str, path: str, body: object = None) -> Any:
    answer = httpx.request(
        method,
        server.url + path,
        json=body,
        headers={"Authorization": f"Token {server.token}"},
        trust_env=False,
    )
    answer.raise_for_status()
    return answer.json()


def test_the_server_is_the_pinned_one(label_studio: Server) -> None:
    assert httpx.get(f"{label_studio.url}/api/version/", trust_env=False).json()["release"] == VERSION
    assert api(label_studio, "GET", "/api/current-user/whoami")["email"] == label_studio.admin_email


BEGINS_AS = """
import runpy, sys, label_studio.server as server

def show():
    server._setup_env()
    from django.db import connection
    connection.ensure_connection()
    print("begins", connection.transaction_mode)

server.main = show
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_transactions_of_the_server_wait_for_their_turn_to_write(
    label_studio_settings: Settings, tmp_path: Path
) -> None:
    server = LabelStudio(label_studio_settings, tmp_path / "data", free_port(), "password", "token-0123")
    python, *_, program = server.program().command[:3]
    said = subprocess.run(
        [python, "-P", "-c", BEGINS_AS, program],
        env=server.environ(server.folder),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "begins IMMEDIATE" in said.stdout, said.stderr


def test_a_webhook_on_the_loopback_interface_is_allowed(label_studio: Server) -> None:
    project = api(label_studio, "POST", "/api/projects/", {"title": "stack", "label_config": CONFIG})
    hook = api(
        label_studio,
        "POST",
        "/api/webhooks/",
        {"project": project["id"], "url": "http://127.0.0.1:9/", "actions": []},
    )
    assert hook["url"] == "http://127.0.0.1:9/"


def test_predictions_are_checked_on_import(label_studio: Server) -> None:
    project = api(label_studio, "POST", "/api/projects/", {"title": "strict", "label_config": CONFIG})
    value = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["bogus"]}}
    task = {"data": {"text": "one"}, "predictions": [{"model_version": "r0", "result": [value]}]}
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        api(label_studio, "POST", f"/api/projects/{project['id']}/import", [task])


def test_the_administrator_can_sign_in_with_a_browser(label_studio: Server, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{label_studio.url}/user/login/")
    page.fill("input[name=email]", label_studio.admin_email)
    page.fill("input[name=password]", label_studio.admin_password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/user/login" not in url)
    assert (
        page.request.get(f"{label_studio.url}/api/current-user/whoami").json()["email"]
        == label_studio.admin_email
    )


def test_the_database_copied_into_a_new_folder_holds_nobody(
    label_studio_settings: Settings, tmp_path: Path
) -> None:
    server = LabelStudio(label_studio_settings, tmp_path / "data", free_port(), "password", "token-0123")
    server.prepare(say_nothing)
    connection = sqlite3.connect(server.folder / "label_studio.sqlite3")
    try:
        assert connection.execute("SELECT count(*) FROM htx_user").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM organization").fetchone() == (0,)
        (migrations,) = connection.execute("SELECT count(*) FROM django_migrations").fetchone()
        assert migrations > 200
    finally:
        connection.close()


def test_a_database_of_another_token_is_refused_with_the_way_out(
    label_studio_settings: Settings, tmp_path: Path
) -> None:
    first = LabelStudio(label_studio_settings, tmp_path / "data", free_port(), "password", "token-of-old")
    run(first, tmp_path)
    connection = sqlite3.connect(tmp_path / "data" / "label_studio.sqlite3")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    second = LabelStudio(label_studio_settings, tmp_path / "data", free_port(), "password", "token-of-new")
    with pytest.raises(PostilError, match="was made with another token: bring back"):
        run(second, tmp_path)


def run(server: LabelStudio, folder: Path) -> None:
    supervisor = Supervisor([server.program()], folder)
    supervisor.start()
    try:
        supervisor.wait_up(["label-studio"], 120)
    finally:
        supervisor.stop()
