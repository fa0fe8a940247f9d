"""One trial: one variant with one seed, trained and measured."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import audit
from service.errors import Invalid
from service.measure.intervals import Interval
from workers import beliefs, consensus, learner, turn
from workers.coding import coded
from workers.consensus import Votes
from workers.encoder import Encoder
from workers.experiment.variants import Experiment, Variant
from workers.simulation.plan import Plan, Run
from workers.simulation.replay import METRICS, Stage, answers, metrics, replay

DOUBTED = 0.5
"""A label less likely to be right than this is dropped, where labels are."""
STEPS = 10
"""Batches of a campaign that is replayed."""


class Trial(msgspec.Struct, frozen=True):
    variant: str
    seed: int
    labels: int
    wrong: float
    """Share of the labels that train."""
    scores: dict[str, float]
    """The problem's METRICS on the test set."""
    seconds: float
    """Of training; where examples are chosen, of scoring and choosing, too."""
    noise: Interval | None = None
    """What an audit would say is wrong, where labels were weighed by it."""


def trials(
    stage: Stage,
    experiment: Experiment,
    seeds: Sequence[int],
    encoder: Encoder,
    out: Path,
    of: Sequence[str | None] = (),
) -> Iterator[Trial]:
    """Every variant with every seed; what is in `out` is not done again. `of`: the slice of each text, for probes."""
    left = len(stage.pool) - experiment.more * len(experiment.slices)
    if left < experiment.labels:
        beside = f" beside {experiment.more} of each slice" if experiment.slices else ""
        raise Invalid(
            f"--labels {experiment.labels}, and there are {max(0, left)} labeled texts to train on{beside}",
            "labels",
        )
    file = out / "trials.jsonl"
    done: dict[tuple[str, int], Trial] = {}
    if file.exists():
        for line in file.read_bytes().split(b"\n")[:-1]:
            one = msgspec.json.decode(line, type=Trial)
            done[one.variant, one.seed] = one
        # A line that was cut off is written again.
        file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in done.values()))
    with file.open("ab", buffering=0) as lines:
        for seed in seeds:
            for variant in experiment.variants():
                if (variant.name, seed) not in done:
                    if variant.strategy:
                        made = _replayed(stage, experiment, variant, seed, encoder)
                    else:
                        made = _trained(stage, experiment, variant, seed, encoder, of)
                    done[variant.name, seed] = made
                    lines.write(msgspec.json.encode(made) + b"\n")
                yield done[variant.name, seed]


def _trained(
    stage: Stage,
    experiment: Experiment,
    variant: Variant,
    seed: int,
    encoder: Encoder,
    of: Sequence[str | None],
) -> Trial:
    problem, classes = experiment.problem, len(stage.labels)
    at = np.sort(drawn(experiment, variant, len(stage.pool), of, np.random.default_rng([seed, 1])))
    errors = "similar" if problem == "single_label" else "any"
    said = answers(stage, variant.noise, errors, np.random.default_rng([seed, 0]))[at]
    wrong = np.array(
        [
            coded(problem, one) != coded(problem, true)
            for one, true in zip(said, stage.pool.classes[at], strict=True)
        ]
    )
    started, noise = time.perf_counter(), None
    weights: NDArray[np.float32] = np.ones(len(at), np.float32)
    kept: NDArray[np.bool_] = np.ones(len(at), np.bool_)
    if variant.weigh != "equal":
        right = _belief(stage, problem, at, said, seed)
        noise = audit.mean(1 - right, np.random.default_rng(0))
        weights = beliefs.weights(right).astype(np.float32)
        if variant.weigh == "dropped":
            kept = right >= DOUBTED
    weighed_s = time.perf_counter() - started
    labels = turn.Labels(at[kept], said[kept], weights[kept], np.zeros(int(kept.sum()), np.bool_))
    made = turn.take(
        problem, encoder, stage.corpus, labels, classes, stage.measured, seed, recipe=variant.recipe
    )
    found = metrics(problem, classes, made, stage.test.classes)
    return Trial(
        variant.name,
        seed,
        len(at),
        round(float(wrong.mean()), 4),
        found,
        round(made.train_seconds + weighed_s, 3),
        noise,
    )


def drawn(
    experiment: Experiment, variant: Variant, n: int, of: Sequence[str | None], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of the n texts of the pool: the first of a random order, which variants of a seed have in common.

    The first `more` of each slice are for its probe alone.
    """
    order = rng.permutation(n)
    if not experiment.slices:
        return order[: variant.labels]
    slices = np.array([one or "" for one in of])[order]
    kept = {name: np.flatnonzero(slices == name)[: experiment.more] for name in experiment.slices}
    base = order[np.setdiff1d(np.arange(n), np.concatenate(list(kept.values())))][: experiment.labels]
    return np.concatenate([base, order[kept[variant.slice]]]) if variant.slice else base


def _belief(
    stage: Stage, problem: str, at: NDArray[np.int64], said: NDArray[Any], seed: int
) -> NDArray[np.float64]:
    """(n,) how probable it is that single answers of one person are right, as a campaign sees it."""
    n, classes = len(at), len(stage.labels)
    prior = learner.opinions(stage.corpus, at, said, np.ones(n, np.float32), classes, seed, problem)
    votes = Votes(np.arange(n), np.zeros(n, np.int64), said, n, 1)
    return np.nan_to_num(consensus.agree(votes, classes, prior).weight, nan=1.0)


def _replayed(stage: Stage, experiment: Experiment, variant: Variant, seed: int, encoder: Encoder) -> Trial:
    """A whole campaign with the variant's strategy."""
    plan = Plan(
        experiment.data,
        experiment.test,
        experiment.model,
        variant.labels // STEPS,
        variant.labels // STEPS,
        variant.labels,
        (variant.noise,),
        random_share=0.2,
        problem=experiment.problem,
        frozen=experiment.frozen,
    )
    points = list(replay(stage, plan, Run(variant.strategy, seed), encoder))
    seconds = sum(point["train_s"] + point["score_s"] + point["select_s"] for point in points)
    last = points[-1]
    return Trial(
        variant.name,
        seed,
        last["labels"],
        round(last["noise"]["wrong"], 4),
        {name: last[name] for name in METRICS[experiment.problem]},
        round(seconds, 3),
    )
