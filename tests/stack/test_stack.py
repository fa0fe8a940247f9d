"""The stack with its real servers. Where Label Studio is not what is asked about, a foreign one is named."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import redis

from service.errors import Conflict, Invalid
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.ports import LOOPBACK, free_port
from service.stack.processes import Status
from service.stack.stack import WORKERS, Stack


@pytest.fixture
def foreign(tmp_settings: Settings) -> Settings:
    """Settings with a Label Studio somewhere else, where nobody answers; the API's port is not the usual one."""
    return replace(
        tmp_settings,
        url=f"http://{LOOPBACK}:{free_port()}",
        label_studio_url="http://labels.example",
        label_studio_token="token-of-theirs",
    )


@pytest.fixture
def stack(foreign: Settings) -> Iterator[Stack]:
    with Stack(foreign, workers=False) as stack:
        yield stack


def until(happened: Callable[[], object]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_the_api_and_valkey_are_up_when_start_returns(stack: Stack, foreign: Settings) -> None:
    told: list[Status] = []
    stack.start(told.append)
    assert httpx.get(f"{stack.addresses().api}/healthz", trust_env=False).status_code == 200
    assert stack.addresses().api == foreign.url
    with redis.Redis.from_url(stack.settings.redis_url) as client:
        assert client.ping()
    assert {name: status.state for name, status in stack.states().items()} == {"valkey": "up", "api": "up"}
    assert [(status.name, status.state) for status in told] == [
        ("valkey", "starting"),
        ("valkey", "up"),
        ("api", "starting"),
        ("api", "up"),
    ]


def test_a_foreign_label_studio_is_used_and_not_started(stack: Stack) -> None:
    programs = {program.name: program for program in stack._programs()}
    assert list(programs) == ["valkey", "api"]
    assert programs["api"].environ["POSTIL_LABEL_STUDIO_URL"] == "http://labels.example"
    assert programs["api"].environ["POSTIL_LABEL_STUDIO_TOKEN"] == "token-of-theirs"
    addresses = stack.addresses()
    assert (addresses.label_studio, addresses.label_studio_password) == ("http://labels.example", "")


def test_a_foreign_label_studio_needs_a_token(foreign: Settings) -> None:
    with (
        Stack(replace(foreign, label_studio_token="")) as stack,
        pytest.raises(Invalid, match="POSTIL_LABEL_STUDIO_TOKEN is empty"),
    ):
        stack.start()


def test_every_process_is_told_where_the_others_are(tmp_settings: Settings) -> None:
    stack = Stack(replace(tmp_settings, threads=3))
    programs = {program.name: program for program in stack._programs()}
    workers = [f"worker-{kind}" for kind in WORKERS]
    assert list(programs) == ["valkey", "label-studio", "api", *workers]
    assert stack.label_studio is not None
    secrets = json.loads((tmp_settings.folder / "secrets.json").read_text())
    ports = json.loads((tmp_settings.folder / "ports.json").read_text())
    for name in ("api", *workers):
        environ = programs[name].environ
        assert Settings.read(environ) == stack.settings
        assert environ["POSTIL_REDIS_URL"] == f"redis://:{secrets['valkey']}@127.0.0.1:{ports['valkey']}/0"
        assert environ["POSTIL_LABEL_STUDIO_URL"] == f"http://127.0.0.1:{ports['label-studio']}"
        assert environ["POSTIL_LABEL_STUDIO_TOKEN"] == secrets["label-studio-token"]
        assert environ["POSTIL_URL"] == f"http://127.0.0.1:{ports['api']}"
        assert environ["POSTIL_DATA"] == str(tmp_settings.folder.absolute())
    worker = programs["worker-gpu"]
    assert (worker.environ["OMP_NUM_THREADS"], worker.environ["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")
    assert list(worker.command[1:]) == ["-m", "service.cli.main", "worker", "gpu"]
    assert programs["worker-predict"].environ["OMP_NUM_THREADS"] == "1"
    assert worker.after == ("api",)
    assert programs["api"].after == ("valkey",)  # and not Label Studio, whose first start is slow
    assert not any(
        secret in word
        for program in programs.values()
        for word in program.command
        for secret in secrets.values()
    )


def test_a_given_redis_is_used_and_not_started(foreign: Settings) -> None:
    stack = Stack(replace(foreign, redis_url="redis://elsewhere:6379/3"), workers=False)
    (api,) = stack._programs()
    assert api.environ["POSTIL_REDIS_URL"] == "redis://elsewhere:6379/3"
    assert api.after == ()


def test_an_address_in_front_of_ours_is_kept(foreign: Settings) -> None:
    stack = Stack(replace(foreign, url="https://postil.example"), workers=False)
    programs = {program.name: program for program in stack._programs()}
    assert stack.addresses().api == "https://postil.example"
    port = json.loads((foreign.folder / "ports.json").read_text())["api"]
    assert programs["api"].command[-1] == str(port)


def test_addresses_stay_the_same_unless_somebody_took_the_port(foreign: Settings) -> None:
    first = Stack(foreign, workers=False)
    first._programs()
    second = Stack(foreign, workers=False)
    second._programs()
    assert second.settings == first.settings
    port = int(first.settings.url.rpartition(":")[2])
    with socket.create_server((LOOPBACK, port)):
        third = Stack(foreign, workers=False)
        third._programs()
    assert third.settings.url != first.settings.url
    assert third.settings.redis_url == first.settings.redis_url


def test_two_stacks_in_one_folder_are_one_too_many(stack: Stack, foreign: Settings) -> None:
    stack._hold_folder()
    with pytest.raises(Conflict, match=f"process {os.getpid()}") as refused, Stack(foreign) as other:
        other.start()
    assert str(foreign.folder.absolute()) in str(refused.value)
    stack.stop()
    with Stack(foreign) as other:
        other._hold_folder()


def test_a_stack_is_started_once(stack: Stack) -> None:
    stack.start()
    with pytest.raises(Conflict, match="started already"):
        stack.start()


UP = """
from contextlib import suppress
from service.settings import Settings
from service.stack.stack import Stack
# A signal may come before `wait` has begun: then it is a KeyboardInterrupt of this script's own.
with suppress(KeyboardInterrupt), Stack(Settings.read(), workers=False) as stack:
    stack.start()
    print(*(status.pid for status in stack.states().values()), flush=True)
    stack.wait()
print("stopped", flush=True)
"""


def start_elsewhere(settings: Settings) -> tuple["subprocess.Popen[str]", list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", UP],
        env={**os.environ, **settings.environ()},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_in_good_order(foreign: Settings, number: signal.Signals) -> None:
    process, pids = start_elsewhere(foreign)
    with process:
        assert len(pids) == 2
        assert all(map(is_alive, pids))
        process.send_signal(number)
        assert process.communicate()[0] == "stopped\n"
        assert process.returncode == 0
        assert not any(map(is_alive, pids))
        assert not list((foreign.folder / "run").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_a_killed_stack_leaves_nothing_and_the_next_keeps_its_addresses(
    stack: Stack, foreign: Settings
) -> None:
    process, pids = start_elsewhere(foreign)
    with process:
        process.kill()
    until(lambda: not any(map(is_alive, pids)))
    stack.start()
    assert stack.addresses().api == foreign.url


def test_the_whole_stack(tmp_settings: Settings, label_studio_settings: Settings) -> None:
    """Everything real: Label Studio answers to the token the workers were given."""
    venv = str(environment(label_studio_settings))
    settings = replace(tmp_settings, url=f"http://{LOOPBACK}:{free_port()}", label_studio_venv=venv)
    with Stack(settings) as stack:
        stack.start()
        for name in stack.states():
            stack.wait_up(name, 120)
        answer = httpx.get(
            f"{stack.addresses().label_studio}/api/projects/",
            headers={"Authorization": f"Token {stack.settings.label_studio_token}"},
            trust_env=False,
        )
        assert answer.status_code == 200
        assert httpx.get(f"{stack.addresses().api}/healthz", trust_env=False).status_code == 200
        assert {status.restarts for status in stack.states().values()} == {0}
        pids = [status.pid for status in stack.states().values()]
    assert not any(is_alive(pid) for pid in pids if pid is not None)
