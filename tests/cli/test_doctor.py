"""`postil doctor` on a real installation whose parts are broken one after another."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.client import Client
from service.doctor import doctor, machine, parts
from service.doctor.finding import Finding
from service.doctor.site import Site
from service.settings import Settings
from service.stack.stack import Stack
from service.store import campaigns
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.cli.conftest import ROOT, Postil, environ

Look = Callable[..., dict[str, list[Finding]]]


@pytest.fixture
def look(stack: Stack) -> Look:
    """Findings by check, of the stack's installation with some settings changed."""

    def examine(**settings: str) -> dict[str, list[Finding]]:
        found: dict[str, list[Finding]] = {}
        environ = {"POSTIL_DATA": stack.settings.data, "POSTIL_LABEL_STUDIO_URL": "http://127.0.0.1:9"}
        for check, finding in doctor.examine(environ | settings):
            found.setdefault(check, []).append(finding)
        return found

    return examine


def states(found: dict[str, list[Finding]]) -> dict[str, str]:
    return {check: findings[0].state for check, findings in found.items()}


def test_what_is_well_is_said_and_what_is_not_ends_with_1(stack: Stack, postil: Postil) -> None:
    ran = postil("doctor", POSTIL_LABEL_STUDIO_URL="http://127.0.0.1:9", POSTIL_LABEL_STUDIO_TOKEN="x")
    assert ran.status == 1
    assert re.search(r"^ok       redis: Redis at 127.0.0.1:\d+ is (Valkey|Redis) \d", ran.out, re.M)
    assert (
        f"ok       database: sqlite:///{stack.settings.data}/postil.sqlite has the newest schema" in ran.out
    )
    assert f"ok       api: the API at {stack.settings.url}\n" in ran.out
    assert "is one of 'first', admin" in ran.out
    assert "WRONG    workers: no worker for gpu, cpu, sync\n         → start everything with" in ran.out
    assert re.search(r"^WRONG    label studio: .*no answer from http://127.0.0.1:9", ran.out, re.M)
    assert re.search(r"\n\n2 wrong, \d+ to look at, \d+ well\n$", ran.out)


def test_findings_are_json_for_machines(postil: Postil) -> None:
    ran = postil("doctor", "--json")
    found = json.loads(ran.out)
    assert {"check": "clocks", "state": "ok", "what": "clocks go together", "remedy": ""} in found
    assert all(one["remedy"] for one in found if one["state"] != "ok")
    assert ran.status == (1 if any(one["state"] == "wrong" for one in found) else 0)


def test_where_nothing_is_yet(postil_alone: Postil, tmp_path: Path) -> None:
    ran = postil_alone("doctor")
    assert ran.status == 1
    assert (
        "WRONG    redis: POSTIL_REDIS_URL is empty, and `postil up` never ran in this data folder" in ran.out
    )
    assert "warning  database: no database at" in ran.out
    assert "WRONG    token: no token" in ran.out
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("package", ["redis", "sqlalchemy"])
def test_where_a_package_is_missing(postil_alone: Postil, tmp_path: Path, package: str) -> None:
    """The command line itself lives on little."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    ran = postil_alone(
        "doctor",
        POSTIL_REDIS_URL="redis://127.0.0.1:9",
        POSTIL_DATABASE_URL="postgresql://127.0.0.1:9/x",
        POSTIL_LABEL_STUDIO_URL="http://127.0.0.1:9",
    )
    assert ran.status == 1
    assert f"the package {package} is missing\n         → pip install" in ran.out
    assert "Traceback" not in ran.err


def test_where_the_command_line_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('msgspec', 'typer', 'rich'):\n    sys.modules[name] = None\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "service.doctor"],
        capture_output=True,
        text=True,
        env=environ(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}", POSTIL_DATA=str(tmp_path / "data")),
    )
    assert ran.returncode == 1, ran.stderr
    assert "ok       python: Python" in ran.stdout
    assert "the package msgspec is missing\n         → pip install" in ran.stdout


def test_a_setting_that_cannot_be_read(look: Look) -> None:
    found = look(POSTIL_RATE="many")
    assert found == {
        "settings": [
            Finding(
                "wrong",
                "POSTIL_RATE is 'many': set it to a whole number, or unset it",
                "mend POSTIL_RATE",
            )
        ]
    }


def test_redis_and_its_password(stack: Stack, look: Look) -> None:
    port = urlsplit(stack.settings.redis_url).port
    assert (
        "refuses the password" in look(POSTIL_REDIS_URL=f"redis://:guess@127.0.0.1:{port}/0")["redis"][0].what
    )
    assert "does not answer" in look(POSTIL_REDIS_URL="redis://127.0.0.1:9")["redis"][0].what
    assert "no URL of Redis" in look(POSTIL_REDIS_URL="http://127.0.0.1")["redis"][0].what
    dead = look(POSTIL_REDIS_URL="redis://127.0.0.1:9")
    assert "workers" not in dead
    assert "clocks" not in dead


@pytest.mark.parametrize(
    ("info", "state"),
    [
        ({"redis_version": "6.0.16"}, "wrong"),
        ({"redis_version": "6.2.0"}, "ok"),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}, "ok"),
    ],
)
def test_old_servers_are_refused(info: dict[str, object], state: str) -> None:
    assert parts._version("Redis at x", info).state == state


def test_the_api_and_tokens(stack: Stack, api: Client, look: Look) -> None:
    assert "no API answers" in look(POSTIL_URL="http://127.0.0.1:9")["api"][0].what
    assert "does not know the token in POSTIL_TOKEN" in look(POSTIL_TOKEN="guess")["token"][0].what
    viewer = api.issue_token(name="looks", access="viewer")["secret"]
    assert look(POSTIL_TOKEN=viewer)["token"][0].state == "warning"
    engineer = api.issue_token(name="works", access="engineer")["secret"]
    assert look(POSTIL_TOKEN=engineer)["token"][0].state == "ok"
    # /docs is a page of this API, and below it there is no /readyz.
    assert "is not Postil's API" in look(POSTIL_URL=f"{stack.settings.url}/docs")["api"][0].what


def site(tmp_path: Path, **settings: str) -> Site:
    return Site.find(Settings(data=str(tmp_path), **settings))  # type: ignore[arg-type]


def test_databases(tmp_path: Path) -> None:
    here = site(tmp_path)
    assert here.sqlite is not None
    (empty,) = parts.database(here)
    assert empty.state == "warning"
    assert not here.sqlite.exists()
    database = Database(here.settings.database)
    database.upgrade()
    (well,) = parts.database(here)
    assert well.state == "ok"
    with closing(sqlite3.connect(here.sqlite)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    (old,) = parts.database(here)
    assert (old.state, old.remedy) == ("wrong", "start the API anew: it upgrades it")
    with closing(sqlite3.connect(here.sqlite)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    (new,) = parts.database(here)
    assert "a newer Postil made" in new.what
    database.close()
    with closing(sqlite3.connect(here.sqlite)) as connection, connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    (slow,) = parts.database(here)
    assert "journal mode delete" in slow.what
    here.sqlite.write_bytes(b"no database" * 500)
    (broken,) = parts.database(here)
    assert "cannot be read" in broken.what
    (away,) = parts.database(site(tmp_path, database_url="postgresql://postil:secret@127.0.0.1:9/postil"))
    assert away.state == "wrong"
    assert "secret" not in away.what
    (strange,) = parts.database(site(tmp_path, database_url="mysql://x/y"))
    assert "SQLite and PostgreSQL can be used" in strange.what


def test_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (well,) = machine.folder(site(tmp_path / "to be made"))
    assert well.state == "ok"
    (tmp_path / "file").touch()
    (wrong,) = machine.folder(site(tmp_path / "file" / "data"))
    assert "cannot be made" in wrong.what
    usage = shutil.disk_usage(tmp_path)
    for free, state in ((1 << 20, "wrong"), (1 << 30, "warning")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage._replace(free=free))
        assert [one.state for one in machine.folder(site(tmp_path))] == [state]


def test_clocks_apart(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Site.find(stack.settings)
    monkeypatch.setattr(time, "time", lambda real=time.time: real() - 60)
    (apart,) = parts.clocks(here)
    assert apart.state == "warning"
    assert "the clock of Redis is 60 s before this machine's" in apart.what


def test_ports_that_others_took(tmp_path: Path, stack: Stack) -> None:
    port = urlsplit(stack.settings.redis_url).port
    (tmp_path / "ports.json").write_text(json.dumps({"api": port, "label-studio": 9}))
    (taken,) = machine.ports(site(tmp_path))
    assert f"port {port}, remembered for api, is another program's" in taken.what
    own = Site.find(stack.settings)
    assert "api" in own.ports
    assert list(machine.ports(own)) == []


def test_sources_and_generators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sesame")
    given = site(
        tmp_path,
        sources=f"{tmp_path} /nowhere/at/all here",
        generators="https://a.example/v1#A_KEY ftp://b.example https://c.example#NO_SUCH_KEY",
    )
    assert [(one.state, one.what) for one in machine.sources(given)] == [
        ("warning", "POSTIL_SOURCES has /nowhere/at/all, which is not here or cannot be read"),
        ("wrong", "POSTIL_SOURCES has here"),
    ]
    assert [one.state for one in machine.generators(given)] == ["wrong", "warning"]


def test_packages_of_other_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# tested\ntyper==0.0.1\nno-such-package==1\n")
    (other,) = machine._untested(constraints)
    assert re.fullmatch(r"typer [\d.]+, not 0\.0\.1", other)
    assert list(
        machine._missing(["typer>=0.29", "typer>=999", "no-such-package; extra == 'x'", "nothing-such"])
    ) == [
        "typer>=999",
        "nothing-such",
    ]


def test_models(tmp_path: Path) -> None:
    here = site(tmp_path)
    database = Database(here.settings.database)
    database.upgrade()
    with database.transaction() as connection:
        campaigns.create(connection, NewCampaign("one", ["a", "b"], str(tmp_path / "no model")))
    database.close()
    (missing,) = parts.models(here)
    assert (missing.state, "cannot be loaded" in missing.what) == ("wrong", True)


def test_files_in_a_store(tmp_path: Path) -> None:
    (strange,) = parts.files(site(tmp_path, files_url="gopher://x"))
    assert strange.state == "wrong"
    assert list(parts.files(site(tmp_path))) == []


def test_every_check_says_what_it_is_for() -> None:
    for check in {**doctor.CHECKS, **doctor._studio()}.values():
        assert (check.__doc__ or "").endswith(".")
