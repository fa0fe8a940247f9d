"""The whole stack with everything between its parts in our hands: links, gates, disks, the clock."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import redis

from service.label_studio.client import Client
from service.settings import Settings
from service.stack.label_studio import LabelStudio, environment
from service.stack.ports import LOOPBACK, free_port
from service.stack.processes import Status, Supervisor
from service.stack.stack import Stack
from service.stack.valkey import Valkey
from tests.chaos import disk
from tests.chaos.clock import Clock
from tests.chaos.faults import Fault
from tests.chaos.gate import Gate
from tests.link import Link, Mode, by_way_of
from tests.loop.world import World
from tests.postgresql import PostgreSQL

DATA_BYTES, FILES_BYTES = 512 * 2**20, 512 * 2**20
UP_S = 180.0


class Site:
    """A stack, up within the block, to which faults are done. `folder` is empty."""

    def __init__(self, settings: Settings, folder: Path, seed: int, postgresql: bool) -> None:
        self.folder, self.postgresql = folder, postgresql
        self.data = folder / "data"
        self._venv = str(environment(settings))
        self._seed = seed
        self._open = ExitStack()

    def __enter__(self) -> "Site":
        with ExitStack() as opening:
            self._begin(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _begin(self, opening: ExitStack) -> None:
        self.data.mkdir()
        if disk.can_mount():
            opening.enter_context(disk.mounted(self.data, DATA_BYTES))
            (self.data / "files").mkdir()
            opening.enter_context(disk.mounted(self.data / "files", FILES_BYTES))
        self.clock = Clock(self.folder)
        theirs = self.folder / "servers"
        valkey = Valkey(theirs / "valkey", free_port(), "password-8412")
        studio = LabelStudio(
            Settings(data=str(theirs), label_studio_venv=self._venv),
            theirs / "label-studio",
            free_port(),
            "password 8412",
            "token-of-the-administrator",
        )
        self.hooks = opening.enter_context(Gate(0, self._seed))
        self.studio = opening.enter_context(Gate(studio.port, self._seed + 1))
        self.links = {"valkey": opening.enter_context(Link(valkey.port))}
        program = studio.program()
        programs = [
            valkey.program(),
            replace(program, environ={**program.environ, "HTTP_PROXY": self.hooks.url, **self.clock.forward}),
        ]
        database_url = ""
        if self.postgresql:
            server = opening.enter_context(PostgreSQL())
            database_url = server.empty()
            self.links["database"] = opening.enter_context(Link(server.port))
            database_url = by_way_of(database_url, self.links["database"].port)
            programs.append(server.program("database"))
        self._supervisor = Supervisor(programs, theirs)
        opening.callback(self._supervisor.stop)
        self._supervisor.start()
        self._supervisor.wait_up([program.name for program in programs], UP_S)
        self._valkey = valkey
        self.stack = Stack(
            Settings(
                data=str(self.data),
                url=f"http://{LOOPBACK}:0",
                redis_url=by_way_of(valkey.url, self.links["valkey"].port),
                database_url=database_url,
                label_studio_url=self.studio.url,
                label_studio_token=studio.token,
            )
        )
        opening.callback(self.stack.stop)
        with _environ(self.clock.environ):
            self.stack.start(seconds=UP_S)
        for name in self.stack.states():
            self.stack.wait_up(name, UP_S)
        self.world = World(self.stack, theirs / "label-studio")
        opening.callback(self.world.close)
        self.world.label_studio.close()
        self.world.label_studio = Client(studio.url, studio.token)

    def states(self) -> dict[str, Status]:
        return self.stack.states() | self._supervisor.states()

    def begin(self, fault: Fault) -> bool:
        """Let it happen; False where it cannot just now, such as a process that is not there."""
        kind, target = fault.kind, fault.target
        if kind in ("kill", "restart", "freeze"):
            signals = {"kill": signal.SIGKILL, "restart": signal.SIGTERM, "freeze": signal.SIGSTOP}
            number = signals[kind]
            if kind == "restart" and target == "database":
                number = signal.SIGINT  # SIGTERM makes PostgreSQL wait until all clients have gone
            return self._signal(target, number, group=kind == "freeze")
        if kind in ("cut", "silent", "slow"):
            mode: Mode = kind  # type: ignore[assignment]
            self.links[target].mode = mode
        elif kind == "studio":
            self.studio.mode = target
        elif kind == "hooks":
            self.hooks.mode = target
        elif kind == "empty":
            return self._empty()
        elif kind == "full":
            disk.fill(self._disk_of(target))
        elif kind == "read-only":
            return disk.remount(self._disk_of(target), "ro")
        elif kind == "jump":
            self.clock.jump(fault.by_s)
        return True

    def end(self, fault: Fault) -> None:
        """Make it good."""
        kind, target = fault.kind, fault.target
        if kind == "freeze":
            self._signal(target, signal.SIGCONT, group=True)
        elif kind in ("cut", "silent", "slow"):
            self.links[target].mode = "open"
        elif kind == "studio":
            self.studio.mode = ""
        elif kind == "hooks":
            self.hooks.mode = ""
        elif kind == "full":
            disk.empty(self._disk_of(target))
        elif kind == "read-only":
            disk.remount(self._disk_of(target), "rw")

    def wait_up(self) -> None:
        """Until all that should run does."""
        self.world.wait(
            lambda: all(status.state == "up" for status in self.states().values()), "every process up", UP_S
        )

    def _signal(self, name: str, number: signal.Signals, group: bool) -> bool:
        pid = self.states()[name].pid
        if pid is None:
            return False
        try:
            (os.killpg if group else os.kill)(pid, number)
        except ProcessLookupError:
            return False
        return True

    def _empty(self) -> bool:
        try:
            with redis.Redis.from_url(self._valkey.url, socket_timeout=2) as client:
                client.flushall()
        except redis.RedisError:
            return False
        return True

    def _disk_of(self, target: str) -> Path:
        return self.data if target == "data" else self.data / "files"


@contextmanager
def _environ(more: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
