"""Waits for a job that somebody asked for."""

import time
from collections.abc import Callable
from typing import Any

from service.errors import PostilError

POLL_S = 0.5


def done(what: str, mine: int, look: Callable[[], Any]) -> Any:
    """What `look` sees once job number `mine` is done, showing how far it is; raises PostilError where it fails."""
    from rich.console import Console

    with Console(stderr=True).status(f"{what}: waiting for a worker") as status:
        while True:
            found = look()
            job = found["job"]
            if job is None or job["id"] != mine:
                return found
            if job["state"] == "failed":
                raise PostilError(f"the {what} failed: {job['error']}")
            if job["progress"]:
                status.update(job["progress"]["doing"])
            time.sleep(POLL_S)
