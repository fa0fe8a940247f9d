"""Files and objects that a pool may be imported from: those below a prefix that the operator allows."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from service.errors import Invalid

CHUNK_BYTES = 1 << 18
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def allowed(url: str, prefixes: str) -> str:
    """The path, with no symbolic link left in it, or URL, where it is one of `prefixes` (commas or spaces between)
    or below; raises Invalid."""
    wanted = _normal(url)
    for prefix in re.split(r"[\s,]+", prefixes):
        if prefix and (wanted + "/").startswith(_normal(prefix).rstrip("/") + "/"):
            return wanted
    raise Invalid(
        f"{url} is not below any prefix in POSTIL_SOURCES: the operator sets what may be read", "url"
    )


def chunks(url: str) -> tuple[int | None, Iterator[bytes]]:
    """(bytes in all, where that is known; the bytes) of what `allowed` gave back.

    Raises Invalid where it cannot be found, or where the package that reads such URLs is not installed.
    """
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url)
        size = files.info(path).get("size")
        file = files.open(path, "rb")
    except (ImportError, ValueError, FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise Invalid(f"{url} cannot be read: {error}", "url") from error

    def read() -> Iterator[bytes]:
        with file:
            yield from iter(partial(file.read, CHUNK_BYTES), b"")

    return size, read()


def _normal(url: str) -> str:
    """An absolute path, or a URL; raises Invalid where it could mean something else than it says."""
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else ""
    rest = url[found.end() :] if found else url
    if "::" in url or "\x00" in url or ".." in unquote(rest).replace("\\", "/").split("/"):
        raise Invalid(f"{url} has '..', '::' or a NUL in it: say where the file is", "url")
    if scheme in ("", "file", "local"):
        if not rest.startswith("/"):
            raise Invalid(f"{url} is no absolute path and no URL", "url")
        return str(Path(rest).resolve())
    return f"{scheme}://{re.sub('/+', '/', rest)}"
