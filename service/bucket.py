"""Folders in an object store (S3 and what speaks its protocol, Google, Azure), for more machines than one.

A folder is one object for each of its files, and after them a marker that names them: without it nothing is there. The
package obstore speaks to the store; keys, region and endpoint come from the environment as its clients have them
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT, AWS_ALLOW_HTTP, GOOGLE_*, AZURE_*).
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec

from service.errors import FilesUnavailable, Invalid

WHOLE = ".whole"
"""The marker: {file: bytes}."""
CHUNK_BYTES = 1 << 20
RETRY_S = 60

log = logging.getLogger(__name__)


class Bucket:
    """A store by URL, such as s3://bucket/prefix; raises Invalid for a URL that cannot be used.

    Methods raise FilesUnavailable where the store is away for longer than RETRY_S, or refuses us.
    """

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as error:
            raise Invalid(
                f"POSTIL_FILES_URL is {url}: install `postil[bucket]` to keep files there", "files_url"
            ) from error
        self.url = url
        self._obstore, self._error = obstore, BaseError
        try:
            self._store = from_url(
                url, retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=RETRY_S)}
            )
        except (BaseError, ValueError) as error:
            raise Invalid(f"POSTIL_FILES_URL is {url}: {error}", "files_url") from error

    def put(self, folder: Path, name: str) -> None:
        """Keep the files of `folder` as the folder `name`."""
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        with self._speaking():
            for file in sizes:
                self._obstore.put(self._store, f"{name}/{file}", folder / file)
            self._obstore.put(self._store, f"{name}/{WHOLE}", msgspec.json.encode(sizes))

    def get(self, name: str, folder: Path) -> bool:
        """Bring the files of `name` into `folder`; False where there is none."""
        sizes = self._sizes(name)
        for file, size in (sizes or {}).items():
            with self._speaking(), (folder / file).open("wb") as target:
                found = self._obstore.get(self._store, f"{name}/{file}")
                for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                    target.write(chunk)
                if target.tell() != size:
                    raise FilesUnavailable(
                        f"{self.url}/{name}/{file} has {target.tell()} bytes, and had {size}"
                    )
        return sizes is not None

    def touch(self, name: str) -> None:
        """Make it young, where it is there."""
        sizes = self._sizes(name)
        if sizes is not None:
            with self._speaking():
                self._obstore.put(self._store, f"{name}/{WHOLE}", msgspec.json.encode(sizes))

    def remove(self, name: str) -> None:
        """Delete it, the marker first; nothing happens where there is none."""
        with self._speaking():
            found = [one["path"] for page in self._obstore.list(self._store, f"{name}/") for one in page]
            found.sort(key=lambda path: not path.endswith(f"/{WHOLE}"))
            for some in (found[:1], found[1:]):
                if some:
                    self._obstore.delete(self._store, some)

    def age_s(self, name: str) -> float | None:
        """Seconds since it was last written; None where it is not there."""
        try:
            with self._speaking():
                marker = self._obstore.head(self._store, f"{name}/{WHOLE}")
        except FileNotFoundError:
            return None
        return time.time() - float(marker["last_modified"].timestamp())

    def ages(self) -> Iterator[tuple[str, float]]:
        """(name, seconds since it was last written) of every folder, whole or not."""
        youngest: dict[str, float] = {}
        with self._speaking():
            for page in self._obstore.list(self._store):
                for one in page:
                    name = one["path"].rpartition("/")[0]
                    age_s = time.time() - one["last_modified"].timestamp()
                    youngest[name] = min(age_s, youngest.get(name, age_s))
        yield from youngest.items()

    def _sizes(self, name: str) -> dict[str, int] | None:
        try:
            with self._speaking():
                marker = self._obstore.get(self._store, f"{name}/{WHOLE}").bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(marker.to_bytes(), type=dict[str, int])

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            log.debug("%s", error)
            raise FilesUnavailable(f"{self.url} does not answer as it should: {_first(error)}") from error


def _first(error: Exception) -> str:
    """Its first line: the others repeat it for programmers."""
    return str(error).strip().splitlines()[0]
