"""Files that nothing names, on a real store."""

import os
import time
from pathlib import Path

from service import orphans
from service.files import Files
from service.records import Example
from service.store import campaigns
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.filling import fill, seal


def test_what_nothing_names_goes_when_it_is_old(database: Database, tmp_path: Path) -> None:
    """Given a shard that is in use, one of a killed seal, folders of lost attempts, one that was never finished, and a
    young one, then the first and the last stay, and so does a shard that is written anew."""
    files = Files(tmp_path / "files")
    with database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
        fill(connection, files, id_, [Example(f"text {at}") for at in range(20)])
        seal(connection, files, id_)
        (used,) = [name for name in orphans.named(connection) if name.startswith("shards/")]
    lost = ["shards/0123", f"adapters/{id_}/r1-7-1", f"scores/{id_}/1/0-8-2", "encodings/abc/def-9-1"]
    for name in [*lost, "shards/again", "shards/young"]:
        with files.new(name) as folder:
            (folder / "it").write_bytes(b"1")
    unfinished = files.path("passing/1234")
    unfinished.mkdir(parents=True)
    (unfinished / "it").write_bytes(b"1")
    for name in [used, *lost, "shards/again", "passing/1234"]:
        for path in (*files.path(name).iterdir(), files.path(name)):
            os.utime(path, (time.time() - 7 * 3600,) * 2)
    with files.new("shards/again"):
        pass
    assert sorted(orphans.sweep(database, files)) == sorted([*lost, "passing/1234"])
    assert all(files.exists(name) for name in (used, "shards/again", "shards/young"))
    assert orphans.sweep(database, files) == []
