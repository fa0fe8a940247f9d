"""The embedded stack: Valkey, Label Studio, the API and its workers as real, supervised processes."""

import fcntl
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TextIO
from urllib.parse import urlsplit

from service.errors import Conflict, Invalid
from service.settings import Settings
from service.stack.credentials import credential
from service.stack.label_studio import LabelStudio
from service.stack.ports import LOOPBACK, Ports, get
from service.stack.processes import Program, Status, Supervisor
from service.stack.valkey import Valkey

WORKERS = ("gpu", "cpu", "sync", "predict")
WAIT_S = 1.0
"""An endless wait would miss the signal that came just before it began."""


@dataclass(frozen=True)
class Addresses:
    """What a person needs to look at the stack; email and password are empty for a foreign Label Studio."""

    api: str
    label_studio: str
    label_studio_email: str
    label_studio_password: str


class Stack:
    """The whole service on one machine, in one data folder; what the settings name by URL is not started.

    ```
    with Stack(settings) as stack:
        stack.start(print)
        stack.wait()
    ```
    Ctrl-C, SIGTERM and SIGHUP end `start` and `wait` in the main thread; leaving the block stops everything.
    """

    def __init__(self, settings: Settings, *, workers: bool = True) -> None:
        self._workers = workers
        self._lock: TextIO | None = None
        self._supervisor: Supervisor | None = None
        self._handlers: dict[signal.Signals, object] = {}
        self.settings = settings
        """The complete settings, with every address and key, once `start` was called."""
        self.label_studio: LabelStudio | None = None
        """The embedded Label Studio; None where the settings name another."""

    def start(
        self, on_status: Callable[[Status], None] = lambda status: None, *, seconds: float = 120.0
    ) -> None:
        """Start everything; returns when Valkey and the API are up, within `seconds`.

        Label Studio may take longer. `on_status` is told of every change from another thread, also after this
        has returned. Raises Conflict when another stack runs in this folder, PostilError when a part cannot
        run, KeyboardInterrupt on a signal; then nothing is left running.
        """
        if self._supervisor is not None:
            raise Conflict("This stack was started already.")
        self._hold_folder()
        self._catch_signals()
        try:
            programs = self._programs()
            self._supervisor = Supervisor(programs, self.settings.folder, on_status)
            self._supervisor.start()
            self._supervisor.wait_up(
                [program.name for program in programs if program.name in ("valkey", "api")], seconds
            )
        except BaseException:
            self.stop()
            raise

    def addresses(self) -> Addresses:
        return Addresses(
            api=self.settings.url,
            label_studio=self.settings.label_studio_url,
            label_studio_email=self.label_studio.email if self.label_studio else "",
            label_studio_password=self.label_studio.password if self.label_studio else "",
        )

    def states(self) -> dict[str, Status]:
        return self._supervisor.states() if self._supervisor else {}

    def wait_up(self, name: str, seconds: float) -> None:
        """Return when the program `name` is up; raises PostilError when it is not within `seconds`."""
        if self._supervisor is None:
            raise Conflict("This stack is not started.")
        self._supervisor.wait_up([name], seconds)

    def wait(self) -> None:
        """Return on Ctrl-C, SIGTERM or SIGHUP."""
        try:
            while True:
                time.sleep(WAIT_S)
        except KeyboardInterrupt:
            return

    def stop(self) -> None:
        """End every process, dependents first, and let go of the folder. Repeatable."""
        if self._supervisor is not None:
            self._supervisor.stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._handlers = {}
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> "Stack":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _hold_folder(self) -> None:
        folder = self.settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise Conflict(
                f"Another `postil up` or `postil demo` (process {holder}) runs in {folder.absolute()}: "
                "stop it, or set POSTIL_DATA to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _catch_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP, and it stays so
                self._handlers[number] = signal.signal(number, signal.default_int_handler)

    def _programs(self) -> list[Program]:
        folder, programs = self.settings.folder.absolute(), []
        secrets, ports = folder / "secrets.json", Ports(folder / "ports.json")
        settings = replace(self.settings, data=str(folder))
        if not settings.redis_url:
            valkey = Valkey(folder / "valkey", ports.port("valkey"), credential(secrets, "valkey"))
            programs.append(valkey.program())
            settings = replace(settings, redis_url=valkey.url)
        if not settings.label_studio_url:
            self.label_studio = LabelStudio(
                settings,
                folder / "label-studio",
                ports.port("label-studio"),
                credential(secrets, "label-studio-password"),
                credential(secrets, "label-studio-token"),
            )
            programs.append(self.label_studio.program())
            settings = replace(
                settings, label_studio_url=self.label_studio.url, label_studio_token=self.label_studio.token
            )
        elif not settings.label_studio_token:
            raise Invalid(
                f"POSTIL_LABEL_STUDIO_URL is {settings.label_studio_url}, POSTIL_LABEL_STUDIO_TOKEN is empty: "
                "set it to a token of an account there that may create projects.",
                "POSTIL_LABEL_STUDIO_TOKEN",
            )
        asked = urlsplit(settings.url)
        ours = asked.hostname in (LOOPBACK, "localhost")
        port = ports.port("api", asked.port if ours else None)
        if ours:  # any other address is a proxy's, in front of our port
            settings = replace(settings, url=f"http://{LOOPBACK}:{port}")
        self.settings = settings
        programs.append(self._api(port, after=tuple(p.name for p in programs if p.name == "valkey")))
        if self._workers:
            programs += self._worker_programs()
        return programs

    def _api(self, port: int, after: tuple[str, ...]) -> Program:
        def ready() -> bool:
            answer = get(port, "/healthz")
            return answer is not None and answer[0] == 200

        return Program(
            name="api",
            command=_postil("serve", "--host", LOOPBACK, "--port", str(port)),
            environ=self._environ({}),
            ready=ready,
            after=after,
        )

    def _worker_programs(self) -> list[Program]:
        if importlib.util.find_spec("torch") is None:
            raise Invalid(
                "The workers need PyTorch: install postil with its extra, `pip install postil[worker]`."
            )
        # Threads that spin while they wait would take the cores from the API and Label Studio.
        threads = {"OMP_NUM_THREADS": str(self.settings.worker_threads), "OMP_WAIT_POLICY": "PASSIVE"}
        alone = threads | {"OMP_NUM_THREADS": "1"}
        return [
            Program(
                name=f"worker-{kind}",
                command=_postil("worker", kind),
                environ=self._environ(alone if kind == "predict" else threads),
                stop_within=15.0,
                # The API brings the database to its newest schema before it answers.
                after=("api",),
            )
            for kind in WORKERS
        ]

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **self.settings.environ(), "PYTHONUNBUFFERED": "1", **more}


def _postil(*words: str) -> list[str]:
    return [sys.executable, "-m", "service.cli.main", *words]
