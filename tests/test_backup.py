"""Backups of a running installation, and what comes back."""

import hashlib
import io
import json
import stat
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service import backup
from service.errors import Conflict, Invalid
from service.settings import Settings
from service.store.database import Database
from tests.http.conftest import Served, filled, filled_once, run, served  # noqa: F401 - fixtures


def parts(file: Path) -> dict[str, str]:
    """name -> hash of what is in it."""
    with tarfile.open(file) as tar:
        return {
            one.name: hashlib.sha256(tar.extractfile(one).read()).hexdigest()  # type: ignore[union-attr]
            for one in tar.getmembers()
            if one.isfile()
        }


@pytest.mark.parametrize("into", ["one machine", "several machines"])
def test_what_comes_back_is_what_there_was(
    served: Served,  # noqa: F811
    filled: str,  # noqa: F811
    tmp_path: Path,
    into: str,
    request: pytest.FixtureRequest,
) -> None:
    """Given an API that is at work and takes an upload meanwhile, then a backup is of one moment, and an API that is
    started on it, be it on PostgreSQL and with an object store, says the same of the campaign and goes on."""
    over = threading.Event()

    def upload() -> None:
        c, number = served.campaign()["id"], 0
        while not over.is_set():
            number += 1
            served.post_lines(f"/v1/campaigns/{c}/pool", json.dumps({"text": f"text {number}"}) + "\n")

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        made = backup.save(served.settings, tmp_path / "first.tar")
    finally:
        over.set()
        thread.join()
    anew = replace(served.settings, data=str(tmp_path / "data"), database_url="")
    if into == "several machines":
        database_url = request.getfixturevalue("postgresql").empty()
        files_url = request.getfixturevalue("object_store").new()
        anew = replace(anew, database_url=database_url, files_url=files_url)
    assert backup.load(anew, tmp_path / "first.tar") == made

    assert backup.save(anew, tmp_path / "second.tar").rows == made.rows
    first, second = parts(tmp_path / "first.tar"), parts(tmp_path / "second.tar")
    assert {name for name in first if first[name] != second.get(name)} == {"backup.json"}
    assert set(second) == set(first)
    assert sum(name.startswith("files/") for name in first) > 5
    assert made.rows["annotation"] > 400
    url, _, running = run(anew)
    paths = [f"/v1/campaigns/{filled}{path}" for path in ("", "/rounds", "/curve", "/queue", "/export")]
    with httpx.Client(base_url=url, headers=served.http.headers, timeout=60) as client:
        for path in paths:
            assert client.get(path).content == served.http.get(path).content
        more = {"name": "one more", "labels": ["a", "b"], "model": "none"}
        assert client.post("/v1/campaigns", json=more).status_code == 201
        lines = {
            "content": b'{"text": "a new text", "id": "new"}',
            "headers": {"Content-Type": "application/x-ndjson"},
        }
        assert client.post(f"/v1/campaigns/{filled}/pool", **lines).json()["added"] == 1
    running.stop()


def test_a_backup_is_private_and_written_whole(served: Served, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "one.tar"
    backup.save(served.settings, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["one.tar"]
    with pytest.raises(Conflict, match="is there already"):
        backup.save(served.settings, file)


def test_only_into_what_is_empty(served: Served, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "one.tar"
    backup.save(served.settings, file)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "token").write_text("secret")
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    database = Database(other)
    database.upgrade()
    database.close()

    with pytest.raises(Conflict, match=r"is not empty \(token\)"):
        backup.load(Settings(data=str(tmp_path / "used")), file)
    with pytest.raises(Conflict, match="is in use"):
        backup.load(Settings(data=str(tmp_path / "new"), database_url=other), file)
    assert list((tmp_path / "new").iterdir()) == []


def test_there_has_to_be_something(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there is nothing in the database"):
        backup.save(Settings(data=str(tmp_path / "empty")), tmp_path / "one.tar")
    assert not (tmp_path / "one.tar").exists()


@pytest.mark.parametrize("spoilt", ["cut", "other", "newer", "climbing"])
def test_what_is_no_backup(served: Served, tmp_path: Path, spoilt: str) -> None:  # noqa: F811
    file, whole = tmp_path / "spoilt.tar", tmp_path / "whole.tar"
    backup.save(served.settings, whole)
    match spoilt:
        case "cut":
            file.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        case "other":
            file.write_bytes(b"not a tar")
        case "newer" | "climbing":
            with tarfile.open(file, "w") as tar:
                words = json.dumps(
                    {"form": 2, "made_at": 0, "revision": "0001", "rows": {}, "label_studio": False}
                )
                one = tarfile.TarInfo("backup.json" if spoilt == "newer" else "../climbing")
                one.size = len(words)
                tar.addfile(one, io.BytesIO(words.encode()))

    with pytest.raises(Invalid, match="form 2" if spoilt == "newer" else "no whole backup"):
        backup.load(Settings(data=str(tmp_path / "data")), file)

    assert not (tmp_path / "climbing").exists()
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
@pytest.mark.parametrize("spoilt", ["row", "table", "revision", "files"])
def test_what_does_not_fit_leaves_nothing(
    served: Served,  # noqa: F811
    tmp_path: Path,
    into: str,
    spoilt: str,
    request: pytest.FixtureRequest,
) -> None:
    whole, file = tmp_path / "whole.tar", tmp_path / "spoilt.tar"
    backup.save(served.settings, whole)
    with tarfile.open(whole) as old, tarfile.open(file, "w") as new:
        for one in old.getmembers():
            content = old.extractfile(one).read() if one.isfile() else b""  # type: ignore[union-attr]
            if one.name == "tables/token.jsonl":
                if spoilt == "table":
                    continue
                content += b'{"id": 1}\n' if spoilt == "row" else b""
            if one.name == "backup.json" and spoilt == "revision":
                content = content.replace(b'"revision": "', b'"revision": "9')
            one.size = len(content)
            new.addfile(one, io.BytesIO(content))
        if spoilt == "files":
            link = tarfile.TarInfo("files/shards/spoilt/one.npy")
            link.type, link.linkname = tarfile.SYMTYPE, "nowhere"
            new.addfile(link)
    url = request.getfixturevalue("postgresql").empty() if into == "postgresql" else ""
    settings = Settings(data=str(tmp_path / "data"), database_url=url)
    if into == "postgresql":
        settings = replace(settings, files_url=request.getfixturevalue("object_store").new())

    with pytest.raises(Invalid, match="cannot be brought back"):
        backup.load(settings, file)

    assert {path.name for path in (tmp_path / "data").iterdir()} <= {
        "postil.sqlite",
        "postil.sqlite-wal",
        "postil.sqlite-shm",
    }
    assert backup.load(settings, whole).rows["token"] >= 1
