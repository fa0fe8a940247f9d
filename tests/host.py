"""A machine of its own, as far as the network goes: a namespace that reaches others by links only."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from service.settings import Settings
from service.stack.ports import LOOPBACK
from service.stack.processes import Program, Supervisor
from tests.link import Link, Mode


def can_make_hosts() -> bool:
    """Whether this process may make network namespaces."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


class Host:
    """Within the block it is there, with a data folder of its own. What it runs is ended with it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.namespace = f"postil-{name}-{os.getpid()}"
        self.folder = folder / name
        self.links: dict[str, Link] = {}
        self._open = ExitStack()
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> "Host":
        self.folder.mkdir()
        _ip("netns", "add", self.namespace)
        self._open.callback(_ip, "netns", "delete", self.namespace)
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def reach(self, name: str, link: Link) -> int:
        """Open the link, whose near end is here; its port."""
        self.links[name] = self._open.enter_context(link)
        return link.port

    def shown(self, port: int) -> int:
        """Our `port` on the machine that the test runs on."""
        link = self._open.enter_context(Link(port, to=self.namespace))
        self.links[f"shown {port}"] = link
        return link.port

    def run(self, settings: Settings, *roles: str, environ: dict[str, str], port: int = 0) -> None:
        """Start the roles (api, gpu, cpu, sync) here; the API at `port`."""
        settings = replace(settings, data=str(self.folder))
        words = {
            role: ["serve", "--host", LOOPBACK, "--port", str(port)] if role == "api" else ["worker", role]
            for role in roles
        }
        inside = [shutil.which("ip") or "ip", "netns", "exec", self.namespace]
        programs = [
            Program(
                name=role,
                command=[*inside, sys.executable, "-m", "service.cli.main", *said],
                environ={**os.environ, **settings.environ(), **environ, "OMP_WAIT_POLICY": "PASSIVE"},
            )
            for role, said in words.items()
        ]
        self._supervisor = Supervisor(programs, self.folder)
        self._open.callback(self._supervisor.stop)
        self._supervisor.start()

    def owns(self, owner: str) -> bool:
        """Whether a job's owner is a process of this host."""
        states = self._supervisor.states().values() if self._supervisor else ()
        return any(f"-{status.pid}-" in owner for status in states)

    def cut_off(self, mode: Mode) -> None:
        """`silent`: nothing comes or goes any more; `open`: it does again."""
        for link in self.links.values():
            link.mode = mode


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
