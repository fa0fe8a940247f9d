"""A real object store that speaks S3, for the tests: rclone's, over a folder."""

import os
import secrets
import shutil
import sys
from pathlib import Path

import httpx

from service.stack.ports import LOOPBACK, free_port
from service.stack.processes import Program

BUCKET = "postil"


class ObjectStore:
    """One server; `program` runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.made = folder, free_port(), 0
        self.key, self.secret = "AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(16)
        (folder / BUCKET).mkdir(parents=True)

    @property
    def environ(self) -> dict[str, str]:
        """What its clients are to have in their environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": f"http://{LOOPBACK}:{self.port}",
            "AWS_ALLOW_HTTP": "true",
        }

    def new(self) -> str:
        """URL of an empty store."""
        self.made += 1
        return f"s3://{BUCKET}/{self.made}"

    def program(self) -> Program:
        server = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert server is not None
        options = ["--config", "/dev/null", "--addr", f"{LOOPBACK}:{self.port}", "--vfs-cache-mode", "off"]
        return Program(
            name="object-store",
            command=[server, "serve", "s3", *options, str(self.folder)],
            environ={"PATH": "/usr/bin:/bin", "RCLONE_AUTH_KEY": f'"{self.key},{self.secret}"'},
            ready=self._answers,
        )

    def _answers(self) -> bool:
        try:
            httpx.get(f"http://{LOOPBACK}:{self.port}/")
        except httpx.TransportError:
            return False
        return True
