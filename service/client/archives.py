"""Archives as they come over HTTP: they become folders, whole or not at all."""

import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from service.errors import Conflict, Invalid, PostilError


def untar(spool: IO[bytes], folder: Path) -> None:
    with tarfile.open(fileobj=spool) as tar:
        tar.extractall(folder, filter="data")


def unzip(spool: IO[bytes], folder: Path) -> None:
    with zipfile.ZipFile(spool) as archive:
        archive.extractall(folder)


def unpack(chunks: Iterable[bytes], folder: Path, extract: Callable[[IO[bytes], Path], None] = untar) -> None:
    """Make `folder` of an archive's bytes.

    Raises Conflict where it is there already, Invalid where it cannot be made, PostilError for what is no archive.
    """
    absent(folder)
    try:
        passing = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    except OSError as error:
        raise Invalid(f"{folder} cannot be made: {error.strerror}", "--out") from None
    try:
        with tempfile.TemporaryFile() as spool:
            for chunk in chunks:
                spool.write(chunk)
            spool.seek(0)
            extract(spool, passing)
        passing.chmod(0o755)  # mkdtemp's own mode is for secrets
        os.rename(_inner(passing), folder)
    except (tarfile.TarError, zipfile.BadZipFile) as error:
        raise PostilError(f"what came is not whole ({error}): try again, and see the API's log") from None
    finally:
        shutil.rmtree(passing, ignore_errors=True)


def absent(folder: Path) -> None:
    """Raises Conflict where the folder is there."""
    if folder.exists():
        raise Conflict(f"{folder} exists already: name a folder that does not")


def _inner(folder: Path) -> Path:
    """The folder with the files: `folder` itself, or the only one in it."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
