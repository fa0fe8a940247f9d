"""A round, from its last label until Label Studio serves by its order: by size of the pool, and beside other ways.

    make bench-round [DATA=FOLDER] [ARGS='--parts seconds,next']
    python -m tests.bench.round [FOLDER]

FOLDER has train.jsonl and test.jsonl with `text` and `label`; without it the demo's own text is read. Pools and stacks
are those of `bench-scale`; a round is that of the 575th label. Parts, each for itself:

    seconds   a round with pools of 10,000, 100,000 and 1,000,000
    next      with 10,000: the 99th percentile of the time in which Label Studio answers two people's `next` while
              rounds run, by the same without one
    backend   a round with 10,000 beside Label Studio's own way with an ML backend: transformers' Trainer and peft on
              the same labels (15 epochs of batches of 16), a prediction for each task of a project of 10,000, all
              given to Label Studio; on as many threads
    loss      accuracy at 525 labels of `postil simulate --score-rows 1500` less that of scoring all, paired by seed,
              mean and 95 % interval (Student's t)
"""

import argparse
import json
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from service.demo import encoder
from service.label_studio.problems import problem
from service.label_studio.tasks import NewTask
from tests.bench import labels, texts, training
from tests.bench.scale import LABELS, MORE, Campaign, grown
from tests.bench.texts import Texts
from workers.simulation import command

PARTS = "seconds,next,backend,loss"
ROWS = 10_000
SCORED, FINAL = 1_500, 525
CALLS_S, ROUNDS = 60.0, 3
CHUNK = 1_000
"""Predictions that Label Studio takes at a time."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--parts", default=PARTS)
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--threads", type=int, default=0, help="of each worker; 0: as `postil up` has it")
    parser.add_argument("--score-seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(".postil/bench-round"), help="curves, for `loss`")
    arguments = parser.parse_args()
    read, parts = texts.read(arguments.folder), arguments.parts.split(",")
    found: dict[str, Any] = {"threads": arguments.threads}
    if "seconds" in parts:
        found["seconds"] = {}
        for rows in map(int, arguments.rows.split(",")):
            with Campaign(read, rows, arguments.threads, arguments.score_seconds, 0) as campaign:
                took = campaign.measured()
            found["seconds"][rows] = took["seconds"]["round"]
            print(f"{rows:>12,} examples {took['seconds']['round']:8.1f} s", flush=True)
    if {"next", "backend"} & set(parts):
        with Campaign(read, ROWS, arguments.threads, arguments.score_seconds, 0) as campaign:
            campaign.filled()
            campaign.round(LABELS)
            if "next" in parts:
                found |= next_times(campaign)
            if "backend" in parts:
                found |= backend(campaign, read)
    if "loss" in parts:
        found["accuracy_loss"] = loss(arguments.folder, arguments.out, arguments.seeds)
    print(json.dumps(found))


def next_times(campaign: Campaign) -> dict[str, Any]:
    """How long Label Studio takes to serve a task, without a round and beside some."""
    quiet = People(campaign)
    time.sleep(CALLS_S)
    before = quiet.seconds()
    busy = People(campaign)
    for _ in range(ROUNDS):
        campaign.round()
    after = busy.seconds()
    p99 = [float(np.percentile(one, 99)) for one in (before, after)]
    for name, one, high in (("without a round", before, p99[0]), ("beside rounds", after, p99[1])):
        print(
            f"next, {name:16} median {np.median(one) * 1e3:4.0f} ms, p99 {high * 1e3:4.0f} ms, {len(one)} calls"
        )
    return {"next_p99_ms": [round(one * 1e3) for one in p99], "next_p99_ratio": round(p99[1] / p99[0], 2)}


class People:
    """Two people who look at the next task five times a second each."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign, self.over = campaign, threading.Event()
        self.taken: list[float] = []
        self.threads = [threading.Thread(target=self._look) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def seconds(self) -> list[float]:
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.taken

    def _look(self) -> None:
        with self.campaign.world.annotator() as annotator:
            while not self.over.wait(0.2):
                begun = time.perf_counter()
                annotator.next(self.campaign.project)
                self.taken.append(time.perf_counter() - begun)


def backend(campaign: Campaign, read: Texts) -> dict[str, Any]:
    """One round of Postil's, then one in Label Studio's own way."""
    ours = campaign.round()
    client, asks = campaign.world.label_studio, problem("single_label", read.names)
    project = client.ensure_project("ML backend", asks.label_config(), "", "bench:backend")
    pool = list(islice(grown(read, ROWS, np.random.default_rng(0)), ROWS))
    tasks = client.import_tasks(
        project, [NewTask({"text": text, "ext_id": str(at)}, "none", 0.0, []) for at, text in enumerate(pool)]
    )
    torch.set_num_threads(campaign.stack.settings.worker_threads)
    known = campaign.known[: LABELS + MORE]
    begun = time.monotonic()
    model = training.Peft(len(read.names), 0)
    classes = np.array([read.names.index(one["label"]) for one in known])
    training.train(model, [one["text"] for one in known], classes, 0)
    fitted = time.monotonic()
    said = training.ask(model, pool)
    asked = time.monotonic()
    rows = [
        {"task": task, "score": 0.5, "result": asks.to_result(read.names[one]), "model_version": "backend"}
        for task, one in zip(tasks, said, strict=True)
    ]
    for start in range(0, len(rows), CHUNK):
        path = f"/api/projects/{project}/import/predictions"
        client.call(dict, "POST", path, None, rows[start : start + CHUNK])
    over = time.monotonic()
    print(
        f"a round of Postil's {ours:.1f} s; ML backend {over - begun:.1f} s: "
        f"fit {fitted - begun:.1f}, predict {asked - fitted:.1f}, hand over {over - asked:.1f}"
    )
    return {"vs_ml_backend": round((over - begun) / ours, 1)}


def loss(folder: Path | None, out: Path, seeds: int) -> list[float]:
    """Mean, low, high."""
    if folder is None:
        raise SystemExit("loss: give the folder of a labeled set")
    data, test = labels.prepare(folder, out / "data")
    found = []
    for scored in (10**9, SCORED):
        where = out / f"scored-{scored}"
        command.run(
            data,
            test,
            encoder.path(),
            where,
            "auto",
            25,
            50,
            FINAL,
            seeds,
            noise="0",
            random_share=0.2,
            metric=None,
            text_field="text",
            problem="single_label",
            jobs=1,
            frozen=False,
            score_rows=scored,
        )
        points = msgspec.json.decode((where / "curves.json").read_bytes())
        found.append([point["accuracy"] for point in points if point["labels"] == FINAL])
    return [round(one, 4) for one in training.interval(np.array(found[1]) - np.array(found[0]))]


if __name__ == "__main__":
    main()
