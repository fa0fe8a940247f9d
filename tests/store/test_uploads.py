import pytest
from sqlalchemy import Connection, update

from service.errors import Conflict
from service.store import campaigns, uploads
from service.store.campaigns import NewCampaign
from service.store.database import now
from service.store.schema import upload
from service.store.uploads import SILENT_S, Upload


@pytest.fixture
def campaign(connection: Connection) -> str:
    return campaigns.create(connection, NewCampaign("one", ["a", "b"], "m")).id


def fall_silent(connection: Connection) -> None:
    connection.execute(update(upload).values(seen_at=now() - SILENT_S - 1))


def states(connection: Connection, campaign: str) -> list[tuple[str, object]]:
    return [(row.state, row.receipt) for row in uploads.all_of(connection, campaign)]


def test_uploads_without_a_key_are_all_new(connection: Connection, campaign: str) -> None:
    assert uploads.begin(connection, campaign, "pool", None) == Upload(1)
    assert uploads.begin(connection, campaign, "pool", None) == Upload(2)


def test_a_key_that_is_done_gives_its_receipt(connection: Connection, campaign: str) -> None:
    begun = uploads.begin(connection, campaign, "pool", "k")
    assert uploads.end(connection, begun.id, "done", {"added": 3}) == {"added": 3}
    assert uploads.begin(connection, campaign, "pool", "k") == Upload(begun.id, {"added": 3})
    with pytest.raises(Conflict, match="belongs to an upload of another kind"):
        uploads.begin(connection, campaign, "test", "k")


def test_a_key_that_runs_is_refused_until_it_is_silent(connection: Connection, campaign: str) -> None:
    begun = uploads.begin(connection, campaign, "pool", "k")
    with pytest.raises(Conflict, match="is running: wait for it, or 60 s"):
        uploads.begin(connection, campaign, "pool", "k")
    fall_silent(connection)
    assert uploads.begin(connection, campaign, "pool", "k") == begun
    with pytest.raises(Conflict):
        uploads.begin(connection, campaign, "pool", "k")


def test_a_broken_one_keeps_what_was_stored_and_may_go_on(connection: Connection, campaign: str) -> None:
    begun = uploads.begin(connection, campaign, "pool", "k")
    uploads.touch(connection, begun.id, {"added": 5000})
    uploads.touch(connection, begun.id)
    assert uploads.end(connection, begun.id, "broken") == {"added": 5000}
    assert states(connection, campaign) == [("broken", {"added": 5000})]
    assert uploads.begin(connection, campaign, "pool", "k") == begun
    assert states(connection, campaign) == [("running", {"added": 5000})]


def test_silent_ones_are_taken_for_broken(connection: Connection, campaign: str) -> None:
    uploads.begin(connection, campaign, "pool", None)
    uploads.break_silent(connection)
    assert states(connection, campaign) == [("running", None)]
    fall_silent(connection)
    uploads.break_silent(connection)
    assert states(connection, campaign) == [("broken", None)]
