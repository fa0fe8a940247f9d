"""Backups on the command line, of a real stack."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.client import Client
from service.settings import Settings
from service.stack.stack import Stack
from service.store.database import Database


def test_a_backup_and_its_way_back(
    postil: Callable[..., Any], api: Client, stack: Stack, tmp_path: Path
) -> None:
    api.create(name="saved", labels=["a", "b"], model="none")
    file, data = str(tmp_path / "all.tar"), str(tmp_path / "data")

    saved = postil("backup", file)
    brought = postil("restore", file, POSTIL_DATA=data)
    again = postil("restore", file, POSTIL_DATA=data)

    assert (saved.status, saved.err) == (0, "")
    assert saved.out.startswith(f"{file}: ")
    assert "Label Studio is not in it" in saved.out
    assert (brought.status, brought.err) == (0, "")
    assert brought.out.endswith(f"are in {data}.\n")
    assert (again.status, again.out) == (1, "")
    assert again.err.startswith(f"error: {data} is not empty (")
    assert (Path(data) / "token").read_text() == (Path(stack.settings.data) / "token").read_text()


def test_nothing_but_a_database(postil_alone: Callable[..., Any], tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", str(tmp_path / "all.tar")
    database = Database(Settings(data=str(old)).database)
    database.upgrade()
    database.close()

    assert postil_alone("backup", file, POSTIL_DATA=str(old)).status == 0
    assert postil_alone("restore", file, POSTIL_DATA=str(new)).status == 0
    nothing = postil_alone("backup", str(tmp_path / "none.tar"), POSTIL_DATA=str(tmp_path / "none"))

    assert [path.name for path in new.iterdir()] == ["postil.sqlite"]
    assert nothing.err.startswith("error: there is nothing in the database sqlite:///")
