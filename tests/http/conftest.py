"""A real server on a free port, with its own data folder, for the tests of the API."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import uvicorn
from sqlalchemy import delete, update

from service import annotations, doorbell, predictions
from service.annotations import Given
from service.errors import Invalid
from service.http.api import Api
from service.http.app import create_app
from service.pool import pool, shards
from service.records import Place
from service.settings import Settings
from service.store import campaigns, events, jobs, rounds, selections
from service.store.database import now
from service.store.schema import job
from service.store.selections import Chosen

if TYPE_CHECKING:
    from workers.encoder import Encoder

_numbers = count(1)


@dataclass
class Served:
    """A running API: its address, a client that is signed in, and the store behind it."""

    url: str
    token: str
    http: httpx.Client
    api: Api
    settings: Settings

    def campaign(self, **values: Any) -> dict[str, Any]:
        """A new campaign with a name of its own."""
        fields = {"name": f"campaign {next(_numbers)}", "labels": ["good", "bad"], "model": "none"} | values
        response = self.http.post("/v1/campaigns", json=fields)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    def post_lines(self, path: str, body: str | bytes, **headers: str) -> httpx.Response:
        """POST JSON Lines."""
        return self.http.post(path, content=body, headers={"Content-Type": "application/x-ndjson"} | headers)


def wait_for(what: Callable[[], bool]) -> None:
    """Until it is so, 20 s at the most."""
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        time.sleep(0.02)


@dataclass
class Running:
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=20)
        assert not self.thread.is_alive()


def run(settings: Settings) -> tuple[str, Api, Running]:
    """Start a server in a thread; (address, its API, the running server)."""
    app = create_app(settings)
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    return f"http://127.0.0.1:{bound.getsockname()[1]}", app.state.api, Running(server, thread)


@pytest.fixture(scope="session")
def served(
    valkey: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Served]:
    """One server for all tests of the API: each test makes its own campaigns."""
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(data=str(folder), redis_url=valkey, label_studio_url="http://127.0.0.1:9")
    if request.config.getoption("--database") == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgresql").empty())
    url, api, running = run(settings)
    token = (Path(folder) / "token").read_text().strip()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        yield Served(url, token, http, api, settings)
    running.stop()


TOPICS = ["networking", "data formats", "numbers", "dates"]
DOMAINS = ["law", "web"]
"""Of every other text that was asked."""
ROUNDS = 5
MEASURED = 80
"""Texts 0 to 79 of a filled campaign are its hold-out, 80 to 159 its control, 160 to 439 the others asked."""


def fill(served: Served, name: str) -> str:
    """A campaign in the midst of its work, written through the store; its id."""
    made = served.campaign(
        name=name, labels=TOPICS, model="all-MiniLM-L6-v2", budget=600, instruction="Which topic?"
    )
    campaign = made["id"]
    texts = [
        f"How {TOPICS[at % 4]} are handled in case {at}: <b>not bold</b> & the rest of a longer text."
        for at in range(600)
    ]
    lines = "".join(json.dumps({"id": f"doc-{at}", "text": text}) + "\n" for at, text in enumerate(texts))
    assert served.post_lines(f"/v1/campaigns/{campaign}/pool", lines).status_code == 200
    api = served.api
    with api.database.transaction() as connection:
        rows = pool.staged_rows(connection, campaign, 0)
        pool.close_filling(connection, campaign)
        pool.sealed(connection, campaign, 0, shards.seal(api.files, rows))
        campaigns.change(connection, campaign, project=7, webhook_hash=hashlib.sha256(b"secret").hexdigest())
        connection.execute(delete(job).where(job.c.campaign == campaign, job.c.kind.in_(["seal", "encode"])))
    _ask(served, campaign, texts)
    for number in range(1, ROUNDS + 1):
        _round(served, campaign, number)
    _work(served, campaign)
    return campaign


def _role(row: int) -> str:
    return "hold-out" if row < MEASURED else "control" if row < 2 * MEASURED else "train"


def _ask(served: Served, campaign: str, texts: list[str]) -> None:
    """500 tasks, the first 440 of them answered, three skipped, one answered with a label that there is not."""
    chosen = [
        Chosen(
            place=Place(0, row),
            rank=row,
            role=_role(row),  # type: ignore[arg-type]
            strategy="random" if row < 2 * MEASURED else "margin",
            score=0.0 if row < 2 * MEASURED else 0.9,
            reason="random draw" if row < 2 * MEASURED else "margin 0.12 between dates and numbers",
            text=texts[row],
            ext_id=f"doc-{row}",
            domain=DOMAINS[row % 2],
            role_key=row,
            prediction=None
            if row < 2 * MEASURED
            else {"round": 4, "label": TOPICS[row % 4], "confidence": 0.56},
        )
        for row in range(500)
    ]
    given = [
        Given(
            id=1000 + row,
            task=2000 + row,
            ext_id=f"0-{row}",
            result=TOPICS[row % 4],
            skipped=row in (437, 438, 439),
            annotator=1,
            made_at=f"2026-01-01T00:{row // 60:02}:{row % 60:02}+00:00",
            revision="1",
            lead_time=2.0,
        )
        for row in range(440)
    ]
    with served.api.database.transaction() as connection:
        record = campaigns.get(connection, campaign)
        selections.choose(connection, campaign, 1, 0, chosen)
        chosen_rows = selections.in_states(connection, campaign, ["chosen"])
        selections.opened(connection, {row.id: 2000 + row.row for row in chosen_rows if row.row < 490})
        annotations.take(connection, record, given, _read)
        odd = Given(5000, 2445, "0-445", "weather", False, 1, "2026-01-02T00:00:00+00:00", "1", None)
        annotations.take(connection, record, [odd], _read)
        campaigns.change(connection, campaign, batches=1, place=500)


def _read(result: Any, text: str) -> str:
    if result not in TOPICS:
        raise Invalid(f"{result!r} is none of the campaign's labels", "result")
    return str(result)


def _round(served: Served, campaign: str, number: int) -> None:
    """A round that is right on 40 + 8 · number of the 80 hold-out examples; chance alone on 4 · number fewer."""
    api, rng = served.api, np.random.default_rng(number)
    truth = np.arange(MEASURED) % 4

    def answers(right: int) -> np.ndarray:
        given = np.where(rng.permutation(MEASURED) < right, truth, (truth + 1) % 4)
        return np.where(np.eye(4)[given] == 1, 0.85, 0.05).astype(np.float32)

    with api.files.new(f"predictions/{campaign}/r{number}-1") as folder:
        models = {
            predictions.ADAPTER: answers(40 + 7 * number),
            predictions.BASELINE: answers(36 + 5 * number),
            predictions.CONTROL: answers(38 + 4 * number),
        }
        predictions.write(folder, [Place(0, row) for row in range(MEASURED)], models)
    with api.files.new(f"adapters/{campaign}/r{number}-1") as folder:
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(bytes(700))
    with api.database.transaction() as connection:
        rounds.start(
            connection,
            campaign,
            number,
            label_version=72 * number,
            labels=72 * number,
            shards=[0],
            strategy="margin",
            seed=0,
        )
        rounds.change(
            connection,
            campaign,
            number,
            state="done",
            predictions=f"predictions/{campaign}/r{number}-1",
            adapter=f"adapters/{campaign}/r{number}-1",
            metrics={"trained_on": 60 * number, "control_labels": 16 * number, "score_share": 1.0},
            train_seconds=4.0 + number,
            score_seconds=1.5,
            ranked_at=1.0,
        )
        events.record(
            connection,
            campaign,
            "round-trained",
            round=number,
            trained_on=60 * number,
            accuracy=(40 + 7 * number) / MEASURED,
            seconds=4.0 + number,
        )


def _work(served: Served, campaign: str) -> None:
    """A training that is under way, by a worker that holds on to it."""
    with served.api.database.transaction() as connection:
        rounds.start(
            connection,
            campaign,
            ROUNDS + 1,
            label_version=430,
            labels=430,
            shards=[0],
            strategy="margin",
            seed=0,
        )
        jobs.add(
            connection,
            jobs.NewJob(campaign, f"train:{ROUNDS + 1}", "train", f"test-{campaign}", max_attempts=1),
        )
        claim = jobs.claim(connection, f"test-{campaign}", "test", lease_s=3600)
        assert claim is not None
        jobs.renew(
            connection,
            claim,
            {"done": 42.0, "total": 100.0, "doing": "round 6: training on 356 labels"},
            3600,
        )
        events.record(
            connection, campaign, "warning", text="12% of the words are unknown to all-MiniLM-L6-v2"
        )


@pytest.fixture(scope="session")
def filled_once(served: Served) -> str:
    return fill(served, "docstrings <i>by topic")


@pytest.fixture
def filled(served: Served, filled_once: str) -> str:
    """The id of a campaign that has all there can be. Its jobs are as they were: no lease lasts from test to test."""
    with served.api.database.transaction() as connection:
        training = update(job).where(job.c.campaign == filled_once, job.c.kind == "train")
        connection.execute(
            training.values(state="running", error=None, ended_at=None, lease_until=now() + 60)
        )
        connection.execute(
            update(job).where(job.c.campaign == filled_once, job.c.kind == "sync").values(error=None)
        )
    return filled_once


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> "Encoder":
    from tests.learner.conftest import build_encoder  # torch takes its time, and few tests need it
    from workers.encoder import Encoder

    return Encoder.load(str(build_encoder(tmp_path_factory.mktemp("tiny"))))


@pytest.fixture
def working(served: Served) -> Iterator[None]:
    """A resident scorer at work."""
    from workers.context import Context
    from workers.scorer import Scorer

    over = threading.Event()
    redis = doorbell.connect(served.settings.redis_url, patient=True)
    thread = threading.Thread(target=Scorer(Context(served.settings), redis).run, args=(over.is_set,))
    thread.start()
    yield
    over.set()
    thread.join()
    redis.close()


def trained_campaign(served: Served, encoder: "Encoder", problem: str = "single_label") -> str:
    """A campaign whose first round was trained."""
    from tests.adapters import LABELS, leave, trained

    made = served.campaign(labels=LABELS, model=encoder.name, problem=problem)
    with served.api.database.transaction() as connection:
        leave(connection, served.api.files, made["id"], 1, trained(encoder, problem, 1))
    return str(made["id"])
