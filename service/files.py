"""The file store: folders that are written once, whole, and never changed.

One folder on this machine. A folder is written under a passing name and renamed, so a name that exists is
complete; only then is it named in SQL. Everything goes through this class, so other stores fit behind it.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSING = "passing"
"""Folder of what is being written."""


class Files:
    """Folders below `root`, by names like `shards/<hash>`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Where the folder `name` can be read (memory-mapped) on this machine."""
        return self.root / name

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """An empty folder to fill; it becomes `name` at the end of the block, or vanishes on an error.

        Where `name` exists already (names are keyed by content or job epoch), what is there stays, and is young again.
        What has its name is on the disk, so that a machine that loses its power does not lose what SQL then names.
        """
        passing = self.root / PASSING / uuid.uuid4().hex
        passing.mkdir(parents=True)
        try:
            yield passing
            target = self.path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                os.utime(target)
            else:
                _to_disk(passing)
                passing.rename(target)
                _to_disk(target.parent, inside=False)
        finally:
            shutil.rmtree(passing, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Delete a folder; nothing happens where there is none."""
        shutil.rmtree(self.path(name), ignore_errors=True)


def _to_disk(folder: Path, inside: bool = True) -> None:
    for path in [*folder.iterdir(), folder] if inside else [folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
