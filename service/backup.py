"""A backup while everything runs, and its way back: the database, the files, the keys, the embedded Label Studio."""

import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from service.errors import Conflict, FilesUnavailable, Invalid
from service.files import PASSING, Files
from service.settings import Settings
from service.store import dump
from service.store.database import Database

FORM = 1
MANIFEST = "backup.json"
KEYS = "token", "secrets.json", "ports.json"
STUDIO = "label_studio.sqlite3"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds."""

    form: int
    made_at: float
    revision: str
    """Of the database's schema."""
    rows: dict[str, int]
    """By table."""
    label_studio: bool
    """Whether the embedded Label Studio's data are in it."""


def save(settings: Settings, out: Path) -> Manifest:
    """Write one tar file, while everything runs; nobody but its owner can read it, since it holds the keys.

    The database is taken first, as of one moment. Files are never changed and named only when they are whole, so all
    that it names are there to be taken next. Label Studio comes last: what is answered meanwhile is pulled again.

    Raises Conflict where `out` is there already, and Invalid where there is no database.
    """
    if out.exists():
        raise Conflict(f"{out} is there already: choose another name")
    draft = out.with_name(f"{out.name}.part")
    with tempfile.TemporaryDirectory(prefix="postil-backup-", dir=out.absolute().parent) as passing:
        work = Path(passing)
        (work / "tables").mkdir()
        with closing(_existing(settings)) as database, database.snapshot() as connection:
            rows = dump.save(connection, work / "tables")
        (revision,) = [
            msgspec.json.decode(line)["version_num"]
            for line in (work / "tables" / "alembic_version.jsonl").read_bytes().splitlines()
        ]
        studio = settings.folder / "label-studio" / STUDIO
        manifest = Manifest(FORM, time.time(), revision, rows, studio.is_file())
        (work / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(handle, "wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            tar.add(work / MANIFEST, MANIFEST)
            tar.add(work / "tables", "tables")
            _add_files(tar, Files(settings.files, settings.files_url))
            for name in KEYS:
                if (settings.folder / name).is_file():
                    tar.add(settings.folder / name, f"data/{name}")
            if manifest.label_studio:
                _copy_studio(studio, work / STUDIO)
                tar.add(work / STUDIO, f"data/label-studio/{STUDIO}")
                for path in _beside(studio):
                    tar.add(path, f"data/label-studio/{path.relative_to(studio.parent)}")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, out)
    return manifest


def load(settings: Settings, file: Path) -> Manifest:
    """Bring a backup back into a data folder, and a database, that hold nothing yet; the schema is upgraded.

    Raises Invalid where `file` is no backup of a kind that is known, or there is no room for it; Conflict where there
    is something already; FilesUnavailable where the bucket is away. All is then as empty as before.
    """
    folder = settings.folder
    taken = [name for name in ("files", "label-studio", *KEYS) if (folder / name).exists()]
    if taken:
        raise Conflict(f"{folder} is not empty ({', '.join(taken)}): set POSTIL_DATA to a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(settings.files, settings.files_url)
    if next(files.ages(), None) is not None:
        raise Conflict(f"{settings.files_url} is not empty: set POSTIL_FILES_URL to a new prefix")
    with tempfile.TemporaryDirectory(prefix="restoring-", dir=folder) as passing:
        work = Path(passing)
        try:
            with tarfile.open(file) as tar:
                tar.extractall(work, filter="data")
            manifest = msgspec.json.decode((work / MANIFEST).read_bytes(), type=Manifest)
        except (tarfile.TarError, OSError, msgspec.MsgspecError) as error:
            raise Invalid(f"{file} is no whole backup: {error}", "file") from error
        if manifest.form != FORM:
            raise Invalid(f"{file} is a backup of form {manifest.form}: a newer Postil reads it", "file")
        with closing(Database(settings.database)) as database:
            if database.revision() is not None:
                raise Conflict(
                    f"the database {database.name} is in use: name a new one in POSTIL_DATABASE_URL"
                )
            try:
                _fill(database, manifest.revision, work / "tables")
                _bring_files(work / "files", files)
            except Exception as error:
                database.clear()
                with suppress(FilesUnavailable):
                    for name, _ in list(files.ages()):
                        files.remove(name)
                shutil.rmtree(files.root, ignore_errors=True)
                if isinstance(error, (OSError, SQLAlchemyError, CommandError, msgspec.MsgspecError)):
                    raise Invalid(f"{file} cannot be brought back: {error}", "file") from error
                raise
        for path in work.glob("data/*"):
            shutil.move(path, folder / path.name)
    return manifest


def _existing(settings: Settings) -> Database:
    database = Database(settings.database)
    if database.revision() is None:
        database.close()
        raise Invalid(
            f"there is nothing in the database {database.name}: see POSTIL_DATA and POSTIL_DATABASE_URL"
        )
    return database


def _add_files(tar: tarfile.TarFile, files: Files) -> None:
    """All that is whole; what vanishes meanwhile is named by nobody."""
    for name in sorted(name for name, _ in files.ages() if not name.startswith(f"{PASSING}/")):
        folder = files.path(name)
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            with suppress(FileNotFoundError):
                tar.add(path, f"files/{name}/{path.name}")


def _fill(database: Database, revision: str, tables: Path) -> None:
    database.upgrade(revision)
    with database.transaction() as connection:
        dump.load(connection, tables)
    database.upgrade()


def _bring_files(folder: Path, files: Files) -> None:
    for one, _ in Files(folder).ages():
        with files.new(one) as target:
            for path in (folder / one).iterdir():
                shutil.move(path, target / path.name)


def _copy_studio(source: Path, target: Path) -> None:
    """SQLite's own backup, of one moment, while others write.

    Tasks are locked for whoever is at them just then. Nobody is when the backup comes back, so locks are left out: the
    last tasks of a campaign would stay hidden until they run out.
    """
    with closing(sqlite3.connect(source, timeout=30)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        if new.execute("SELECT 1 FROM sqlite_master WHERE name = 'tasks_tasklock'").fetchone():
            new.execute("DELETE FROM tasks_tasklock")
            new.commit()


def _beside(studio: Path) -> Iterator[Path]:
    """Label Studio's other files, such as its keys and what people uploaded."""
    for path in sorted(studio.parent.rglob("*")):
        if path.is_file() and not path.name.startswith(STUDIO):
            yield path
