"""The routes that the dashboard asks, on an installation that has seen much: seconds of the server for each.

    make bench-pages [ARGS='--rounds 10000 --labels 50000 --campaigns 50 --classes 20']
    python -m tests.bench.pages

Rows are written straight into SQLite: --campaigns small campaigns, and one that is big: 1,048,576 examples in 16
shards, --labels of them asked, answered and labeled by six people, 400 of these the hold-out; --rounds rounds, each
with predictions of the hold-out by three models, jobs and events; and a map of 5,000 texts. Then each route is asked
--times times, as the page does, whose questions allow for age. `first` is the first time, once an API that was just
started has at hand what takes long to compute; `after an answer` is the first time after one label of the hold-out
changed; `processor` is what one of `then` costs the API's process, which tells more on a machine that others use, too.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, insert

from service import annotations, maps, predictions
from service.annotations import Given
from service.maps import Drawn
from service.pool import shards
from service.records import Place
from service.store import campaigns, labels
from service.store.campaigns import NewCampaign
from service.store.schema import annotation, event_log, job, label, round, selection, shard
from tests.bench.ingest import processor_s
from tests.http.conftest import Served
from tests.server import Server, serving

SHARDS, MEASURED, PEOPLE, FOLDERS, QUEUED = 16, 400, 6, 300, 120
AT = 1_760_000_000.0
ROUTES = {
    "list of campaigns": "/v1/campaigns",
    "campaign": "{c}",
    "rounds": "{c}/rounds?newest=100",
    "what a round did": "{c}/rounds/{n}/turn",
    "curve": "{c}/curve",
    "curve by groups": "{c}/curve/groups",
    "confusion": "{c}/confusion",
    "texts behind it": "{c}/confusion/examples?kind=wrong%20label",
    "map": "{c}/map",
    "queue": "{c}/queue",
    "jobs": "{c}/jobs",
    "log": "{c}/events?follow=false",
    "annotators": "{c}/annotators",
    "disagreements": "{c}/disagreements?limit=50",
    "audit": "{c}/audit",
}
CHANGED = ("curve", "curve by groups", "confusion")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=50_000)
    parser.add_argument("--campaigns", type=int, default=50)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="postil-bench-") as folder:
        data = Path(folder) / "data"
        with serving(data) as server:
            started = time.perf_counter()
            big = fill(server.served, asked)
            print(f"filled in {time.perf_counter() - started:.0f} s")
        with serving(data) as server:
            print(f"an API that starts is warm after {warmed(server):.1f} s")
            found, peak = measure(server, big, asked.rounds, asked.times), server.peak_mib
        print(
            f"{'route':22} {'first':>8} {'then':>8} {'processor':>10} {'after an answer':>16} {'kB':>8}   ms"
        )
        for name, one in found.items():
            after = f"{one['after']:.0f}" if "after" in one else ""
            times = f"{one['first']:8.0f} {one['then']:8.0f} {one['processor']:10.0f} {after:>16}"
            print(f"{name:22} {times} {one['kb']:8.0f}")
        facts = {"routes": found, "rounds": asked.rounds, "labels": asked.labels, "api_mib": peak}
        print(json.dumps(facts))


def measure(server: Server, big: str, last: int, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each route: the first time, the median of `times` more, and after an answer; and its size."""
    found: dict[str, dict[str, float]] = {}
    served = server.served

    def ask(name: str) -> tuple[float, int]:
        url = ROUTES[name].format(c=f"/v1/campaigns/{big}", n=last)
        started = time.perf_counter()
        response = served.http.get(url, headers={"Cache-Control": "max-age=0"})
        taken = time.perf_counter() - started
        response.raise_for_status()
        return 1000 * taken, len(response.content)

    for name in ROUTES:
        first, size = ask(name)
        before = processor_s(server.pid)
        then = sorted(ask(name)[0] for _ in range(times))
        worked = 1000 * (processor_s(server.pid) - before) / times
        found[name] = {"first": first, "then": then[times // 2], "processor": worked, "kb": size / 1000}
    with served.api.database.transaction() as connection:
        record = campaigns.get(connection, big)
        other = f"c{(int(_value(connection, big, Place(1, 0))[1:]) + 1) % len(record.labels)}"
        late = Given(2, 2, "1-0", other, False, 1, "2027-01-01T00:00:00+00:00", "2", None)
        annotations.take(connection, record, [late], lambda result, text: str(result))
    for name in CHANGED:
        found[name]["after"] = ask(name)[0]
    return found


def _value(connection: Connection, campaign: str, place: Place) -> str:
    """What is believed of an example that has one answer."""
    return str(
        next(row.value for row in labels.current(connection, campaign) if Place(row.shard, row.row) == place)
    )


def warmed(server: Server) -> float:
    """Seconds until it has at hand what takes long to compute, as the one before it had, on an empty store."""
    started = time.perf_counter()
    while (server.folder / "logs" / "api.log").read_text().count("campaigns are at hand") < 2:
        time.sleep(0.05)
    return time.perf_counter() - started


def fill(served: Served, asked: argparse.Namespace) -> str:
    """The id of the big one."""
    api, rng = served.api, np.random.default_rng(0)
    names = [f"c{at}" for at in range(asked.classes)]
    with api.database.transaction() as connection:
        for number in range(asked.campaigns):
            small = campaigns.create(connection, NewCampaign(f"small {number}", ["a", "b"], "none")).id
            campaigns.change(connection, small, paused=True)
            _labels(connection, small, ["a", "b"], 200, rng)
        big = campaigns.create(connection, NewCampaign("big", names, "none", budget=10 * asked.labels)).id
        secret = hashlib.sha256(b"secret").hexdigest()
        campaigns.change(
            connection, big, paused=True, project=7, webhook_hash=secret, label_version=2 * asked.labels
        )
        _labels(connection, big, names, asked.labels, rng)
        content = shards.seal(api.files, [])
        many(
            connection,
            shard,
            [
                {
                    "campaign": big,
                    "number": at,
                    "kind": "pool",
                    "state": "sealed",
                    "rows": shards.SHARD_ROWS,
                    "content": content,
                    "repeats": 0,
                }
                for at in range(SHARDS)
            ],
        )
    _predictions(served, big, asked.classes, rng)
    with api.database.transaction() as connection:
        _rounds(connection, big, asked.rounds, asked.labels)
        _map(served, connection, big, rng)
    return big


def _labels(
    connection: Connection, campaign: str, names: list[str], n: int, rng: np.random.Generator
) -> None:
    """The first MEASURED of n are the hold-out; two people answered every fifth, and more wait in the queue."""
    said = rng.integers(len(names), size=n + QUEUED)
    places = [(at % SHARDS, at // SHARDS) for at in range(n + QUEUED)]
    role = [
        "hold-out" if at < MEASURED else "control" if at < 2 * MEASURED else "train"
        for at in range(n + QUEUED)
    ]
    text = "some text of the pool, of about the length that a question to a bank has, number"
    many(
        connection,
        selection,
        [
            {
                "campaign": campaign,
                "shard": places[at][0],
                "row": places[at][1],
                "batch": at // 50,
                "round": at // 50,
                "strategy": "margin",
                "score": 0.5,
                "role": role[at],
                "reason": "margin 0.12 between c1 and c2",
                "place": at,
                "state": "answered" if at < n else "open",
                "task": at + 1,
                "text": f"{text} {at}",
                "ext_id": f"doc-{at}",
                "domain": f"domain {at % 8}",
                "role_key": at,
                "chosen_at": AT + at,
                "predictions": []
                if role[at] != "train"
                else [{"round": 1, "label": names[said[at] - 1], "confidence": 0.5}],
            }
            for at in range(n + QUEUED)
        ],
    )
    answers = [(at, who) for at in range(n) for who in range(2 if at % 5 == 0 else 1)]
    many(
        connection,
        annotation,
        [
            {
                "campaign": campaign,
                "ls_id": 2 * at + who,
                "revision": "1",
                "task": at + 1,
                "shard": places[at][0],
                "row": places[at][1],
                "annotator": 1 + (at + who) % PEOPLE,
                "kind": "answer",
                "value": names[(said[at] + who * (at % 3 == 0)) % len(names)],
                "result": [],
                "lead_time": 4.0 + at % 7,
                "shown": None
                if role[at] != "train"
                else {"round": 1, "label": names[said[at] - at % 4], "confidence": 0.5},
                "made_at": "2026-01-01T00:00:00+00:00",
                "received_at": AT + 10 * at,
                "current": True,
            }
            for at, who in answers
        ],
    )
    many(
        connection,
        label,
        [
            {
                "campaign": campaign,
                "version": at + 1,
                "shard": places[at][0],
                "row": places[at][1],
                "value": names[said[at]],
                "weight": 1.0,
                "probability": 0.5 + at % 50 / 100,
                "reason": "one answer",
                "source": "annotation",
                "role": role[at],
                "annotations": 1,
                "role_key": at,
                "made_at": AT + at,
            }
            for at in range(n)
        ],
    )


def _predictions(served: Served, campaign: str, classes: int, rng: np.random.Generator) -> None:
    """FOLDERS folders, each better than the one before, which the rounds share."""
    with served.api.database.reading() as connection:
        held = {
            Place(row.shard, row.row): int(row.value[1:])
            for row in connection.execute(
                label.select().where(label.c.campaign == campaign, label.c.role == "hold-out")
            )
        }
    truth = np.array(list(held.values()))

    def said(right: float) -> np.ndarray:
        guess = np.where(rng.random(len(truth)) < right, truth, rng.integers(classes, size=len(truth)))
        return (np.eye(classes)[guess] * 0.6 + 0.4 / classes).astype(np.float32)

    for at in range(FOLDERS):
        right = 0.4 + 0.5 * at / FOLDERS
        with served.api.files.new(f"predictions/{campaign}/{at}") as folder:
            models = {
                predictions.ADAPTER: said(right),
                predictions.BASELINE: said(right - 0.05),
                predictions.CONTROL: said(right - 0.1),
            }
            predictions.write(folder, list(held), models)


def _rounds(connection: Connection, campaign: str, n: int, labels: int) -> None:
    def at(number: int) -> int:
        return max(10, labels * number // n)

    people = [{"annotator": who, "answers": 50, "accuracy": 0.9} for who in range(1, PEOPLE + 1)]
    many(
        connection,
        round,
        [
            {
                "campaign": campaign,
                "number": number,
                "state": "done",
                "label_version": at(number),
                "labels": at(number),
                "shards": list(range(SHARDS)),
                "strategy": "margin",
                "seed": 0,
                "adapter": f"adapters/{campaign}/{number}",
                "predictions": f"predictions/{campaign}/{FOLDERS * (number - 1) // n}",
                "metrics": {
                    "trained_on": at(number),
                    "control_labels": max(2, at(number) // 9),
                    "annotators": people,
                },
                "train_seconds": 9.0,
                "score_seconds": 60.0,
                "started_at": AT + 100 * number,
                "ended_at": AT,
                "ranked_at": AT,
            }
            for number in range(1, n + 1)
        ],
    )
    kinds = ["train", "select", "rerank", *(["score"] * 2)]
    many(
        connection,
        job,
        [
            {
                "campaign": campaign,
                "key": f"{kind}:{number}:{which}",
                "kind": kind,
                "queue": "gpu",
                "priority": 5,
                "args": {"round": number},
                "state": "done",
                "epoch": 1,
                "attempts": 1,
                "max_attempts": 5,
                "not_before": AT,
                "made_at": AT,
                "ended_at": AT,
            }
            for number in range(1, n + 1)
            for which, kind in enumerate(kinds)
        ],
    )
    many(
        connection,
        event_log,
        [
            {"campaign": campaign, "at": AT + number, "kind": kind, "data": {"round": number}}
            for number in range(1, n + 1)
            for kind in ("round-started", "round-trained", "round-scored", "queue-ranked", "annotations")
        ],
    )


def _map(served: Served, connection: Connection, campaign: str, rng: np.random.Generator) -> None:
    path = f"maps/{campaign}/1"
    places = [Place(at % SHARDS, at // SHARDS * 3) for at in range(maps.MOST)]
    with served.api.files.new(path) as folder:
        texts: list[Any] = [
            (f"doc-{at}", None, "some text of the pool, its beginning, " * 4) for at in range(len(places))
        ]
        maps.write(folder, places, rng.normal(size=(len(places), 2)), rng.random(len(places)), texts)
    drawn = Drawn(path, len(places), SHARDS * shards.SHARD_ROWS, SHARDS * shards.SHARD_ROWS, 1, AT)
    many(
        connection,
        job,
        [
            {
                "campaign": campaign,
                "key": "map:1",
                "kind": "map",
                "queue": "cpu",
                "priority": 8,
                "args": {},
                "state": "done",
                "epoch": 1,
                "attempts": 1,
                "max_attempts": 5,
                "not_before": AT,
                "made_at": AT,
                "ended_at": AT,
                "result": msgspec.to_builtins(drawn),
            }
        ],
    )


def many(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), 10_000):
        connection.execute(insert(table), rows[start : start + 10_000])


if __name__ == "__main__":
    main()
