"""Campaigns on pools of growing size, on the whole stack: time, memory and disk of each stage.

    make bench-scale [DATA=FOLDER] [ARGS='--rows 10000,100000 --threads 2']
    python -m tests.bench.scale [FOLDER]

FOLDER has train.jsonl and test.jsonl with `text` and `label`; without it the demo's own text is read. A pool is its
texts, and as many more as are wanted: each is one of them with a third of its words taken from others of its label.
For every size the stack is started in a new folder, as `postil up` does, with --threads for each worker. Stages:

    upload   over HTTP, as JSON Lines, until the answer
    seal     … until all shards are files, from the upload's end
    encode   … until tokens and base embeddings of all are there
    tasks    … until the first tasks are in Label Studio, from the upload's begin
    first    the first round: 525 known labels are sent, until Label Studio serves by its order
    round    the second: 50 labels more, the same

Of the second round: training, scoring and choosing by its own account, examples scored, test accuracy. Memory is the
most that a process ever held (VmHWM); disk is what each kind of file takes after the second round.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from service.demo import encoder
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.stack import Stack
from tests.bench import texts
from tests.bench.ingest import peak_mib
from tests.bench.texts import Texts
from tests.loop.world import World

LABELS, MORE = 525, 50
PATIENCE_S = 3_600.0
MOST_CHANGED = 8
"""Words of a text that is a variation."""
DISK = {
    "upload": "pool.jsonl",
    "shards": "files/shards",
    "encodings": "files/encodings",
    "candidates": "files/candidates",
    "scores": "files/scores",
    "database": "postil.sqlite*",
    "label_studio": "label-studio",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--threads", type=int, default=0, help="of each worker; 0: as `postil up` has it")
    parser.add_argument("--score-seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    read = texts.read(arguments.folder)
    found = {}
    for rows in map(int, arguments.rows.split(",")):
        with Campaign(read, rows, arguments.threads, arguments.score_seconds, arguments.seed) as campaign:
            found[rows] = campaign.measured()
            print(json.dumps({rows: found[rows]}), file=sys.stderr, flush=True)
    show(found)
    print(json.dumps({"threads": arguments.threads, "rows": found}))


class Campaign:
    """A stack of its own with one campaign, whose pool has `rows` texts."""

    def __init__(self, read: Texts, rows: int, threads: int, score_seconds: float, seed: int) -> None:
        self.read, self.rows, self.score_seconds = read, rows, score_seconds
        self.rng = np.random.default_rng(seed)
        self.known = [
            {"text": read.texts[at], "label": read.names[read.classes[at]]}
            for at in self.rng.permutation(min(rows, len(read.texts)))[: LABELS + 20 * MORE]
        ]
        self.sent = self.number = 0
        self.folder = tempfile.TemporaryDirectory(prefix="postil-bench-")
        settings = Settings.read()
        self.stack = Stack(
            replace(
                settings,
                data=self.folder.name,
                url="http://127.0.0.1:0",
                threads=threads,
                label_studio_venv=str(environment(settings)),
            )
        )

    def __enter__(self) -> "Campaign":
        try:
            self.stack.start()
            self.stack.wait_up("label-studio", 600)
        except BaseException:
            self.__exit__()
            raise
        self.world = World(self.stack)
        self.id = self.world.create(
            labels=self.read.names,
            model=encoder.path(),
            round_size=MORE,
            score_seconds=self.score_seconds,
        )
        tests = [
            {"text": text, "label": self.read.names[label]}
            for text, label in zip(self.read.test_texts, self.read.test_classes, strict=True)
            if label >= 0
        ]
        self.world.post(f"/v1/campaigns/{self.id}/labels?set=test", tests)
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.stop()
        self.folder.cleanup()

    def measured(self) -> dict[str, Any]:
        seconds = self.filled()
        seconds["first"], seconds["round"] = self.round(LABELS), self.round()
        last = self.world.last_round(self.id)
        curve = self.world.get(f"/v1/campaigns/{self.id}/curve")["points"][-1]
        return {
            "seconds": {name: round(taken, 1) for name, taken in seconds.items()},
            "train_s": round(last["train_seconds"], 1),
            "score_s": round(last["score_seconds"], 1),
            "choose_s": round(last["select_seconds"], 1),
            "scored": round(last["metrics"]["score_share"] * self.rows),
            "accuracy": round(curve["metrics"]["accuracy"]["value"], 3),
            "memory_mib": {
                name: round(peak_mib(one.pid)) for name, one in self.stack.states().items() if one.pid
            },
            "disk_mib": {name: self.size_mib(where) for name, where in DISK.items()},
        }

    def filled(self) -> dict[str, float]:
        """Seconds of each stage until the pool can be scored."""
        file = Path(self.folder.name) / "pool.jsonl"
        write(self.read, self.rows, self.rng, file)
        begun = time.monotonic()
        with file.open("rb") as content:
            answer = self.world.api.post(
                f"/v1/campaigns/{self.id}/pool",
                content=content,
                headers={"Content-Type": "application/x-ndjson"},
                timeout=PATIENCE_S,
            )
        receipt = answer.raise_for_status().json()
        assert (receipt["received"], receipt["rejected"]) == (self.rows, 0), receipt
        uploaded = time.monotonic()
        project = self.world.project(self.id)
        tasks = time.monotonic()
        self.shards(lambda shard: shard["state"] == "sealed")
        sealed = time.monotonic()
        self.shards(lambda shard: shard["encoded"])
        self.project = project
        return {
            "upload": uploaded - begun,
            "seal": sealed - uploaded,
            "encode": time.monotonic() - uploaded,
            "tasks": tasks - begun,
        }

    def shards(self, true: Any) -> None:
        def all_are() -> bool:
            found = self.world.get(f"/v1/campaigns/{self.id}/pool")["shards"]
            # What still gathers is sealed when a round begins.
            closed = [shard for shard in found if shard["state"] != "filling"]
            return any(shard["kind"] == "pool" for shard in closed) and all(map(true, closed))

        self.world.wait(all_are, f"the shards of {self.rows} texts", PATIENCE_S)

    def round(self, labels: int = MORE) -> float:
        """Seconds from the last of so many labels until Label Studio serves by the order of the round they begin."""
        self.number += 1
        some = self.known[self.sent : self.sent + labels]
        self.sent += labels
        self.world.post(f"/v1/campaigns/{self.id}/labels", some)
        begun = time.monotonic()
        self.world.wait(self.ordered, f"round {self.number}", PATIENCE_S)
        return time.monotonic() - begun

    def ordered(self) -> bool:
        """Whether Label Studio serves by the newest round's order, and nothing is on its way there or out of it."""
        if self.world.label_studio.model_version(self.project) != f"r{self.number}":
            return False
        queue = self.world.get(f"/v1/campaigns/{self.id}/queue?limit=1000")["tasks"]
        return all(task["state"] == "open" for task in queue)

    def size_mib(self, where: str) -> float:
        files = [
            file
            for top in Path(self.folder.name).glob(where)
            for file in ([top] if top.is_file() else top.rglob("*"))
        ]
        return round(sum(file.stat().st_size for file in files if file.is_file()) / 2**20, 1)


def grown(read: Texts, rows: int, rng: np.random.Generator) -> Iterator[str]:
    """So many different texts: those of `read`, then variations of them."""
    words = [text.split() for text in read.texts]
    alike = [[words[at] for at in np.flatnonzero(read.classes == one)] for one in range(len(read.names))]
    known = set(read.texts)
    yield from read.texts[:rows]
    missing = rows - len(read.texts)
    while missing > 0:
        at, luck = int(rng.integers(len(words))), rng.random((MOST_CHANGED, 3)).tolist()
        own, others = list(words[at]), alike[read.classes[at]]
        for place, other, word in luck[: max(1, len(own) // 3)]:
            source = others[int(other * len(others))]
            own[int(place * len(own))] = source[int(word * len(source))]
        text = " ".join(own)
        if text not in known:
            known.add(text)
            missing -= 1
            yield text


def write(read: Texts, rows: int, rng: np.random.Generator, file: Path) -> None:
    """As JSON Lines."""
    with file.open("wb") as lines:
        for at, text in enumerate(grown(read, rows, rng)):
            lines.write(msgspec.json.encode({"id": str(at), "text": text}) + b"\n")


def show(found: dict[int, dict[str, Any]]) -> None:
    sizes = list(found)
    print(f"{'':24}" + "".join(f"{rows:>12,}" for rows in sizes))

    def line(name: str, values: list[Any]) -> None:
        print(f"{name:24}" + "".join(f"{value:>12}" for value in values))

    one = found[sizes[0]]
    for group, unit in (("seconds", "s"), ("memory_mib", "MiB"), ("disk_mib", "MiB")):
        for name in one[group]:
            line(f"{name}, {unit}", [found[rows][group].get(name, "–") for rows in sizes])
    for name in ("train_s", "score_s", "choose_s", "scored", "accuracy"):
        line(name, [found[rows][name] for rows in sizes])


if __name__ == "__main__":
    main()
