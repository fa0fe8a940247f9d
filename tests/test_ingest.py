"""A pool that a worker reads itself: asked for over HTTP's handler, done by the worker's door."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sqlalchemy import select, update

from service.errors import Invalid
from service.http.api import Api
from service.http.pool import import_, show
from service.http.schemas import ImportBody
from service.pool import pool
from service.settings import Settings
from service.store import campaigns, jobs
from service.store.campaigns import NewCampaign
from service.store.schema import event_log, job
from workers import door
from workers.context import Context

LINES = "".join(f'{{"text": "text {at}", "id": "{at}"}}\n' for at in range(2500)) + "{\n"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    settings = Settings(
        data=str(tmp_path / "data"), redis_url="redis://127.0.0.1:9", sources=f"{tmp_path} memory://"
    )
    api = Api(settings)
    api.database.upgrade()
    with api.database.transaction() as connection:
        campaigns.create(connection, NewCampaign("c", ["good", "bad"], "none"))
    yield api
    api.close()


@pytest.fixture
def work(api: Api) -> Iterator[Callable[[], None]]:
    """Do the import that waits."""
    context = Context(api.settings)

    def work() -> None:
        with api.database.transaction() as connection:
            connection.execute(update(job).where(job.c.kind != "ingest").values(queue="none"))
            connection.execute(update(job).values(not_before=0))
        assert door.work(context, "cpu")

    yield work
    context.database.close()
    context.doorbell.redis.close()


def ended(api: Api) -> dict[str, Any]:
    """What the log says of the last upload."""
    with api.database.reading() as connection:
        query = select(event_log.c.data).where(event_log.c.kind == "upload-finished")
        return dict(list(connection.execute(query.order_by(event_log.c.id)).scalars())[-1])


def test_a_file_and_an_object_come_in(api: Api, work: Callable[[], None], tmp_path: Path) -> None:
    (tmp_path / "pool.JSONL.gz").write_bytes(gzip.compress(LINES.encode()))
    with fsspec.open("memory://more.csv", "wb") as file:
        file.write(b"id,text\na,text 1\nb,another\n")

    first = import_(api, "c", ImportBody(f"{tmp_path}/pool.JSONL.gz"))
    (waiting,) = show(api, "c").uploads
    work()
    second = import_(api, "c", ImportBody("memory://more.csv"))
    work()

    assert (waiting.id, waiting.state, waiting.receipt) == (first.upload, "waiting", None)
    after = show(api, "c")
    one, two = after.uploads
    assert (after.examples, one.state, two.state, two.id) == (2501, "done", "done", second.upload)
    assert one.receipt is not None
    assert (one.receipt.received, one.receipt.added, one.receipt.rejected) == (2501, 2500, 1)
    assert two.receipt is not None
    assert (two.receipt.added, two.receipt.duplicates) == (1, 1)
    assert {"upload": second.upload, "state": "done", "added": 1}.items() <= ended(api).items()


def test_after_a_crash_the_rest_is_added(
    api: Api, work: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a worker that breaks after its first batch, then the job is tried again and adds what was missing."""
    (tmp_path / "pool.jsonl").write_text(LINES)
    monkeypatch.setattr(pool, "BATCH", 1000)
    import_(api, "c", ImportBody(f"{tmp_path}/pool.jsonl"))
    add, calls = pool.add, []

    def breaking(*given: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("the disk went away")
        add(*given)

    monkeypatch.setattr(pool, "add", breaking)
    work()
    (broken,) = show(api, "c").uploads
    work()

    after = show(api, "c")
    (upload,) = after.uploads
    assert (broken.state, broken.receipt and broken.receipt.added) == ("running", 1000)
    assert (after.examples, upload.state) == (2500, "done")
    assert upload.receipt is not None
    assert (upload.receipt.added, upload.receipt.duplicates) == (1500, 1000)


def test_what_cannot_be_read_is_broken_and_told(api: Api, work: Callable[[], None], tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text("a,b\n1,2\n")
    import_(api, "c", ImportBody(f"{tmp_path}/pool.csv"))
    work()
    assert [upload.state for upload in show(api, "c").uploads] == ["broken"]
    assert "no column 'text'" in ended(api)["error"]
    with api.database.reading() as connection:
        (campaign,) = campaigns.all_of(connection)
        assert not [row for row in jobs.unfinished(connection, campaign.id) if row.kind == "ingest"]


def test_other_places_and_names_are_refused(api: Api, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is not below any prefix in POSTIL_SOURCES"):
        import_(api, "c", ImportBody("/etc/pool.jsonl"))
    with pytest.raises(Invalid, match=r"its name ends with neither \.jsonl"):
        import_(api, "c", ImportBody(f"{tmp_path}/pool.txt"))
    assert show(api, "c").uploads == []
