"""One simulated campaign: select, answer, train, measure, score, again, by the code that does it in a real one."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.measure import multi_label, single_label, spans
from service.pool.text import draws
from service.predictions import ADAPTER, Spans
from service.records import Campaign
from service.rounds.decide import Mode
from service.store.campaigns import NewCampaign
from strategies import registry
from workers import learner, selection, tagger, turn
from workers.corpus import Corpus
from workers.encoder import Encoder
from workers.jobs.score import sample
from workers.recipe import Recipe
from workers.simulation.labeled import Labeled
from workers.simulation.plan import Plan, Run
from workers.situation import Pool, Scores, Situation, zones
from workers.tagger import Tagger

SCORED_ROWS = 10_000
METRICS = {
    "single_label": ("accuracy", "macro_f1", "log_loss", "ece"),
    "spans": ("f1", "precision", "recall"),
    "multi_label": ("macro_f1", "micro_f1", "subset_accuracy", "log_loss", "ece"),
}


@dataclass(frozen=True, eq=False)
class Stage:
    """What all runs of a simulation share: texts with their truth, and what the base model made of them."""

    labels: list[str]
    pool: Labeled
    test: Labeled
    corpus: Corpus
    """Of the pool, with the labels' names."""
    measured: Corpus
    """Of the test set."""


def replay(stage: Stage, plan: Plan, run: Run, encoder: Encoder) -> Iterator[dict[str, Any]]:
    """A point of the curve for each number of labels of the plan.

    Keys: strategy, seed, labels, the problem's METRICS, train_s, score_s, select_s (seconds), and what the learner saw.
    """
    campaign = _campaign(stage, plan, run)
    answers = _answers(stage, plan.noise, run.seed)
    now = _situation(stage, campaign)
    given: NDArray[np.int64] = np.empty(0, np.int64)
    control = np.zeros(len(stage.pool), np.bool_)
    for batch, labels in enumerate(plan.steps(), 1):
        started = time.perf_counter()
        rng = np.random.default_rng([run.seed, batch])
        picks = selection.batch(now, labels - len(given), _mode(campaign, now), rng)
        if not picks:
            return
        select_s = time.perf_counter() - started
        chosen = np.array([pick.position for pick in picks], dtype=np.int64)
        control[[pick.position for pick in picks if pick.role == "control"]] = True
        given = np.concatenate([given, chosen])
        if plan.problem == "single_label":
            now.labels[chosen] = answers[chosen]
        elif plan.problem == "multi_label":
            now.label_sets = answers[given]
        now.free[chosen] = False
        for pick in picks:
            now.asked[pick.role] = now.asked.get(pick.role, 0) + 1
        taught = turn.Labels(given, answers[given], np.ones(len(given), np.float32), control[given])
        made = turn.take(
            plan.problem,
            encoder,
            stage.corpus,
            taught,
            len(stage.labels),
            stage.measured,
            run.seed,
            recipe=Recipe(contest=inf) if plan.frozen else None,
        )
        started = time.perf_counter()
        if run.strategy != "random" and labels < plan.labels:
            now.scores = _scores(stage, encoder, made, run.strategy, batch)
        score_s = time.perf_counter() - started
        yield {
            "strategy": run.strategy,
            "seed": run.seed,
            "labels": len(given),
            **_metrics(plan.problem, len(stage.labels), made, stage.test.classes),
            "train_s": round(made.train_seconds, 3),
            "score_s": round(score_s, 3),
            "select_s": round(select_s, 3),
            "learner": made.fitted.metrics,
        }


def _campaign(stage: Stage, plan: Plan, run: Run) -> Campaign:
    """A campaign as the API would make it, that nothing has happened to."""
    new = NewCampaign(
        name="simulation",
        labels=stage.labels,
        model=plan.model,
        problem=plan.problem,
        strategy=run.strategy,
        seed=run.seed,
        random_share=plan.random_share,
    )
    nothing = {field.name: None for field in msgspec.structs.fields(Campaign)}
    begun = {
        "id": "simulation",
        "paused": False,
        "created_at": 0.0,
        "label_version": 0,
        "batches": 0,
        "place": 0,
    }
    return msgspec.convert(nothing | msgspec.to_builtins(new) | begun, Campaign)


def _answers(stage: Stage, noise: float, seed: int) -> NDArray[Any]:
    """What an annotator says of each text: with probability `noise` what is true of another text and not of it.

    Who is asked for spans sees none in such a text.
    """
    rng, truth = np.random.default_rng([seed, 0]), stage.pool.classes
    wrong, said = rng.random(len(stage.pool)) < noise, truth.copy()
    for at in np.flatnonzero(wrong):
        if truth.dtype == object:
            said[at] = ()
            continue
        other = np.flatnonzero((truth != truth[at]).reshape(len(truth), -1).any(axis=1))
        said[at] = truth[rng.choice(other)] if len(other) else truth[at]
    return said


def _situation(stage: Stage, campaign: Campaign) -> Situation:
    """A sealed and encoded pool, of which nothing was asked yet, with a test set."""
    n, keys = len(stage.pool), stage.pool.role_keys()
    drawn = draws(keys, campaign.seed)
    return Situation(
        campaign=campaign,
        pool=Pool({}, np.zeros(n, np.int64), np.arange(n), keys),
        draws=drawn,
        scores=None,
        encoded=np.ones(n, np.bool_),
        embeddings=lambda at: stage.corpus.base[at],
        prototypes=None if stage.corpus.names is None else stage.corpus.names.base.astype(np.float32),
        labels=np.full(n, -1, np.int64),
        label_sets=np.empty((0, len(stage.labels)), np.bool_),
        asked={},
        free=np.ones(n, np.bool_),
        zone=zones(drawn, campaign.random_share, holdout_room=0),
        near=np.zeros(n, np.bool_),
        holdout_room=0,
    )


def _scores(stage: Stage, encoder: Encoder, made: turn.Turn, strategy: str, round_: int) -> Scores:
    """Of a random part of the pool where it is large, as a campaign does that has only so long for it."""
    wanted, n, fitted = registry.get(strategy), len(stage.pool), made.fitted
    rows = sample(n, SCORED_ROWS / n, fitted.seed, round_, 0)
    if isinstance(fitted, Tagger):
        tagged = tagger.predict(encoder, fitted, stage.corpus.some_texts(rows))
        return Scores(round_, rows, spans=tagged.spans, token_uncertainty=tagged.token_uncertainty)
    found = learner.predict(
        encoder,
        fitted,
        stage.corpus.tokens,
        stage.corpus.base,
        rows,
        committee="committee" in wanted.needs | wanted.optional,
    )
    decided = made.thresholds.get(ADAPTER)
    return Scores(round_, rows, found.probabilities, found.committee, decided)


def _metrics(problem: str, classes: int, made: turn.Turn, truth: NDArray[Any]) -> dict[str, float]:
    rng, said = np.random.default_rng(0), made.models[ADAPTER]
    found: Any
    if isinstance(said, Spans):
        true = [(at, *span) for at, several in enumerate(truth) for span in several]
        table = np.array(true, np.int32).reshape(-1, 4)
        found = spans.measure(said.rows, table, len(truth), classes, rng, said.confidence)
    elif problem == "single_label":
        found = single_label.measure(said, truth, rng)
    else:
        found = multi_label.measure(said, said >= np.array(made.thresholds[ADAPTER]), truth, rng)
    return {name: round(getattr(found, name).value, 5) for name in METRICS[problem]}


def _mode(campaign: Campaign, now: Situation) -> Mode:
    if campaign.strategy == "random":
        return "random"
    return "coverage" if now.scores is None else "strategy"
