"""A real PostgreSQL for the tests, in a folder of its own."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

from service.stack.ports import LOOPBACK, free_port
from service.stack.processes import Program
from service.store.database import Database

WITHIN_S = 60.0
TEMPLATE = "postil_template"


def binaries() -> Path | None:
    """The folder of the newest `postgres` on this machine; Debian keeps it off the path."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return next((folder for folder in reversed(folders) if (folder / "postgres").is_file()), None)


class PostgreSQL:
    """One server for as long as the block. It does not run as root, so there it runs as the user `postgres`."""

    def __enter__(self) -> "PostgreSQL":
        self.port, self.password, self.made = free_port(), secrets.token_hex(16), 0
        self.folder = Path(tempfile.mkdtemp(prefix="postil-postgresql-"))
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
        where, data = binaries(), self.folder / "data"
        assert where is not None
        word = self.folder / "password"
        word.write_text(self.password)
        word.chmod(0o644)
        make = [
            where / "initdb",
            "-D",
            data,
            "-U",
            "postil",
            "-A",
            "scram-sha-256",
            f"--pwfile={word}",
            "--no-sync",
        ]
        subprocess.run(
            [*make, "-E", "UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/", **self.user
        )
        word.unlink()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 200,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.command = [str(where / "postgres"), "-D", str(data), *map(str, options)]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd="/", **self.user)
        self.engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        self._wait()
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        template = Database(self.url(TEMPLATE).render_as_string(hide_password=False))
        template.upgrade()
        template.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()
        self.process.terminate()
        self.process.wait(WITHIN_S)
        shutil.rmtree(self.folder)

    def program(self, name: str) -> Program:
        """The server for a supervisor, which may kill it; the one that the block began with ends."""
        self.engine.dispose()
        self.process.terminate()
        self.process.wait(WITHIN_S)
        as_user = ["/usr/bin/setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]
        return Program(
            name=name,
            command=[*(as_user if self.user else []), *self.command],
            environ={"PATH": "/usr/bin:/bin"},
            ready=self._answers,
        )

    def url(self, database: str) -> URL:
        return URL.create("postgresql+psycopg", "postil", self.password, LOOPBACK, self.port, database)

    def new(self) -> str:
        """URL of a new database that has the schema, and no rows."""
        return self._copy_of(TEMPLATE)

    def empty(self) -> str:
        """URL of a new database without anything."""
        return self._copy_of("template0")

    def _copy_of(self, template: str) -> str:
        self.made += 1
        self._execute(f"CREATE DATABASE test_{self.made} TEMPLATE {template}")
        return self.url(f"test_{self.made}").render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with self.engine.connect() as connection:
            connection.execute(text(statement))

    def _wait(self) -> None:
        until = time.monotonic() + WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "PostgreSQL did not answer"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with self.engine.connect():
                return True
        except OperationalError:
            return False
