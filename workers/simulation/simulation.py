"""All runs of a plan, on one process or several: a run's points are written as they come, whole runs are kept."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from service.errors import Invalid
from workers import near
from workers.corpus import Corpus, words
from workers.encoder import Encoder
from workers.near import Bags, Part
from workers.simulation import labeled
from workers.simulation.plan import Plan, Run
from workers.simulation.replay import Stage, replay

Point = dict[str, Any]
POLL_S = 0.5


class Inputs(msgspec.Struct, frozen=True):
    """Where a plan's files are on this machine."""

    data: Path
    test: Path
    model: str
    text_field: str
    problem: str
    out: Path


def simulate(
    inputs: Inputs, plan: Plan, runs: Sequence[Run], jobs: int, tell: Callable[[int], None]
) -> list[Point]:
    """The points of all runs, in their order; `tell` is called with how many there are now, again and again."""
    if jobs < 1:
        raise Invalid(f"--jobs {jobs} must be 1 or more", "jobs")
    missing = [run for run in runs if len(points(inputs.out, run)) < len(plan.steps())]
    if missing:
        threads = max(1, (os.cpu_count() or 1) // jobs)
        spawn = multiprocessing.get_context("spawn")
        workers = min(jobs, len(missing))
        with ProcessPoolExecutor(workers, spawn, _begin, (threads,)) as pool:
            left = {pool.submit(_work, inputs, run, plan) for run in missing}
            while left:
                done, left = wait(left, POLL_S, FIRST_EXCEPTION)
                tell(sum(len(points(inputs.out, run)) for run in runs))
                for one in done:
                    if one.exception():
                        pool.shutdown(wait=False, cancel_futures=True)
                    one.result()
    return [point for run in runs for point in points(inputs.out, run)]


def points(out: Path, run: Run) -> list[Point]:
    """What there is of a run; a line that was cut off is not there."""
    try:
        lines = (out / run.file).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line) for line in lines]


def prepare(inputs: Inputs) -> tuple[Stage, Encoder]:
    """The files, and what the base model makes of them."""
    from workers.device import best

    labels, pool, test = labeled.read(inputs.data, inputs.test, inputs.text_field, inputs.problem)
    encoder = Encoder.load(inputs.model, *best())

    def read(texts: list[str], names: Corpus | None = None) -> Corpus:
        tokens = encoder.tokenize(texts)
        return Corpus(tokens, encoder.embed(tokens), names, lambda rows: [texts[row] for row in rows])

    names = read([words(label) for label in labels])
    corpus = read(pool.texts, names)
    alone = Part(Bags.of(pool.texts), corpus.base)
    leaders, likeness = near.leaders([alone], np.random.default_rng(0))
    duplication = np.clip(likeness, 0, 1).astype(np.float32)
    return Stage(labels, pool, test, corpus, read(test.texts), leaders, duplication), encoder


def _begin(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


@cache
def _prepared(inputs: Inputs) -> tuple[Stage, Encoder]:
    """Once in each process, by its first run: an error where the process begins would be told as its death alone."""
    return prepare(inputs)


def _work(inputs: Inputs, run: Run, plan: Plan) -> None:
    stage, encoder = _prepared(inputs)
    file = inputs.out / run.file
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb", buffering=0) as lines:
        for point in replay(stage, plan, run, encoder):
            lines.write(msgspec.json.encode(point) + b"\n")
