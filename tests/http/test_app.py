"""What lives as long as the application: the first token, the schema, the reconciler; and its end."""

import json
import stat
import threading
from pathlib import Path

import httpx
import pytest
from rq import Queue
from sqlalchemy import func, select, update

from service.doorbell import queue_name
from service.errors import Invalid
from service.http import reconciler
from service.http.app import create_app
from service.http.reconciler import Reconciler
from service.settings import Settings
from service.store import jobs, tokens
from service.store.database import now
from service.store.schema import job, token
from tests.http.conftest import Served, run, wait_for


def test_without_redis_there_is_no_api(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="POSTIL_REDIS_URL is empty") as raised:
        create_app(Settings(data=str(tmp_path)))
    assert raised.value.field == "POSTIL_REDIS_URL"


def test_the_first_token_is_private_stays_and_is_made_anew_when_lost(valkey: str, tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "data"), redis_url=valkey)
    path = tmp_path / "data" / "token"
    seen = []
    for lost in (False, False, True):
        if lost:
            path.unlink()
        url, api, running = run(settings)
        seen.append(path.read_text().strip())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        answer = httpx.get(f"{url}/v1/campaigns", headers={"Authorization": f"Bearer {seen[-1]}"})
        assert answer.json() == {"campaigns": []}
        running.stop()
    assert seen[0] == seen[1] != seen[2]
    with api.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(token)).scalar_one() == 2
        assert tokens.known(connection, seen[0])
        assert seen[0] not in json.dumps([list(row) for row in connection.execute(select(token))])
    api.close()


def test_it_ends_while_somebody_listens(valkey: str, tmp_path: Path) -> None:
    url, _, running = run(Settings(data=str(tmp_path), redis_url=valkey))
    headers = {"Authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
        made = client.post("/v1/campaigns", json={"name": "a", "labels": ["a", "b"], "model": "m"}).json()
        heard = threading.Event()

        def listen() -> None:
            try:
                with client.stream("GET", f"/v1/campaigns/{made['id']}/events") as response:
                    for _ in response.iter_lines():
                        heard.set()
            except httpx.TransportError:
                pass

        listener = threading.Thread(target=listen)
        listener.start()
        assert heard.wait(20)
        running.stop()
        listener.join(timeout=20)
        assert not listener.is_alive()


def test_the_reconciler_makes_lost_work_good(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a claimed job whose worker fell silent, then it is ready, and a worker is woken."""
    c = served.campaign()["id"]
    name = f"test-{c}"
    with served.api.database.transaction() as connection:
        jobs.add(connection, jobs.NewJob(c, "seal:9", "seal", name))
        assert jobs.claim(connection, name, "gone", lease_s=-1.0) is not None
    rung = Queue(queue_name(name), connection=served.api.doorbell.redis, serializer="json")
    wait_for(lambda: rung.count >= 1)
    with served.api.database.reading() as connection:
        row = connection.execute(select(job).where(job.c.campaign == c, job.c.key == "seal:9")).one()
    assert (row.state, row.error) == ("ready", "the worker fell silent")
    assert rung.jobs[0].func_name == "workers.door.answer"
    rung.delete()


def test_the_reconciler_brings_campaigns_forward(served: Served) -> None:
    c = served.campaign()["id"]
    with served.api.database.transaction() as connection:
        connection.execute(
            update(job).where(job.c.campaign == c).values(state="failed", ended_at=now() - 1000)
        )
    Reconciler(served.api.database, served.api.files, served.api.doorbell, served.api.metrics, 0).turn(
        bring_forward=True
    )
    with served.api.database.reading() as connection:
        (sync,) = jobs.unfinished(connection, c)
    assert (sync.kind, sync.state) == ("sync", "ready")


def test_the_reconciler_outlives_whatever_goes_wrong(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reconciler, "TURN_S", 0.01)
    turns = []

    def broken(*_: object) -> list[str]:
        turns.append(1)
        raise OSError("the disk is gone")

    mine = Reconciler(served.api.database, served.api.files, served.api.doorbell, served.api.metrics, 0)
    monkeypatch.setattr(reconciler.jobs, "due", broken)
    mine.start()
    wait_for(lambda: len(turns) >= 3)
    monkeypatch.undo()
    mine.stop()
    assert "the reconciler's turn failed; it goes on" in caplog.text
    assert "the disk is gone" in caplog.text


def test_one_campaigns_trouble_is_not_the_others(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = served.campaign()["id"], served.campaign()["id"]
    seen = []

    def advance(_: object, id_: str) -> list[str]:
        seen.append(id_)
        if id_ == bad:
            raise ValueError("a broken row")
        return []

    monkeypatch.setattr("service.rounds.advance.advance", advance)
    Reconciler(served.api.database, served.api.files, served.api.doorbell, served.api.metrics, 0).turn(
        bring_forward=True
    )
    assert seen.index(good) > seen.index(bad)
    assert f"campaign {bad} could not be brought forward" in caplog.text
