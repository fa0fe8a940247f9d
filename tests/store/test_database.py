import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from service.store import campaigns, tokens
from service.store.campaigns import NewCampaign
from service.store.database import Database, clock
from service.store.schema import shard, token
from tests.postgresql import PostgreSQL


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'postil.sqlite'}")
    database.upgrade()
    database.close()
    assert (tmp_path / "deep" / "postil.sqlite").is_file()


def test_several_apis_upgrade_an_empty_database_at_once(postgresql: PostgreSQL) -> None:
    url, failed, begin = postgresql.empty(), [], threading.Barrier(4, timeout=30)

    def upgrade() -> None:
        database = Database(url)
        try:
            begin.wait()
            database.upgrade()
        except Exception as error:  # noqa: BLE001 - asserted below
            failed.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    def write() -> None:
        with database.transaction() as connection:
            tokens.issue(connection, "one")
            connection.execute(insert(token), [{"name": "two", "hash": "same", "made_at": 0.0}] * 2)

    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        write()
    with database.reading() as connection:
        assert tokens.all_of(connection) == []


def test_a_reader_waits_for_no_writer_and_sees_one_moment(database: Database) -> None:
    with database.snapshot() as reader:
        assert reader.execute(select(token.c.name)).all() == []
        with database.transaction() as writer:
            tokens.issue(writer, "one")
            assert reader.execute(select(token.c.name)).all() == []
        assert reader.execute(select(token.c.name)).all() == []
    with database.reading() as reader:
        assert reader.execute(select(token.c.name)).scalars().all() == ["one"]


def test_who_is_cut_off_in_a_transaction_holds_nobody_up(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a writer that holds a campaign and is not heard of any more, when its time is over, then PostgreSQL lets
    the campaign go; what only reads, as a backup does, may take its time."""
    monkeypatch.setattr("service.store.database.IDLE_S", 1)
    database = Database(postgresql.empty())
    database.upgrade()
    with database.transaction() as connection:
        c = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
    with database.snapshot() as long:
        assert campaigns.get(long, c).name == "one"
        silent = database.engine.connect()
        campaigns.get(silent, c, lock=True)
        with database.transaction() as connection:
            campaigns.get(connection, c, lock=True)
        with pytest.raises(DBAPIError, match="idle-in-transaction"):
            silent.commit()
        silent.close()
        assert campaigns.get(long, c).name == "one"
    database.close()


def test_a_writer_of_a_campaign_waits_for_a_writer_of_it(database: Database) -> None:
    order: list[str] = []
    with database.transaction() as connection:
        c = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id

    def write() -> None:
        with database.transaction() as connection:
            campaigns.get(connection, c, lock=True)
            order.append("second")

    with database.transaction() as connection:
        campaigns.get(connection, c, lock=True)
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(timeout=0.3)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), database.transaction() as connection:
        connection.execute(insert(shard).values(campaign="none", number=0, kind="pool", state="full", rows=1))


def test_the_clock_moves_within_a_transaction(database: Database) -> None:
    with database.transaction() as connection:
        first = clock(connection)
        time.sleep(0.01)
        assert clock(connection) > first > 1_700_000_000
