"""An installation as it is found: its settings, completed by what `postil up` remembers in the data folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from service.settings import Settings

if TYPE_CHECKING:
    from service.label_studio.client import Client
    from service.records import Campaign
    from service.store.database import Database

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Site:
    settings: Settings
    ports: dict[str, int]
    """Those that `postil up` remembers, by the names of its programs."""
    embedded: frozenset[str]
    """Which of redis and label-studio `postil up` starts here, so far as it ever ran."""

    @classmethod
    def find(cls, settings: Settings) -> "Site":
        """Nothing is made, started or changed for it."""
        from service.stack.label_studio import LabelStudio  # both need packages that may be missing
        from service.stack.valkey import Valkey

        folder = settings.folder.absolute()
        ports, secrets = _stored(folder / "ports.json"), _stored(folder / "secrets.json")
        embedded = set()
        if not settings.redis_url and {"valkey"} <= ports.keys() & secrets.keys():
            valkey = Valkey(folder / "valkey", ports["valkey"], secrets["valkey"])
            settings = replace(settings, redis_url=valkey.url)
            embedded.add("redis")
        if not settings.label_studio_url and "label-studio" in ports and "label-studio-token" in secrets:
            studio = LabelStudio(
                settings,
                folder / "label-studio",
                ports["label-studio"],
                secrets.get("label-studio-password", ""),
                secrets["label-studio-token"],
            )
            settings = replace(settings, label_studio_url=studio.url, label_studio_token=studio.token)
            embedded.add("label-studio")
        if settings.url == Settings.url and "api" in ports:
            settings = replace(settings, url=f"http://127.0.0.1:{ports['api']}")
        return cls(settings, ports, frozenset(embedded))

    @property
    def folder(self) -> Path:
        return self.settings.folder.absolute()

    @property
    def sqlite(self) -> Path | None:
        """The database's file; None where it is a server's."""
        if self.settings.database_url and not self.settings.database_url.startswith("sqlite"):
            return None
        return Path(self.settings.database.partition("///")[2])

    @property
    def start(self) -> str:
        """How the parts that this installation starts itself are started."""
        return "start everything with `postil up`"

    @contextmanager
    def database(self) -> Iterator["Database"]:
        """The database; call it where its file is there alone, or it is made."""
        from service.store.database import Database

        database = Database(self.settings.database)
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def label_studio(self) -> Iterator["Client | None"]:
        """None where none is named, or its token cannot be one."""
        from service.errors import Invalid
        from service.label_studio.client import Client

        try:
            client = Client(self.settings.label_studio_url, self.settings.label_studio_token, 10)
        except Invalid:
            yield None
            return
        with client:
            yield client

    def campaigns(self) -> "list[Campaign]":
        """All of them; none where the database cannot be read, which a check of its own tells."""
        from sqlalchemy.exc import SQLAlchemyError

        from service.errors import Invalid
        from service.store import campaigns

        if self.sqlite is not None and not self.sqlite.is_file():
            return []
        try:
            with self.database() as database, database.reading() as connection:
                return campaigns.all_of(connection)
        except (SQLAlchemyError, Invalid):
            return []


def is_local(url: str) -> bool:
    """Whether the URL's host is this machine to itself."""
    return urlsplit(url).hostname in LOCAL


def _stored(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
