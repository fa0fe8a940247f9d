"""Disks that can be filled and made read-only: tmpfs mounts, for root on Linux."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BALLAST = "ballast"


def can_mount() -> bool:
    """Whether this process may make disks of its own."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, how: str) -> bool:
    """Not while a file there is open for writing: then it is tried for a second."""
    for _ in range(20):
        if (
            subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], capture_output=True).returncode
            == 0
        ):
            return True
        time.sleep(0.05)
    return False


def fill(folder: Path) -> None:
    """Leave no room."""
    with (folder / BALLAST).open("ab", buffering=0) as file, suppress(OSError):
        while True:  # what does not fit whole is written in part
            file.write(bytes(2**20))


def empty(folder: Path) -> None:
    """Make room again."""
    (folder / BALLAST).unlink(missing_ok=True)
