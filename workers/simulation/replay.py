"""One simulated campaign: select, answer, train, measure, score, again, by the code that does it in a real one."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import audit, quotas
from service.exam import Truth
from service.groups import Weakest
from service.measure import multi_label, single_label, spans
from service.people import MOST_ANSWERS
from service.predictions import ADAPTER, Spans
from service.quotas import Quota
from service.records import Campaign, Place
from service.rounds.decide import Mode
from service.store.campaigns import NewCampaign
from strategies import registry
from workers import beliefs, candidates, learner, selection, tagger, turn
from workers.coding import coded
from workers.consensus import Votes
from workers.corpus import Corpus, concat
from workers.encoder import Encoder
from workers.recipe import Recipe
from workers.simulation.labeled import Labeled
from workers.simulation.plan import Plan, Run
from workers.simulation.signals import Signals
from workers.situation import HOLD_OUT, TRAIN, Pool, Scores, Situation, of_class, zones
from workers.tagger import Tagger

SUSPECTS = 50
POOL, TEST = 0, 1
"""Shards, as far as there are some."""
METRICS = {
    "single_label": ("accuracy", "macro_f1", "log_loss", "ece"),
    "spans": ("f1", "precision", "recall"),
    "multi_label": ("macro_f1", "micro_f1", "subset_accuracy", "log_loss", "ece"),
}
WORST = ("worst_domain", "worst_class")
"""The lowest headline metric of a domain and F1 of a class, of those with FEWEST test examples; 0 where none has."""


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
    leaders: NDArray[np.int64]
    """Position of the text that each of the pool repeats, its own where it repeats none."""
    duplication: NDArray[np.float32]
    """(n,) as in View."""


def replay(stage: Stage, plan: Plan, run: Run, encoder: Encoder) -> Iterator[dict[str, Any]]:
    """A point of the curve for each number of labels of the plan.

    Keys: strategy, seed, labels (answers), examples, the problem's METRICS and WORST on the test set, and `domains`
    (its headline metric by domain); train_s, score_s, select_s (seconds), `learner` (what it saw), `annotators` (how
    often each is taken to be right), `noise` (of the labels that train: what is taken to be wrong, with its interval,
    and what is), `suspicion` (of the SUSPECTS labels least likely to be right, the share that is wrong; None while
    there are not twice as many), and what `Signals` says, of the hold-out where the plan has one, else of the test set.
    """
    campaign = _campaign(stage, plan, run)
    asked = _Asked(stage, plan, _situation(stage, campaign, plan), run)
    corpus, row = _corpus(stage, campaign, asked.now.zone)
    coming = np.flatnonzero(asked.now.zone == HOLD_OUT)
    coming = coming[np.argsort(asked.now.draws[coming], kind="stable")][: plan.holdout]
    measured = concat(stage.measured, stage.corpus.take(coming))
    last = np.zeros(len(stage.pool), np.int32)
    places = [Place(TEST, at) for at in range(len(stage.test))] + [Place(POOL, int(at)) for at in coming]
    with TemporaryDirectory(prefix="postil-simulate-") as folder:
        signals, earlier = Signals(campaign, Path(folder)), None
        for batch, labels in enumerate(plan.steps(), 1):
            started = time.perf_counter()
            rng = np.random.default_rng([run.seed, batch])
            count = (labels - len(asked)) // plan.overlap
            picks = selection.batch(asked.now, count, _mode(campaign, asked.now), rng)
            select_s = time.perf_counter() - started
            asked.answer(picks)
            if not picks or not len(asked.train):
                return
            asked.settle(corpus, row)
            taught = asked.taught(row)
            made = turn.take(
                plan.problem,
                encoder,
                corpus,
                taught,
                len(stage.labels),
                measured,
                run.seed,
                recipe=Recipe(contest=inf) if plan.frozen else None,
                earlier=earlier,
            )
            earlier = made.fitted.metrics
            started = time.perf_counter()
            if run.strategy != "random" and labels < plan.labels:
                asked.now.scores = _scores(stage, plan, encoder, made, asked.now, last, run, batch)
            score_s = time.perf_counter() - started
            signals.add(len(taught), int(taught.control.sum()), places, made.models, made.thresholds)
            said = signals.told(asked.known)
            asked.now.behind = said["behind"]
            asked.now.quotas = _quotas(stage, campaign, asked.now, said["weakest"])
            yield {
                "strategy": run.strategy,
                "seed": run.seed,
                "labels": len(asked),
                **metrics(plan.problem, len(stage.labels), made, stage.test.classes),
                **signals.worst(Truth("test", asked.test, asked.domains)),
                "train_s": round(made.train_seconds, 3),
                "score_s": round(score_s, 3),
                "select_s": round(select_s, 3),
                "learner": made.fitted.metrics,
                "examples": len(asked.train) + len(asked.holdout),
                "annotators": asked.accuracy,
                "noise": asked.noise(stage.pool.classes),
                "suspicion": asked.suspicion(stage.pool.classes),
                **said,
            }


class _Asked:
    """What was asked so far, and answered: the situation of the next selection, and what trains and measures."""

    def __init__(self, stage: Stage, plan: Plan, now: Situation, run: Run) -> None:
        self.plan, self.now, self.seed = plan, now, run.seed
        self.classes = len(stage.labels)
        self.people = [
            answers(stage, share, plan.errors, np.random.default_rng([run.seed, 0, who]))
            for who, share in enumerate(plan.noise)
        ]
        self.rng = np.random.default_rng([run.seed, 4])
        self.train: NDArray[np.int64] = np.empty(0, np.int64)
        self.control = np.zeros(len(stage.pool), np.bool_)
        self.holdout: list[int] = []
        self.votes: list[tuple[int, int]] = []
        """(position, who) of every answer."""
        self.value = self.people[0].copy()
        self.probability = np.ones(len(stage.pool))
        self.weight = np.ones(len(stage.pool), np.float32)
        self.accuracy: list[float] = []
        self.test = {Place(TEST, at): coded(plan.problem, one) for at, one in enumerate(stage.test.classes)}
        self.domains = {
            Place(shard, at): one
            for shard, part in ((TEST, stage.test), (POOL, stage.pool))
            for at, one in enumerate(part.domains)
            if one is not None
        }

    def __len__(self) -> int:
        return len(self.votes)

    @property
    def known(self) -> Truth:
        if not self.plan.holdout:
            return Truth("test", self.test, self.domains)
        held = {Place(POOL, at): coded(self.plan.problem, self.value[at]) for at in self.holdout}
        return Truth("hold-out", held, self.domains)

    def answer(self, picks: Sequence[selection.Pick]) -> None:
        """Everybody is asked by chance, a second opinion is somebody else's."""
        for pick in picks:
            at, now = pick.position, self.now
            if pick.strategy == selection.SECOND_OPINION:
                before = {who for position, who in self.votes if position == at}
                left = [who for who in range(len(self.people)) if who not in before]
                self.votes.append((at, int(self.rng.choice(left))))
                now.doubt[at] = 0
                continue
            asked = self.rng.choice(len(self.people), self.plan.overlap, replace=False)
            self.votes += [(at, int(who)) for who in asked]
            self.value[at] = self.people[asked[0]][at]
            now.asked[pick.role] = now.asked.get(pick.role, 0) + 1
            now.known[at] = True
            now.free &= now.pool.leaders != now.pool.leaders[at]
            if pick.role == "hold-out":
                self.holdout.append(at)
                now.holdout_room -= 1
                continue
            self.control[at] = pick.role == "control"
            self.train = np.append(self.train, at)

    def settle(self, corpus: Corpus, row: NDArray[np.int64]) -> None:
        """Believe what a campaign would before it trains."""
        plan, now = self.plan, self.now
        of, by = np.array(self.votes, np.int64).T
        places, of = np.unique(of, return_inverse=True)
        said = _said(self.people, places[of], by)
        votes = Votes(of, by, said, len(places), len(self.people))
        prior = None
        if plan.consensus == "model" and plan.problem != "spans" and len(self.train) >= beliefs.MODEL_ROWS:
            prior = np.full((len(places), self.classes), np.nan, np.float32)
            at, taught = np.searchsorted(places, self.train), self.taught(row)
            prior[at] = learner.opinions(
                corpus, taught.rows, taught.classes, taught.weights, self.classes, self.seed, plan.problem
            )
        belief = beliefs.believe(plan.problem, votes, self.classes, prior)
        self.accuracy = [round(float(one), 4) for one in belief.accuracy]
        if plan.consensus != "majority":
            self.value[places] = said[belief.chosen]
            sure = np.nan_to_num(belief.weight, nan=1.0)
            self.probability[places] = sure
            self.weight[places] = beliefs.weights(sure)
            number = np.bincount(of)
            waits = number < min(len(self.people), MOST_ANSWERS)
            now.doubt[places] = np.where(waits, 1 - sure, 0)
            now.doubt[self.holdout] = 0
        if plan.problem == "single_label":
            now.labels[self.train] = self.value[self.train]
        if plan.problem == "multi_label":
            now.label_sets = self.value[self.train]

    def noise(self, truth: NDArray[Any]) -> dict[str, Any]:
        """What an audit would say of the labels that train, and the share that is `wrong`."""
        said = audit.mean(1 - self.probability[self.train], np.random.default_rng(0))
        return {**msgspec.to_builtins(said), "wrong": float(self._wrong(self.train, truth).mean())}

    def suspicion(self, truth: NDArray[Any]) -> float | None:
        if len(self.train) < 2 * SUSPECTS:
            return None
        least = np.argsort(self.probability[self.train], kind="stable")[:SUSPECTS]
        return float(self._wrong(self.train[least], truth).mean())

    def _wrong(self, at: NDArray[np.int64], truth: NDArray[Any]) -> NDArray[np.bool_]:
        problem = self.plan.problem
        return np.array([coded(problem, self.value[one]) != coded(problem, truth[one]) for one in at])

    def taught(self, row: NDArray[np.int64]) -> turn.Labels:
        """`row`: where each of the pool's texts is in the corpus."""
        at = self.train
        return turn.Labels(row[at], self.value[at], self.weight[at], self.control[at])


def _said(people: Sequence[NDArray[Any]], at: NDArray[np.int64], by: NDArray[np.int64]) -> NDArray[Any]:
    """(k, …) what person by[k] says of position at[k]."""
    said = people[0][at].copy()
    for who, answers in enumerate(people):
        said[by == who] = answers[at[by == who]]
    return said


def _corpus(stage: Stage, campaign: Campaign, zone: NDArray[np.int8]) -> tuple[Corpus, NDArray[np.int64]]:
    """(what the learner may look at, where each of the pool's texts is in it): none that may come to measure."""
    if not campaign.holdout_size:
        return stage.corpus, np.arange(len(zone))
    kept = zone != HOLD_OUT
    return stage.corpus.take(np.flatnonzero(kept)), np.cumsum(kept) - 1


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
        holdout_size=plan.holdout,
        overlap=plan.overlap,
        consensus=plan.consensus,
        second_opinions=plan.second_opinions,
        weak_share=plan.weak_share,
        quotas=plan.quotas,
    )
    nothing = {field.name: None for field in msgspec.structs.fields(Campaign)}
    begun = {
        "id": "simulation",
        "paused": False,
        "created_at": 0.0,
        "label_version": 0,
        "batches": 0,
        "place": 0,
        "page_changes": 0,
        "label_changes": [],
    }
    return msgspec.convert(nothing | msgspec.to_builtins(new) | begun, Campaign)


def confusion(stage: Stage) -> NDArray[np.float64]:
    """(C, C) of those who take a text of one class for one of another, the share that takes it for each.

    Like classes are confused: exp(10 · cosine) of the classes' mean embeddings, each row 1 in all.
    """
    base, truth = stage.corpus.base.astype(np.float64), stage.pool.classes
    centres = np.stack([base[truth == one].mean(axis=0) for one in range(len(stage.labels))])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    found = np.exp(10 * (centres @ centres.T))
    np.fill_diagonal(found, 0)
    shares: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return shares


def answers(stage: Stage, share: float, errors: str, rng: np.random.Generator) -> NDArray[Any]:
    """What an annotator says of each text: with probability `share` an error.

    That is what is true of another text and not of it, none in a text whose spans are asked for; with errors `similar`,
    another class by `confusion`.
    """
    truth = stage.pool.classes
    wrong, said = rng.random(len(stage.pool)) < share, truth.copy()
    shares = confusion(stage) if errors == "similar" and wrong.any() else None
    for at in np.flatnonzero(wrong):
        if truth.dtype == object:
            said[at] = ()
            continue
        if shares is not None:
            said[at] = rng.choice(len(shares), p=shares[truth[at]])
            continue
        other = np.flatnonzero((truth != truth[at]).reshape(len(truth), -1).any(axis=1))
        said[at] = truth[rng.choice(other)] if len(other) else truth[at]
    return said


def _situation(stage: Stage, campaign: Campaign, plan: Plan) -> Situation:
    """A sealed and encoded pool, of which nothing was asked yet, with a test set."""
    n = len(stage.pool)
    leaders = stage.leaders if plan.near_duplicates == "drop" else np.arange(n)
    pool = Pool({}, np.zeros(n, np.int64), np.arange(n), stage.pool.role_keys(), leaders)
    drawn = pool.draws(campaign.seed, campaign.random_share)
    return Situation(
        campaign=campaign,
        pool=pool,
        draws=drawn,
        scores=None,
        encoded=np.ones(n, np.bool_),
        embeddings=lambda at: stage.corpus.base[at],
        prototypes=None if stage.corpus.names is None else stage.corpus.names.base.astype(np.float32),
        labels=np.full(n, -1, np.int64),
        label_sets=np.empty((0, len(stage.labels)), np.bool_),
        duplication=lambda at: stage.duplication[at],
        teacher=None,
        fields=None,
        asked={},
        known=np.zeros(n, np.bool_),
        free=np.ones(n, np.bool_),
        doubt=np.zeros(n),
        zone=zones(drawn, campaign.random_share, campaign.holdout_size),
        near=np.zeros(n, np.bool_),
        holdout_room=campaign.holdout_size,
        quotas=quotas.named(campaign.quotas, stage.pool.of_domain),
    )


def _quotas(stage: Stage, campaign: Campaign, now: Situation, found: dict[str, Any]) -> list[Quota]:
    """Of the next selection; `found` is what `Signals` say of the weakest."""
    by = stage.pool.of_domain
    return quotas.named(campaign.quotas, by) + quotas.weakest(
        campaign.weak_share, msgspec.convert(found, Weakest), by, of_class(campaign, now.scores, now.pool)
    )


def _scores(
    stage: Stage,
    plan: Plan,
    encoder: Encoder,
    made: turn.Turn,
    now: Situation,
    last: NDArray[np.int32],
    run: Run,
    round_: int,
) -> Scores:
    """Of the candidates, as in a campaign that has time for so many; `last` takes note of them."""
    rng, fitted, corpus = np.random.default_rng([run.seed, round_, 2]), made.fitted, stage.corpus
    may = np.flatnonzero(now.free & (now.zone == TRAIN))
    asked = np.flatnonzero(now.known & (now.zone != HOLD_OUT))

    def guess() -> NDArray[np.float32] | None:
        probe = turn.probe(plan.problem, encoder, fitted, corpus, may, rng)
        return None if probe is None else probe.uncertainty(now.embeddings(may))

    rows = candidates.choose(plan.score_rows, asked, may, last, guess, rng)
    last[rows] = round_
    if isinstance(fitted, Tagger):
        tagged = tagger.predict(encoder, fitted, corpus.some_texts(rows))
        return Scores(round_, rows, spans=tagged.spans, token_uncertainty=tagged.token_uncertainty)
    wanted = registry.get(run.strategy)
    found = learner.predict(
        encoder,
        fitted,
        corpus.tokens,
        corpus.base,
        rows,
        committee="committee" in wanted.needs | wanted.optional,
    )
    return Scores(round_, rows, found.probabilities, found.committee, made.thresholds.get(ADAPTER))


def metrics(problem: str, classes: int, made: turn.Turn, truth: NDArray[Any]) -> dict[str, float]:
    """Of the adapter, by METRICS, on the first of what was measured: `truth` (n, …)."""
    rng, said, n = np.random.default_rng(0), made.models[ADAPTER], len(truth)
    found: Any
    if isinstance(said, Spans):
        true = [(at, *span) for at, several in enumerate(truth) for span in several]
        table = np.array(true, np.int32).reshape(-1, 4)
        said = said.of(np.arange(n))
        found = spans.measure(said.rows, table, n, classes, rng, said.confidence)
    elif problem == "single_label":
        found = single_label.measure(said[:n], truth, rng)
    else:
        found = multi_label.measure(said[:n], said[:n] >= np.array(made.thresholds[ADAPTER]), truth, rng)
    return {name: round(getattr(found, name).value, 5) for name in METRICS[problem]}


def _mode(campaign: Campaign, now: Situation) -> Mode:
    if campaign.strategy == "random":
        return "random"
    return "coverage" if now.scores is None else "strategy"
