"""The API as a process of its own, with its Valkey, on a new folder: for what is measured of it from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from service import memory
from service.http.api import Api
from service.settings import Settings
from service.stack.stack import Stack
from tests.http.conftest import Served

NOWHERE = "http://127.0.0.1:9"
"""Nothing answers there."""
MOST_MIB = 300
"""What bad input may ever make the API's process take."""


@dataclass
class Server:
    """`served` speaks with it, and has its store at hand; `folder` holds `logs/api.log`."""

    served: Served
    folder: Path
    _stack: Stack

    @property
    def restarts(self) -> int:
        """How often it died."""
        return self._stack.states()["api"].restarts

    @property
    def pid(self) -> int:
        """Of the API's process."""
        return self._stack.states()["api"].pid or 0

    @property
    def peak_mib(self) -> float:
        """The most that the API's process ever had resident."""
        return (memory.told("VmHWM", self.pid) or 0) / 2**20

    @property
    def unforeseen(self) -> list[str]:
        """Lines of its log that tell of an error that nobody foresaw."""
        log = (self.folder / "logs" / "api.log").read_text("utf-8", "replace")
        return [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line]


@contextmanager
def serving(folder: Path, settings: Settings | None = None) -> Iterator[Server]:
    """One that answers within the block, on a folder that may not be there; there is no Label Studio."""
    settings = replace(
        settings or Settings(),
        data=str(folder),
        url="http://127.0.0.1:0",
        label_studio_url=NOWHERE,
        label_studio_token="no token at all",
    )
    with Stack(settings, workers=False) as stack:
        stack.start()
        settings = stack.settings
        token = (folder / "token").read_text("utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        api = Api(settings)
        with httpx.Client(base_url=settings.url, headers=headers, timeout=60) as http:
            yield Server(Served(settings.url, token, http, api, settings), folder, stack)
        api.close()
