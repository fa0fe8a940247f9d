"""Ports on the loopback interface, remembered so that addresses stay the same from start to start."""

import http.client
import json
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from service.errors import PostilError

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports (32768 and up on Linux): no outgoing connection can sit on one of these.
LOWEST, HIGHEST = 20_000, 32_000


def is_free(port: int) -> bool:
    """True where a server could listen on `port` of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port nobody listens on; raises PostilError when 1,000 draws find none."""
    draw = random.SystemRandom()
    for _ in range(1000):
        port = draw.randint(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise PostilError(
        f"No free port between {LOWEST} and {HIGHEST} on {LOOPBACK}: stop a server and try again."
    )


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes] | None:
    """Status and body of a GET on `port` of the loopback interface; None where nothing answers in 5 s.

    For readiness checks: no proxy, no redirect, no keep-alive.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Ports:
    """The ports of one data folder, by name, kept in a JSON file.

    Not safe against two writers: whoever holds the data folder's lock is the only one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def port(self, name: str, preferred: int | None = None) -> int:
        """The port remembered for `name` if it is free; else `preferred` if free; else a new one. Stored."""
        remembered = self._read()
        candidates = [remembered.get(name), preferred]
        taken = {port for other, port in remembered.items() if other != name}
        port = next((port for port in candidates if port and port not in taken and is_free(port)), None)
        while port is None or port in taken:
            port = free_port()
        if remembered.get(name) != port:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".new")
            draft.write_text(json.dumps({**remembered, name: port}, indent=1))
            os.replace(draft, self._path)
        return port

    def _read(self) -> dict[str, int]:
        try:
            stored = json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return {name: port for name, port in stored.items() if isinstance(port, int)}
