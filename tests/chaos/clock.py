"""A clock that jumps, for the processes that are started with its environment: `clock.c`, where there is a compiler."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "clock.c"


def can_jump() -> bool:
    return shutil.which("cc") is not None


class Clock:
    """In `folder`; as the machine's until it jumps.

    `forward` is for servers whose promises are by the time of day, such as Label Studio's locks of what people are at:
    put back by an hour, it would keep them for an hour longer. It jumps along, but never back.
    """

    def __init__(self, folder: Path) -> None:
        self._library, self._offset_s = folder / "clock.so", 0.0
        self._file, self._forward = folder / "offset", folder / "offset-forward"
        self._furthest_s = 0.0
        self.jump(0.0)
        if can_jump():
            words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run(words, check=True, capture_output=True)

    @property
    def environ(self) -> dict[str, str]:
        return self._environ(self._file)

    @property
    def forward(self) -> dict[str, str]:
        return self._environ(self._forward)

    def jump(self, by_s: float) -> None:
        self._offset_s += by_s
        self._furthest_s = max(self._furthest_s, self._offset_s)
        _write(self._file, self._offset_s)
        _write(self._forward, self._furthest_s)

    def _environ(self, file: Path) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET": str(file)} if can_jump() else {}


def _write(file: Path, seconds: float) -> None:
    """In place, since processes have it mapped."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(handle, struct.pack("d", seconds), 0)
    os.close(handle)
