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
    """In `folder`; as the machine's until it jumps."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library, self._offset_s = folder / "offset", folder / "clock.so", 0.0
        self.jump(0.0)
        if can_jump():
            words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run(words, check=True, capture_output=True)

    @property
    def environ(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET": str(self._file)} if can_jump() else {}

    def jump(self, by_s: float) -> None:
        self._offset_s += by_s
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(handle, struct.pack("d", self._offset_s), 0)
        os.close(handle)
