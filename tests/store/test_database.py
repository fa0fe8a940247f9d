import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from service.store import tokens
from service.store.database import Database, clock
from service.store.schema import shard, token


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'postil.sqlite'}")
    database.upgrade()
    database.close()
    assert (tmp_path / "deep" / "postil.sqlite").is_file()


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    def write() -> None:
        with database.transaction() as connection:
            tokens.issue(connection, "one")
            connection.execute(insert(token), [{"name": "two", "hash": "same", "made_at": 0.0}] * 2)

    with pytest.raises(IntegrityError, match="UNIQUE"):
        write()
    with database.reading() as connection:
        assert tokens.all_of(connection) == []


def test_a_reader_waits_for_no_writer_and_sees_one_moment(database: Database) -> None:
    with database.reading() as reader:
        assert reader.execute(select(token.c.name)).all() == []
        with database.transaction() as writer:
            tokens.issue(writer, "one")
            assert reader.execute(select(token.c.name)).all() == []
        assert reader.execute(select(token.c.name)).all() == []
    with database.reading() as reader:
        assert reader.execute(select(token.c.name)).scalars().all() == ["one"]


def test_a_writer_waits_for_a_writer(database: Database) -> None:
    order: list[str] = []

    def write() -> None:
        with database.transaction():
            order.append("second")

    with database.transaction() as connection:
        thread = threading.Thread(target=write)
        thread.start()
        tokens.issue(connection, "one")
        thread.join(timeout=0.3)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.transaction() as connection:
        connection.execute(insert(shard).values(campaign="none", number=0, kind="pool", state="full", rows=1))


def test_the_clock_moves_within_a_transaction(database: Database) -> None:
    with database.transaction() as connection:
        first = clock(connection)
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT max(i) FROM n"
        )
        assert clock(connection) > first > 1_700_000_000
