"""The SQL database: engine, transactions, the clock that everybody shares, and the schema's upgrade."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, Float, Table, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from service.errors import Invalid

BUSY_TIMEOUT_S = 20
MIGRATING = 8412
"""PostgreSQL's lock that is held by who changes the schema, so that APIs may start at the same moment."""
ALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
"""A server that is cut off without a word is noticed within half a minute (libpq's names)."""
IDLE_S = 60
"""PostgreSQL ends a transaction that nothing was asked of for this long: a machine that is cut off in the midst of one
would hold its locks, and with them the campaign, until the server notices, which may take hours."""


class now(GenericFunction[float]):
    """The database's own clock, in seconds since 1970: leases compare times of one clock only."""

    type = Float()
    inherit_cache = True
    name = "postil_now"


@compiles(now, "sqlite")
def _sqlite_now(element: now, compiler: SQLCompiler, **kwargs: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(element: now, compiler: SQLCompiler, **kwargs: Any) -> str:
    return "extract(epoch from clock_timestamp())"


class Database:
    """One database. `transaction()` and `reading()` are the only ways in; all that is written is in the former."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._writing = threading.RLock()
        self.engine = (
            _sqlite_engine(url) if make_url(url).get_backend_name() == "sqlite" else _postgresql_engine(url)
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose statements are committed together, or not at all.

        On SQLite it begins IMMEDIATE: whoever reads in it may write in it, and nobody writes meanwhile. Threads queue
        for it here, since SQLite itself lets whoever comes at the right moment go first, and some wait in vain.
        """
        queue = self._writing if self.engine.dialect.name == "sqlite" else nullcontext()
        with queue, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that only reads, all of it as it stood at one moment where the database is SQLite.

        It waits for no writer there, and no writer waits for it.
        """
        with self.engine.execution_options(reads=True).begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `reading`, and of one moment on PostgreSQL, too, however long it takes."""
        if self.engine.dialect.name == "sqlite":
            with self.reading() as connection:
                yield connection
        else:
            with self.engine.connect() as connection:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield connection

    @property
    def name(self) -> str:
        """Its URL without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    def revision(self) -> str | None:
        """The version of its schema; None where it has none yet."""
        with self.reading() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to this version, the newest one unless said; a new database gets all of it."""
        self._migrate(command.upgrade, revision)

    def clear(self) -> None:
        """Take all tables away again, and what is in them."""
        self._migrate(command.downgrade, "base")

    def _migrate(self, how: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.transaction() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATING)))
            config.attributes["connection"] = connection
            how(config, revision)

    def close(self) -> None:
        self.engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, pool_size=8, max_overflow=32)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        # Python's sqlite3 sends no BEGIN before a SELECT: take transactions out of its hands.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # what was answered with 200 outlives a loss of power
            "foreign_keys=ON",
            "journal_size_limit=67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise Invalid(
            f"POSTIL_DATABASE_URL names {parsed.get_backend_name()!r}: SQLite and PostgreSQL can be used",
            "POSTIL_DATABASE_URL",
        )
    try:
        # A connection that a restart of the server has cut off is noticed before it is used.
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args=ALIVE,
            pool_size=8,
            max_overflow=32,
            pool_pre_ping=True,
        )
    except ModuleNotFoundError as error:
        raise Invalid(
            f"PostgreSQL needs {error.name}: pip install 'postil[postgresql]'", "POSTIL_DATABASE_URL"
        ) from None

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'")
        connection.commit()

    return engine


def insert_new(connection: Connection, table: Table) -> Any:
    """INSERT … ON CONFLICT DO NOTHING on either database: what is there already stays."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()


def clock(connection: Connection) -> float:
    """The database's time, seconds since 1970."""
    return float(connection.execute(select(now())).scalar_one())
