"""The file store on a folder, and in a real bucket: the same, but for where things lie."""

import os
import threading
import time
from pathlib import Path

import obstore
import pytest
from obstore.store import from_url

from service.errors import FilesUnavailable, Invalid
from service.files import Files
from tests.objects import ObjectStore


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    url = request.getfixturevalue("object_store").new() if request.param == "bucket" else ""
    return Files(tmp_path / "files", url)


def elsewhere(files: Files, tmp_path: Path) -> Files:
    """The same store as another machine sees it."""
    if files.bucket is None:
        return files
    other = Files(tmp_path / "other")
    other.bucket = files.bucket
    return other


def put(files: Files, name: str, content: bytes = b"1") -> None:
    with files.new(name) as folder:
        (folder / "one").write_bytes(content)
        (folder / "two").write_bytes(b"")


def names(files: Files) -> list[str]:
    return sorted(name for name, _ in files.ages())


def test_a_folder_is_there_whole_for_every_machine(files: Files, tmp_path: Path) -> None:
    large = os.urandom(12_000_000)
    put(files, "shards/a", large)
    other = elsewhere(files, tmp_path)
    assert other.exists("shards/a")
    assert (other.path("shards/a") / "one").read_bytes() == large
    assert (other.path("shards/a") / "two").read_bytes() == b""
    assert not other.exists("shards/b")
    assert not (other.path("shards/b") / "one").exists()
    assert names(files) == names(other) == ["shards/a"]


def test_what_fails_leaves_nothing(files: Files) -> None:
    with pytest.raises(FileNotFoundError), files.new("shards/a") as folder:
        (folder / "missing").rename(folder / "one")
    assert names(files) == []


def test_the_first_of_a_name_stays_and_is_young_again(files: Files, tmp_path: Path) -> None:
    put(files, "shards/a", b"first")
    time.sleep(1.1)
    put(files, "shards/a", b"second")
    assert (elsewhere(files, tmp_path).path("shards/a") / "one").read_bytes() == b"first"
    assert files.age_s("shards/a") < 1


def test_two_write_the_same_at_once(files: Files, tmp_path: Path) -> None:
    """Given two machines that write one name at the same moment, then both come to their end and it is there."""
    machines = [files, elsewhere(files, tmp_path)]
    both = threading.Barrier(2, timeout=30)
    failed: list[BaseException] = []

    def write(one: Files) -> None:
        try:
            with one.new("shards/a") as folder:
                (folder / "one").write_bytes(b"1")
                both.wait()
        except BaseException as error:  # noqa: BLE001 - asserted below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(one,)) for one in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (files.path("shards/a") / "one").read_bytes() == b"1"
    assert names(files) == ["shards/a"]


def test_what_is_removed_is_gone(files: Files) -> None:
    put(files, "shards/a")
    put(files, "shards/ab")
    files.remove("shards/a")
    files.remove("shards/nothing")
    assert not files.exists("shards/a")
    assert names(files) == ["shards/ab"]


def test_half_an_upload_is_not_there(object_store: ObjectStore, tmp_path: Path) -> None:
    """Given a machine that died before its marker was written, then nobody sees the folder, and it can be swept."""
    url = object_store.new()
    obstore.put(from_url(url), "shards/a/one", b"1")
    other = Files(tmp_path / "other", url)
    assert not other.exists("shards/a")
    assert not other.path("shards/a").exists()
    assert names(other) == ["shards/a"]
    other.remove("shards/a")
    assert names(other) == []


def test_the_cache_forgets_what_nobody_reads(object_store: ObjectStore, tmp_path: Path) -> None:
    files = Files(tmp_path / "files", object_store.new())
    for name in ("shards/read", "shards/unread"):
        put(files, name)
        for path in (*files.path(name).iterdir(), files.root / name):
            os.utime(path, (time.time() - 25 * 3600,) * 2)
    files.path("shards/read")
    files.trim()
    assert (files.root / "shards" / "read").exists()
    assert not (files.root / "shards" / "unread").exists()
    assert (files.path("shards/unread") / "one").read_bytes() == b"1"


def test_a_url_that_names_no_store(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="POSTIL_FILES_URL is nonsense://x"):
        Files(tmp_path, "nonsense://x")


def test_a_store_that_refuses_us(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    files = Files(tmp_path / "files", object_store.new())
    with pytest.raises(FilesUnavailable, match="s3://postil/"):
        files.exists("shards/a")
