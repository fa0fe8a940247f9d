"""The API as a process of its own, with its Valkey, on a new folder: for what is measured of it from outside."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from service import memory
from service.http.api import Api
from service.settings import Settings
from service.stack.ports import LOOPBACK, free_port
from service.stack.processes import Program, Supervisor
from service.stack.valkey import Valkey
from tests.http.conftest import Served

UP_S = 60.0
NOWHERE = "http://127.0.0.1:9"
"""Nothing answers there."""


@dataclass
class Server:
    """`served` speaks with it, and has its store at hand; `folder` holds `logs/api.log`."""

    served: Served
    folder: Path
    _supervisor: Supervisor

    @property
    def restarts(self) -> int:
        """How often it died."""
        return self._supervisor.states()["api"].restarts

    @property
    def peak_mib(self) -> float:
        """The most that the API's process ever had resident."""
        return (memory.told("VmHWM", self._supervisor.states()["api"].pid or 0) or 0) / 2**20

    @property
    def unforeseen(self) -> list[str]:
        """Lines of its log that tell of an error that nobody foresaw."""
        log = (self.folder / "logs" / "api.log").read_text("utf-8", "replace")
        return [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line]


@contextmanager
def serving(folder: Path, settings: Settings | None = None) -> Iterator[Server]:
    """One that answers within the block, on a folder that may not be there; Label Studio is where `settings` say."""
    valkey, port = Valkey(folder / "valkey", free_port(), "password-8412"), free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = settings or Settings()
    settings = replace(
        settings,
        data=str(folder / "data"),
        redis_url=valkey.url,
        url=url,
        label_studio_url=settings.label_studio_url or NOWHERE,
    )

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    command = [sys.executable, "-m", "service.cli.main", "serve", "--host", LOOPBACK, "--port", str(port)]
    environ = {**os.environ, **settings.environ(), "PYTHONUNBUFFERED": "1"}
    programs = [valkey.program(), Program("api", command, environ, ready, after=("valkey",))]
    supervisor = Supervisor(programs, folder)
    supervisor.start()
    try:
        supervisor.wait_up(["api"], UP_S)
        token = (settings.folder / "token").read_text("utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        api = Api(settings)
        with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
            yield Server(Served(url, token, http, api, settings), folder, supervisor)
        api.close()
    finally:
        supervisor.stop()
