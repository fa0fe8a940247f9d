"""The migrations make the very schema that the tables in `service.store.schema` describe."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, inspect, text

from service.store import campaigns, tokens
from service.store import database as database_module
from service.store.database import Database
from service.store.schema import metadata

MIGRATIONS = Path(database_module.__file__).parent / "migrations"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'postil.sqlite'}")
    yield database
    database.close()


def statements(connection: Connection) -> dict[str, set[str]]:
    """The parts of every CREATE statement, by table or index: two databases alike in them are alike."""
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
    return {
        # A table that was made anew has its name in quotes.
        name: {part.strip(" \t)") for part in sql.replace("\n", " ").replace('"', "").split(",")}
        for name, sql in connection.execute(query)
    }


def test_nothing_is_left_to_generate(database: Database) -> None:
    database.upgrade()
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_statements_are_those_of_the_tables(database: Database, tmp_path: Path) -> None:
    database.upgrade()
    other = create_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with other.begin() as connection:
        metadata.create_all(connection)
        wanted = statements(connection)
    other.dispose()
    with database.reading() as connection:
        assert statements(connection) == wanted


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    database.upgrade()
    with database.reading() as connection:
        once = statements(connection)
    database.upgrade()
    with database.reading() as connection:
        assert statements(connection) == once


def test_down_to_nothing_and_up_again(database: Database) -> None:
    database.upgrade()
    with database.reading() as connection:
        once = statements(connection)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.upgrade()
    with database.reading() as connection:
        assert statements(connection) == once


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_data_of_the_first_schema_outlive_the_upgrade(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = (
        request.getfixturevalue("postgresql").empty()
        if kind == "postgresql"
        else f"sqlite:///{tmp_path / 'old.sqlite'}"
    )
    database = Database(url)
    database.upgrade("0001")
    secret = "postil_of_old"
    with database.transaction() as connection:
        old = MetaData()
        old.reflect(connection)
        campaign = {
            column.name: {"TEXT": "x", "VARCHAR": "x", "JSON": ["a"], "BOOLEAN": False}.get(
                type(column.type).__visit_name__, 1
            )
            for column in old.tables["campaign"].columns
        }
        connection.execute(old.tables["campaign"].insert().values(**campaign))
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        connection.execute(old.tables["token"].insert().values(id=1, name="first", hash=hashed, made_at=1.0))

    database.upgrade()

    with database.reading() as connection:
        (kept,) = campaigns.all_of(connection)
        token = tokens.known(connection, secret)
        assert (kept.id, kept.labels, kept.paused) == ("x", ["a"], False)
        assert token is not None
        assert (token.access, token.campaigns, token.expires_at) == ("admin", None, None)
    database.close()


def test_answers_that_are_there_get_their_seconds_and_their_round(database: Database) -> None:
    """Given ten answers of 4 s, one of two hours, one without a time, one that was deleted after 6 s, and one to a task
    of somebody else's, then the long one counts five times the usual and the one without as usual."""
    database.upgrade("0012")
    with database.transaction() as connection:
        old = MetaData()
        old.reflect(connection)
        values = {
            name: {
                column.name: {"TEXT": "x", "VARCHAR": "x", "JSON": [], "BOOLEAN": True}.get(
                    type(column.type).__visit_name__, 1
                )
                for column in old.tables[name].columns
            }
            for name in ("campaign", "selection", "annotation")
        }
        connection.execute(old.tables["campaign"].insert().values(**values["campaign"] | {"id": "c"}))
        asked = values["selection"] | {"campaign": "c", "state": "answered"}
        connection.execute(old.tables["selection"].insert().values(**asked | {"row": 3, "round": 7}))
        times = [4.0] * 10 + [7200.0, None, 6.0, None, 9.0]
        kinds = ["answer"] * 13 + ["deleted", "foreign"]
        for at, (lead_time, kind) in enumerate(zip(times, kinds, strict=True)):
            given = {"id": at, "campaign": "c", "ls_id": min(at, 12) if at < 14 else at, "revision": str(at)}
            given |= {"row": at, "kind": kind, "lead_time": lead_time}
            connection.execute(old.tables["annotation"].insert().values(**values["annotation"] | given))

    database.upgrade()

    with database.reading() as connection:
        rows = connection.execute(text("SELECT seconds, round FROM annotation ORDER BY id")).all()
        sums = connection.execute(text("SELECT * FROM spent ORDER BY round")).all()
    assert [row.seconds for row in rows] == [4.0] * 10 + [20.0, 4.0, 6.0, 6.0, None]
    assert [row.round for row in rows] == [0, 0, 0, 7, *[0] * 10, None]
    # All are current here: in all 12 + 1 answers and one that was deleted.
    squares = 9 * 16.0 + 400 + 16 + 36 + 36
    assert [tuple(row) for row in sums] == [
        ("c", 0, 12, 1, 9 * 4.0 + 20 + 4 + 6 + 6, squares, 1, 1, 7180.0),
        ("c", 7, 1, 0, 4.0, 16.0, 0, 0, 0.0),
    ]
