"""The API beside all that people do with it at once: annotators, pools that are posted, dashboards, busy workers.

    make bench-load [ARGS='--annotators 50 --pools 20 --rows 100000 --dashboards 200']
    python -m tests.bench.load

The whole stack is started as `postil up` does. A first campaign, of the demo's own text, is being labeled: each
annotator takes a task from Label Studio and answers, every --pace seconds, all beginning at the same moment; its
webhooks reach the API, its rounds keep the workers busy. Pools are posted to campaigns of their own, all at once. A
dashboard is what the page does: an event stream, and what it asks for when an event says so; half of them are of the
first campaign.

A probe asks for a campaign, its queue, its curve, the list of all, and sends a webhook's hint, each RATE times a
second, from a process of its own. Phases: `quiet`, with the probe alone; `annotators`; `dashboards`, beside those;
`all`, until the last pool is in. Afterwards everything is counted: answers of Label Studio in Postil, lines of pools,
events that every dashboard got.
"""

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import numpy as np

from service.demo import encoder
from service.errors import PostilError
from service.label_studio.problems import problem
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.stack import Stack
from service.store import campaigns
from service.store.database import Database
from tests.bench import texts
from tests.bench.ingest import peak_mib
from tests.bench.scale import grown
from tests.loop.world import World

RATE = 4.0
QUIET_S, PHASE_S = 10.0, 40.0
FIRST_ROWS, LOW_WATER, ROUND_SIZE = 4_000, 200, 100
SECRET = "the probe's own"
QUEUE_EVENTS = ("selected", "tasks-pushed", "queue-ranked", "queue-reordered", "annotations", "tasks-deleted")
ROUND_EVENTS = ("round-started", "round-trained", "round-scored", "queue-ranked", "job-failed")
CALM_S, MEASURED_S = 1.0, 10.0
"""As the page has them."""
OPENING_S = 15.0
"""In which all dashboards are opened, one after the other."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument(
        "--pace", type=float, default=10.0, help="seconds from one answer of a person to the next"
    )
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dashboards", type=int, default=200)
    arguments = parser.parse_args()
    read = texts.read(None)
    settings = Settings.read()
    with tempfile.TemporaryDirectory(prefix="postil-bench-") as folder:
        settings = replace(
            settings,
            data=folder,
            url="http://127.0.0.1:0",
            label_studio_venv=str(environment(settings)),
            rate=0,  # all that is measured here has the same token
        )
        stack = Stack(settings)
        try:
            stack.start()
            for name in stack.states():
                stack.wait_up(name, 600)
            world = World(stack)
            found = measure(world, read, arguments)
            found["memory_mib"] = {
                name: round(peak_mib(one.pid)) for name, one in stack.states().items() if one.pid
            }
            world.close()
        finally:
            stack.stop()
    print(json.dumps(found))


def measure(world: World, read: texts.Texts, asked: argparse.Namespace) -> dict[str, Any]:
    first = world.create(
        labels=read.names,
        model=encoder.path(),
        round_size=ROUND_SIZE,
        low_water=LOW_WATER,
        name="labeled",
    )
    pool = list(islice(grown(read, FIRST_ROWS, np.random.default_rng(0)), FIRST_ROWS))
    world.post(f"/v1/campaigns/{first}/pool", [{"text": text} for text in pool])
    project = world.project(first)
    others = [
        world.create(labels=["a", "b"], model=encoder.path(), name=f"pool {n}") for n in range(asked.pools)
    ]
    body = b"".join(
        msgspec.json.encode({"text": text}) + b"\n"
        for text in islice(grown(read, asked.rows, np.random.default_rng(1)), asked.rows)
    )
    people = [world.annotator() for _ in range(asked.annotators)]
    probed = _hinted(world, others[-1])
    found: dict[str, Any] = {"phases": {}}
    with Elsewhere(probe, world.settings.url, _token(world), first, probed) as probing:

        def phase(name: str) -> None:
            found["phases"][name] = _show(name, probing.ask(None))

        probing.ask(None)  # it has begun
        time.sleep(QUIET_S)
        phase("quiet")
        with working(world, project, read.names, people, asked.pace) as answered:
            time.sleep(PHASE_S)
            phase("annotators")
            shown = [
                first if n % 2 == 0 or not others else others[n // 2 % len(others)]
                for n in range(asked.dashboards)
            ]
            with Elsewhere(dashboards, world.settings.url, _token(world), shown) as watching:
                time.sleep(PHASE_S)
                phase("dashboards")
                begun = time.monotonic()
                receipts = _post_all(world, others, body)
                found["pools"] = {"added": sum(receipts), "seconds": round(time.monotonic() - begun, 1)}
                phase("all")
                answered.over.set()
                answered.join()
                world.assert_nothing_lost(first, project)
                newest = {c: _newest(world, c) for c in {*shown}}
                time.sleep(5.0)
                found["dashboards"] = watching.ask(newest)
    found["answers"] = {"given": answered.given, "in_vain": answered.in_vain, "ms": _spread(answered.seconds)}
    assert sum(receipts) == asked.pools * asked.rows
    for person in people:
        person.close()
    return found


def _newest(world: World, campaign: str) -> int:
    log = world.get(f"/v1/campaigns/{campaign}/events?follow=false")["events"]
    return max((one["id"] for one in log), default=0)


def _token(world: World) -> str:
    return str(world.api.headers["Authorization"]).removeprefix("Bearer ")


def _hinted(world: World, campaign: str) -> str:
    """The campaign, which now listens to the probe's hints instead of Label Studio's."""
    world.wait(lambda: world.get(f"/v1/campaigns/{campaign}")["label_studio"], "its project")
    database = Database(world.settings.database)
    with database.transaction() as connection:
        secret = hashlib.sha256(SECRET.encode()).hexdigest()
        campaigns.change(connection, campaign, webhook_hash=secret)
    database.close()
    return campaign


def _post_all(world: World, others: list[str], body: bytes) -> list[int]:
    """Lines added, by pool."""
    added: list[int] = []

    def post(campaign: str) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        with httpx.Client(
            base_url=world.settings.url, headers=dict(world.api.headers), timeout=1_800
        ) as client:
            answer = client.post(f"/v1/campaigns/{campaign}/pool", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        added.append(answer.json()["added"])

    threads = [threading.Thread(target=post, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return added


@dataclass
class Working:
    """Annotators at work; `seconds` are from asking for a task to the answer's being taken, by Label Studio."""

    over: threading.Event
    threads: list[threading.Thread]
    seconds: list[float]
    given: int = 0
    in_vain: int = 0
    """Tasks or answers that Label Studio refused, or had none."""

    def join(self) -> None:
        for thread in self.threads:
            thread.join()


@contextmanager
def working(
    world: World, project: int, names: list[str], people: list[Any], pace_s: float
) -> Iterator[Working]:
    found, asks, lock = Working(threading.Event(), [], []), problem("single_label", names), threading.Lock()

    def work(person: Any, at: int) -> None:
        rng = np.random.default_rng(at)
        while not found.over.is_set():
            begun = time.monotonic()
            try:
                task = person.next(project)
                if task is not None:
                    person.submit(task, asks.to_result(names[rng.integers(len(names))]), 1.0)
            except PostilError:
                task = None
            took = time.monotonic() - begun
            with lock:
                found.given += task is not None
                found.in_vain += task is None
                found.seconds.append(took)
            found.over.wait(max(0.0, pace_s - took))

    found.threads = [threading.Thread(target=work, args=(one, at)) for at, one in enumerate(people)]
    for thread in found.threads:
        thread.start()
    try:
        yield found
    finally:
        found.over.set()
        found.join()


class Elsewhere:
    """A function in a process of its own; `ask` sends it something, and returns what it answers."""

    def __init__(self, work: Any, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=work, args=(there, *arguments), daemon=True)

    def __enter__(self) -> "Elsewhere":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def ask(self, what: Any) -> Any:
        self._here.send(what)
        return self._here.recv()


def probe(asked: Connection, url: str, token: str, first: str, hinted: str) -> None:
    """Answers with the seconds by kind of request since it was asked last."""
    taken: dict[str, list[float]] = defaultdict(list)
    headers = {"Authorization": f"Bearer {token}"}
    c = f"/v1/campaigns/{first}"
    kinds: dict[str, tuple[str, str, dict[str, Any]]] = {
        "campaign": ("GET", c, {}),
        "queue": ("GET", f"{c}/queue", {}),
        "curve": ("GET", f"{c}/curve", {}),
        "list": ("GET", "/v1/campaigns", {}),
        "webhook": (
            "POST",
            f"/webhooks/label-studio/{hinted}",
            {"json": {"action": "ANNOTATION_CREATED"}, "headers": {"X-Postil-Secret": SECRET}},
        ),
    }

    def look(kind: str) -> None:
        method, path, more = kinds[kind]
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            due = time.monotonic()
            while True:
                due = max(due + 1 / RATE, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
                begun = time.perf_counter()
                answer = client.request(method, path, **more)
                assert answer.status_code in (200, 204), answer.text
                taken[kind].append(time.perf_counter() - begun)

    for kind in kinds:
        threading.Thread(target=look, args=(kind,), daemon=True).start()
    while True:
        asked.recv()
        found = {kind: taken[kind] for kind in kinds}
        taken.clear()
        asked.send(found)


def dashboards(asked: Connection, url: str, token: str, shown: list[str]) -> None:
    """Watch the campaigns `shown`; asked with the newest event of each, answers how many streams got all, and more."""
    asyncio.run(_dashboards(asked, url, token, shown))


async def _dashboards(asked: Connection, url: str, token: str, shown: list[str]) -> None:
    pages = [Page(url, token, campaign) for campaign in shown]
    running = [asyncio.create_task(page.run()) for page in pages]
    newest = await asyncio.to_thread(asked.recv)
    asked.send(
        {
            "got_all": sum(page.last >= newest[page.campaign] for page in pages),
            "of": len(pages),
            "streams_broken": sum(page.broken for page in pages),
            "events": sum(page.events for page in pages),
            "asked": sum(page.asked for page in pages),
            "ms": _spread([one for page in pages for one in page.seconds]),
        }
    )
    for one in running:
        one.cancel()


class Page:
    """One dashboard, with as little of its own work as can be: plain sockets."""

    def __init__(self, url: str, token: str, campaign: str) -> None:
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self.token, self.campaign = token, campaign
        self.last = self.events = self.broken = self.asked = 0
        self.seconds: list[float] = []
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        await asyncio.sleep(OPENING_S * random.random())
        for what in ("", "/rounds", "/curve", "/queue", "/jobs"):
            await self._get(what)
        log = json.loads(await self._get("/events?follow=false"))["events"]
        self.last = log[-1]["id"] if log else 0
        while True:
            with suppress(OSError):
                await self._follow()
            self.broken += 1
            await asyncio.sleep(1.0)

    async def _follow(self) -> None:
        reader, writer = await self._send(
            "/events", f"Accept: text/event-stream\r\nLast-Event-ID: {self.last}\r\n"
        )
        try:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    self.last = int(line[4:])
                    self.events += 1
                elif line.startswith(b"event: "):
                    self._hear(line[7:].strip().decode())
        finally:
            writer.close()

    def _hear(self, event: str) -> None:
        if event in QUEUE_EVENTS:
            self._soon("/queue", CALM_S)
        if event in ROUND_EVENTS:
            self._soon("/rounds", CALM_S)
        if event in ("annotations", "round-trained", "round-scored"):
            self._soon("/curve", MEASURED_S)

    def _soon(self, what: str, wait_s: float) -> None:
        async def later() -> None:
            await asyncio.sleep(wait_s * (1 + random.random()))
            self._waiting.discard(what)
            await self._get(what, "Cache-Control: max-age=1\r\n")

        if what not in self._waiting:
            self._waiting.add(what)
            task = asyncio.create_task(later())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _get(self, what: str, more: str = "") -> bytes:
        begun = time.perf_counter()
        reader, writer = await self._send(what, f"Connection: close\r\n{more}")
        answer = await reader.read()
        writer.close()
        self.seconds.append(time.perf_counter() - begun)
        self.asked += 1
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return body

    async def _send(self, what: str, more: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        lines = f"GET /v1/campaigns/{self.campaign}{what} HTTP/1.1\r\nHost: {self.host}\r\n"
        writer.write(f"{lines}Authorization: Bearer {self.token}\r\n{more}\r\n".encode())
        await writer.drain()
        return reader, writer


def _show(phase: str, taken: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    every = [one for some in taken.values() for one in some]
    found = {kind: _spread(some) for kind, some in {**taken, "every": every}.items()}
    for kind, ms in found.items():
        print(
            f"{phase:12} {kind:10} {ms['n']:6,} requests, p50 {ms['p50']:6.0f} ms, p99 {ms['p99']:6.0f} ms",
            flush=True,
        )
    return found


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {"n": 0, "p50": 0.0, "p99": 0.0, "most": 0.0}
    ms = np.array(seconds) * 1e3
    p50, p99, most = (float(f"{one:.1f}") for one in (np.percentile(ms, 50), np.percentile(ms, 99), ms.max()))
    return {"n": len(seconds), "p50": p50, "p99": p99, "most": most}


if __name__ == "__main__":
    main()
