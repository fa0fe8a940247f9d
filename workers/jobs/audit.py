"""An audit: what a campaign's pool and labels are like now, and what that advises."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, func, select

from service import annotations, answers, audit, curve, people
from service.annotations import Answered
from service.audit import (
    SHOWN,
    TEXT_CHARS,
    Audit,
    Cluster,
    Duplicates,
    Labels,
    Languages,
    Lengths,
    Likelihood,
    Text,
)
from service.measure import agreement, intervals
from service.measure.intervals import Interval
from service.pool import shards
from service.records import Campaign, Place
from service.store import campaigns, events, labels, rounds
from service.store.database import clock
from service.store.schema import alias
from workers import situation
from workers.held import Held
from workers.situation import Pool, Scores

LANGUAGE_TEXTS, LANGUAGE_CHARS = 5_000, 20
LANGUAGE_SURE = 0.9
"""Of a text that is taken to be in another language than the commonest; short ones are often guessed wrong."""
LIKELIHOOD_TEXTS = 100
OUTLOOK_LABELS = 100
Positions = NDArray[np.int64]


def run(held: Held) -> None:
    files = held.context.files
    with held.context.database.reading() as connection:
        campaign = campaigns.get(connection, held.campaign)
        whole = Pool.load(connection, files, campaign)
        named = select(func.count()).where(alias.c.campaign == campaign.id, alias.c.kind == "pool")
        aliases = connection.execute(named).scalar_one()
        known = [row for row in labels.current(connection, campaign.id) if row.source != "synthetic"]
        given = annotations.answers_now(connection, campaign)
        done = [row for row in rounds.all_of(connection, campaign.id) if row.adapter]
        scored = rounds.scored(connection, campaign.id)
        scores = [] if scored is None else rounds.scores(connection, campaign.id, scored.number)
        scorer = 0 if scored is None else rounds.scorer(connection, campaign.id, scored.number).number
        learned = curve.learning(files, campaign, done, curve.truth(connection, files, campaign))
        taught = situation.taught(connection, files, campaign, whole)
        at = clock(connection)
    rng = np.random.default_rng(campaign.seed)
    look = _Look(held, campaign, whole)
    lengths, domains = look.walk()
    duplication = whole.duplication(files, np.arange(len(whole.numbers))).astype(np.float64)
    duplicates = look.duplicates(aliases)
    languages = look.languages(rng)
    likelihood = look.likelihood(rng)
    judged = look.labels(known, given, rng)
    train = [row for row in known if row.role != "hold-out"]
    doubts = np.array([1 - row.probability for row in train if row.probability is not None], np.float64)
    if taught is None:
        confidence, teacher = _confidence(files, campaign, whole, scorer, scores)
    else:
        confidence = taught(np.arange(len(whole.numbers))).astype(np.float64)
        teacher = f"the campaign's, {campaign.teacher}"
    signal = np.where(np.isnan(confidence), 1.0, confidence) * (1 - duplication)
    if not np.isnan(confidence).all():
        signal = signal[~np.isnan(confidence)]
    facts = audit.information(doubts, signal, len(train), teacher, rng)
    metrics = done[-1].metrics if done else {}
    accuracies = [one["accuracy"] for one in metrics.get("annotators", ()) if one["accuracy"] is not None]
    weighed = campaign.consensus != "majority"
    found = Audit(
        at,
        len(whole.numbers),
        done[-1].number if done else None,
        duplicates,
        look.lengths(lengths),
        languages,
        audit.balance(domains),
        likelihood,
        judged,
        facts,
        audit.advise(duplicates, languages, judged, facts, accuracies, weighed, _outlook(learned)),
    )
    with held.effects(msgspec.to_builtins(found)) as connection:
        events.record(connection, campaign.id, "audited", advice=len(found.advice))


class _Look:
    """Texts of a pool, looked up by position."""

    def __init__(self, held: Held, campaign: Campaign, whole: Pool) -> None:
        self.held, self.campaign, self.whole = held, campaign, whole

    def walk(self) -> tuple[NDArray[np.int64], Counter[str]]:
        """(characters of each text, how many of each domain)."""
        lengths: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        domains = Counter[str]()
        for at, content in enumerate(self.whole.contents.values()):
            self.held.progress(at, len(self.whole.contents), "audit: reading the pool")
            columns = shards.columns(self.held.context.files, content, ["text", "domain"])
            lengths.append(np.array([len(text) for text in columns["text"]], np.int64))
            domains.update(one for one in columns["domain"] if one is not None)
        return np.concatenate(lengths), domains

    def texts(self, at: Positions) -> list[tuple[str, str]]:
        """(id, text) of positions."""
        examples = self.whole.examples(self.held.context.files, at)
        return [
            (one["ext_id"] if one["ext_id"] is not None else str(place), one["text"])
            for one, place in zip(examples, self.whole.places(at), strict=True)
        ]

    def shown(self, at: Positions, values: Sequence[float], words: Sequence[str]) -> list[Text]:
        return [
            Text(id_, text[:TEXT_CHARS], float(value), its)
            for (id_, text), value, its in zip(self.texts(at), values, words, strict=True)
        ]

    def duplicates(self, aliases: int) -> Duplicates:
        """As far as they were looked for; where the campaign keeps them, none is known."""
        n, leaders = len(self.whole.numbers), self.whole.leaders
        compared = np.flatnonzero(np.isin(self.whole.numbers, list(self.whole.near)))
        follows = leaders[compared] != compared
        sizes = np.bincount(leaders, minlength=n) if n else np.empty(0, np.int64)
        largest = np.argsort(-sizes, kind="stable")[:SHOWN]
        largest = largest[sizes[largest] > 1]
        clusters = []
        for leader in largest.tolist():
            members = np.flatnonzero(leaders == leader)[:5]
            of = self.texts(members)
            clusters.append(Cluster(int(sizes[leader]), [id_ for id_, _ in of], of[0][1][:TEXT_CHARS]))
        exact = intervals.share(aliases, n + aliases)
        return Duplicates(exact, intervals.share(int(follows.sum()), len(compared)), clusters)

    def lengths(self, lengths: NDArray[np.int64]) -> Lengths:
        if not len(lengths):
            return Lengths([], 0, [])
        quantiles, at = audit.far_out(lengths)
        few = at[:SHOWN]
        return Lengths(quantiles, len(at), self.shown(few, lengths[few].tolist(), ["characters"] * len(few)))

    def languages(self, rng: np.random.Generator) -> Languages:
        """By py3langid, which takes a text for one of 97 languages."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        at = self._sample(LANGUAGE_TEXTS, rng)
        pairs = [(one, text) for one, (_, text) in zip(at.tolist(), self.texts(at), strict=True)]
        pairs = [(one, text) for one, text in pairs if len(text) >= LANGUAGE_CHARS]
        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        said: list[tuple[str, float]] = []
        for done, (_, text) in enumerate(pairs):
            if done % 500 == 0:
                self.held.progress(done, len(pairs), "audit: languages")
            language, sure = identifier.classify(text)
            said.append((language, float(sure)))
        guesses = Counter(language for language, _ in said)
        main = max(guesses, key=lambda one: guesses[one], default="")
        strange = [
            at for at, (language, sure) in enumerate(said) if language != main and sure >= LANGUAGE_SURE
        ]
        counts = Counter({main: len(said) - len(strange)} if said else {})
        counts.update(said[at][0] for at in strange)
        strange = sorted(strange, key=lambda one: -said[one][1])[:SHOWN]
        where = np.array([pairs[one][0] for one in strange], np.int64)
        shown = self.shown(where, [said[one][1] for one in strange], [said[one][0] for one in strange])
        return Languages(len(pairs), audit.balance(counts), shown)

    def likelihood(self, rng: np.random.Generator) -> Likelihood:
        from workers import unlikely

        at = self._sample(LIKELIHOOD_TEXTS, rng)
        self.held.progress(0, 1, "audit: what the base model finds unlikely")
        try:
            found = unlikely.perplexities(self.campaign.model, [text for _, text in self.texts(at)])
        except unlikely.NoHead as error:
            return Likelihood(0, None, [], str(error))
        except (OSError, ValueError) as error:
            return Likelihood(0, None, [], f"the model cannot be read: {str(error).partition(chr(10))[0]}")
        at, found = at[~np.isnan(found)], found[~np.isnan(found)]
        few = np.argsort(-found, kind="stable")[:SHOWN]
        median = _median(found, rng)
        return Likelihood(
            len(at), median, self.shown(at[few], found[few].tolist(), ["pseudo-perplexity"] * len(few)), None
        )

    def labels(
        self, known: Sequence[Row[Any]], given: Sequence[Answered], rng: np.random.Generator
    ) -> Labels:
        campaign, counts = self.campaign, Counter[str]()
        for row in known:
            answer = answers.read(campaign.problem, row.value)
            several = [answer] if isinstance(answer, str) else answer
            counts.update(each if isinstance(each, str) else each["label"] for each in several)
        units: dict[Place, list[frozenset[str] | str]] = {}
        for one in given:
            if campaign.problem != "spans":
                units.setdefault(Place(one.shard, one.row), []).append(people.comparable(campaign, one.value))
        per_class, every = {}, list(units.values())
        for label in campaign.labels:
            mine = [
                [label in (one if isinstance(one, frozenset) else [one]) for one in unit] for unit in every
            ]
            if (of := agreement.alpha(mine, rng)) is not None:
                per_class[label] = of
        sealed = [row for row in known if row.shard in self.whole.contents]
        judged = [row for row in sealed if row.role != "hold-out" and row.probability is not None]
        judged.sort(key=lambda row: (row.probability, row.version))
        few = judged[:SHOWN]
        at = self.whole.positions([Place(row.shard, row.row) for row in few])
        shown = self.shown(at, [row.probability for row in few], [row.value for row in few])
        return Labels(
            audit.balance(counts, campaign.labels),
            [label for label in campaign.labels if counts[label] < audit.FEW],
            agreement.alpha(every, rng),
            per_class,
            audit.mean(np.array([1 - row.probability for row in judged], np.float64), rng),
            sum(row.probability < 0.5 for row in judged),
            shown,
        )

    def _sample(self, count: int, rng: np.random.Generator) -> Positions:
        n = len(self.whole.numbers)
        return np.sort(rng.choice(n, min(count, n), replace=False))


def _confidence(
    files: Any, campaign: Campaign, whole: Pool, scorer: int, scores: Sequence[Row[Any]]
) -> tuple[NDArray[np.float64], str]:
    """((n,) of the newest adapter, NaN where it scored nothing; its name)."""
    found = np.full(len(whole.numbers), np.nan)
    said = Scores.load(files, whole, scorer, scores) if scores else None
    if said is None or said.probabilities is None:
        return (
            found,
            "nobody: no round has scored texts yet" if campaign.problem != "spans" else "nobody, for spans",
        )
    p = said.probabilities.astype(np.float64)
    sure = p.max(axis=1) if campaign.problem == "single_label" else np.maximum(p, 1 - p).mean(axis=1)
    found[said.positions] = sure
    return found, f"the adapter of round {scorer}"


def _outlook(learned: curve.Curve) -> tuple[float, float] | None:
    """(what 100 labels more bring, how far the adapter is above logistic regression)."""
    if learned.stopping is None or not learned.points:
        return None
    gains = [one.gain.value for one in learned.stopping.outlook if one.more == OUTLOOK_LABELS]
    point = learned.points[-1]
    if not gains or point.metrics is None:
        return None
    value = getattr(point.metrics, point.headline).value
    return gains[0], value - (value if point.baseline is None else point.baseline)


def _median(values: NDArray[np.float64], rng: np.random.Generator) -> Interval | None:
    if not len(values):
        return None
    draws = np.median(values[rng.integers(len(values), size=(1000, len(values)))], axis=1)
    middle = float(np.median(values))
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return Interval(middle, min(low, middle), max(high, middle))
