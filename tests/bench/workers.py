"""Resident workers: swapping adapters, two workers beside one, and scoring beside a stranger who uses every core.

    make bench-workers [DATA=FOLDER] [ARGS='--turns 7']
    python -m tests.bench.workers [FOLDER]

FOLDER has train.jsonl and test.jsonl with `text` and `label`; without it the demo's own text is read. Every worker is a
process with the threads and the environment that `postil up` gives one, and scores as `workers.jobs.score` does: the
base model and the adapter by its `Context`, the shard's tokens and embeddings from files, `learner.predict`. No queue
and no database take part. Rates are texts a second over some seconds; what is compared takes turns, and a ratio is the
median of the turns' own, since other users of a machine come and go.

    swap_ms          from naming the other of two saved adapters until its weights are read, merged with the base
                     model's, which stays loaded, and packed to score with; the median
    two_vs_one       two workers of one thread each, each with a shard of its own, over one of one thread
    beside_stranger  a worker with as many threads as there are cores, while a stranger multiplies matrices with as
                     many that wait by spinning, over the same worker alone
"""

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from service.demo import encoder as demo
from service.settings import Settings
from tests.bench import texts
from workers import adapter, device, learner, lora
from workers.context import Context
from workers.encoder import Encoder
from workers.encodings import EMBEDDINGS
from workers.tokens import Tokens

SHARD, LABELS, SWAPS = 500, 200, 21
CORES = os.cpu_count() or 1
ADAPTERS = ("adapters/first", "adapters/second")
NOBODY = "redis://127.0.0.1:1"
STRANGER = f"""
import torch
torch.set_num_threads({CORES})
a = torch.randn(1_024, 1_024)
torch.mm(a, a)
print("ready", flush=True)
while True:
    torch.mm(a, a)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of scoring, each time")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    turns, seconds = range(arguments.turns), arguments.seconds
    with TemporaryDirectory(prefix="postil-bench-") as data:
        prepare(Path(data) / "files", arguments.folder, arguments.seed)
        with resident(data, 1) as one, resident(data, 1) as other:
            swap_ms = one.apply(swap)
            alone, both = [], []
            for turn in turns:
                alone.append((one, other)[turn % 2].apply(rate, (turn % 2, seconds)))
                started = [w.apply_async(rate, (at, seconds)) for at, w in enumerate((one, other))]
                both.append(sum(map(AsyncResult.get, started)))
        with resident(data, CORES) as every, stranger() as process:
            quiet, beside = [], []
            for _ in turns:
                quiet.append(every.apply(rate, (0, seconds)))
                process.send_signal(signal.SIGCONT)
                beside.append(every.apply(rate, (0, seconds)))
                process.send_signal(signal.SIGSTOP)
    print(f"{'':34} {'texts/s':>8}")
    said = {
        "one worker of one thread": alone,
        "two workers of one thread": both,
        f"one worker, threads: {CORES}": quiet,
        "the same beside a stranger": beside,
    }
    for name, rates in said.items():
        print(f"{name:34} {statistics.median(rates):8.0f}")
    print(
        json.dumps(
            {
                "turns": arguments.turns,
                "cores": CORES,
                "precision": str(device.best()[0].dtype).removeprefix("torch."),
                "swap_ms": round(swap_ms, 1),
                "two_vs_one": round(ratio(both, alone), 2),
                "beside_stranger": round(ratio(beside, quiet), 2),
            }
        )
    )


def ratio(some: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(some, others, strict=True))


def prepare(files: Path, folder: Path | None, seed: int) -> None:
    """Two shards, each encoded, and two adapters."""
    base = Encoder.load(demo.path(), *device.best())
    read = texts.read(folder)
    for shard in range(2):
        corpus = texts.corpus(base, read.texts[shard * SHARD : (shard + 1) * SHARD], read.names)
        path = files / f"shard-{shard}"
        path.mkdir(parents=True)
        corpus.tokens.save(path)
        np.save(path / EMBEDDINGS, corpus.base.astype(np.float16))
    rows = np.random.default_rng(seed).choice(len(corpus), LABELS, replace=False)
    fitted = learner.fit(
        base,
        corpus,
        rows,
        read.classes[SHARD:][rows],
        np.ones(LABELS, np.float32),
        len(read.names),
        seed,
    )
    assert not fitted.frozen, "LoRA has no part in this adapter: try another --seed"
    against = replace(fitted, lora={name: (a, -b) for name, (a, b) in fitted.lora.items()})
    for one, name in zip((fitted, against), ADAPTERS, strict=True):
        (files / name).parent.mkdir(exist_ok=True)
        adapter.save(one, files / name, read.names, {}, {})


@contextmanager
def resident(data: str, threads: int) -> Iterator[Pool]:
    """A worker in a process of its own, warm."""
    os.environ |= {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    with multiprocessing.get_context("spawn").Pool(1, begin, (data, threads)) as pool:
        pool.apply(score, (0, 0))
        yield pool


@contextmanager
def stranger() -> Iterator[subprocess.Popen[str]]:
    """A process that uses every core, stopped until it is sent SIGCONT."""
    environ = {**os.environ, "OMP_NUM_THREADS": str(CORES), "OMP_WAIT_POLICY": "ACTIVE"}
    process = subprocess.Popen(
        [sys.executable, "-c", STRANGER], env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.wait()


# In the worker's process:


def begin(data: str, threads: int) -> None:
    global context, model
    torch.set_num_threads(threads)
    model = demo.path()  # reads the whole file, to check it
    context = Context(Settings(data=data, redis_url=NOBODY))


def score(shard: int, which: int, rows: int = SHARD) -> float:
    """The first text's likeliest probability, by one of the adapters."""
    encoder = context.encoder(model)
    fitted = context.fitted(encoder, ADAPTERS[which])
    assert isinstance(fitted, learner.Fitted)
    path = context.files.path(f"shard-{shard}")
    own = np.load(path / EMBEDDINGS, mmap_mode="r")
    found = learner.predict(encoder, fitted, Tokens.load(path), own, np.arange(rows))
    return float(found.probabilities[0].max())


def rate(shard: int, seconds: float) -> float:
    """Texts a second, of the whole shard again and again."""
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        score(shard, 0)
        done += SHARD
    return done / taken


def swap() -> float:
    """Milliseconds; by turns from one adapter to the other."""
    encoder, taken = context.encoder(model), []
    for turn in range(SWAPS):
        started = time.perf_counter()
        fitted = context.fitted(encoder, ADAPTERS[turn % 2])
        encoder.scorer(lora.merged(encoder, fitted.lora, fitted.recipe))
        taken.append(time.perf_counter() - started)
    assert score(0, 0, rows=1) != score(0, 1, rows=1), "both adapters say the same"
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
