"""The file store: folders that are written once, whole, and never changed.

A folder is written under a passing name and renamed, so a name that exists is complete; only then is it named in SQL.
All are in one folder of this machine, or of machines that share it; or in a bucket, and that folder is its cache.
"""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.bucket import Bucket

PASSING = "passing"
"""Folder of what is being written."""
CACHED_S = 24 * 3600.0
"""What nobody read for so long leaves the cache."""


class Files:
    """Folders by names like `shards/<hash>`, below `root`, or in the bucket `url`; see `Bucket` for what is raised."""

    def __init__(self, root: Path, url: str = "") -> None:
        self.root = root
        self.bucket = Bucket(url) if url else None

    def path(self, name: str) -> Path:
        """Where the folder `name` can be read (memory-mapped) on this machine; it is fetched where it is not there."""
        found = self.root / name
        if self.bucket is not None:
            if found.exists():
                os.utime(found)
            else:
                with self._passing() as passing:
                    if self.bucket.get(name, passing):
                        _rename(passing, found)
        return found

    def exists(self, name: str) -> bool:
        return (self.root / name).exists() or (
            self.bucket is not None and self.bucket.age_s(name) is not None
        )

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """An empty folder to fill; it becomes `name` at the end of the block, or vanishes on an error.

        Where `name` exists already (names are keyed by content or job epoch), what is there stays, and is young again.
        What has its name is on the disk, so that a machine that loses its power does not lose what SQL then names.
        """
        with self._passing() as passing:
            yield passing
            if not self.exists(name):
                if self.bucket is not None:
                    self.bucket.put(passing, name)
                _rename(passing, self.root / name)
            elif self.bucket is not None:
                self.bucket.touch(name)
            else:
                os.utime(self.root / name)

    def remove(self, name: str) -> None:
        """Delete a folder; nothing happens where there is none."""
        if self.bucket is not None:
            self.bucket.remove(name)
        shutil.rmtree(self.root / name, ignore_errors=True)

    def ages(self) -> Iterator[tuple[str, float]]:
        """(name, seconds since it was last written) of every folder there is, whole or not."""
        for path in (self.root / PASSING).glob("*"):
            yield f"{PASSING}/{path.name}", _age_s(path)
        if self.bucket is not None:
            yield from self.bucket.ages()
            return
        for folder, _, files in os.walk(self.root):
            name = Path(folder).relative_to(self.root)
            if files and name.parts and name.parts[0] != PASSING:
                yield name.as_posix(), _age_s(Path(folder))

    def age_s(self, name: str) -> float:
        """Seconds since the folder was last written; many where it is not whole."""
        if self.bucket is None or name.startswith(f"{PASSING}/"):
            return _age_s(self.root / name)
        found = self.bucket.age_s(name)
        return time.time() if found is None else found

    def trim(self) -> None:
        """Delete from the cache of a bucket what nobody read for CACHED_S."""
        if self.bucket is None:
            return
        for folder, _, files in os.walk(self.root):
            if files and _age_s(Path(folder)) > CACHED_S:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _passing(self) -> Iterator[Path]:
        passing = self.root / PASSING / uuid.uuid4().hex
        passing.mkdir(parents=True)
        try:
            yield passing
        finally:
            shutil.rmtree(passing, ignore_errors=True)


def _rename(passing: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in [*passing.iterdir(), passing]:
        _to_disk(path)
    try:
        passing.rename(target)
    except OSError:
        if not target.exists():  # else another was quicker, with the same
            raise
    _to_disk(target.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _age_s(folder: Path) -> float:
    try:
        return time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # it vanished
        return 0.0
