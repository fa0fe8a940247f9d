"""Synthetic texts: made by a generator, judged by filters, stored with what is known of them, a share put to people.

What a generator made before it broke down is kept. The model of the newest round judges labels, having learned from
labels that people gave.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from service import answers, generators, synthesis
from service.errors import Conflict, Invalid
from service.pool import pool, shards, text
from service.pool.shards import Row as Stored
from service.records import Campaign, Place
from service.store import campaigns, events, jobs, labels, rounds, selections, syntheses
from service.store.selections import Chosen
from service.synthesis import Generator, Provenance
from workers import encodings, learner, unlikely
from workers.coding import classes
from workers.device import best
from workers.encoder import Encoder
from workers.held import Held
from workers.learner import Fitted
from workers.material import Material
from workers.near import Part
from workers.synthesis import filters, perturbations
from workers.synthesis.causal import Causal
from workers.synthesis.drafts import Draft, GeneratorDown, Group, Seen
from workers.synthesis.endpoint import Endpoint

SYNTHETIC = 0.5
"""Weight of a synthetic label, as of one that a near-duplicate passes on; all that were made of one text share it, or
labels with many copies would drown the others (tests/bench/LOG.md)."""
KINDS: tuple[pool.Kind, ...] = ("pool", "test", "synthetic")
LIKELIHOOD_TEXTS = 200
"""Real texts that a language-model head is asked about."""


def run(held: Held) -> None:
    number, files = held.args["synthesis"], held.context.files
    with held.context.database.reading() as connection:
        campaign = campaigns.get(connection, held.campaign)
        row = syntheses.get(connection, campaign.id, number)
        material = Material.load(connection, files, campaign)
        known = [one for one in labels.current(connection, campaign.id) if one.source != "synthetic"]
        trained = [one for one in rounds.all_of(connection, campaign.id) if one.adapter]
    if not trained:
        raise Conflict("no round was trained yet: its adapter is to judge what is made")
    held.progress(0, 1, "loading the model")
    encoder = held.context.encoder(campaign.model)
    usable, _ = material.train(known)
    maker = _Maker(held, campaign, msgspec.convert(row.generator, Generator), material, encoder, usable)
    drafts, error = maker.drafts(row.per_label, row.seed)
    values: dict[str, Any] = {"error": error, "nonsense": maker.nonsense}
    state = "broken" if error else "done"
    if not drafts:
        with held.effects({"error": error}) as connection:
            told = error or "nothing was made: no label has a text yet that could be changed"
            syntheses.end(connection, campaign.id, number, "broken", **values | {"error": told})
            events.record(connection, campaign.id, "synthesized", synthesis=number, kept=0, error=told)
        return
    rng = np.random.default_rng([campaign.seed, row.seed, number])
    judge = _Judge(held, campaign, material, encoder, usable, drafts, trained[-1].adapter, rng)
    facts = [
        Provenance(
            number,
            maker.generator,
            row.seed,
            draft.how,
            [str(place) for place in draft.sources],
            verdict,
            **figures,
        )
        for draft, verdict, figures in zip(drafts, judge.verdicts, judge.figures, strict=True)
    ]
    content = shards.seal(files, _rows(number, drafts, facts, judge.role_keys))
    name = held.folder(f"encodings/{content}/{encoder.key}")
    with files.new(name) as folder:
        judge.tokens.save(folder)
        np.save(folder / encodings.EMBEDDINGS, judge.embeddings.astype(np.float16))
    kept = [at for at, verdict in enumerate(judge.verdicts) if verdict == "kept"]
    asked = sorted(rng.permutation(kept)[: round(row.checked_share * len(kept))].tolist())
    verdicts = {one: judge.verdicts.count(one) for one in synthesis.VERDICTS if one in judge.verdicts}
    with held.effects({"kept": len(kept), "error": error}) as connection:
        shard = pool.put_synthetic(connection, campaign.id, content, len(drafts))
        rounds.add_encoding(
            connection,
            content=content,
            encoder=encoder.key,
            path=name,
            rows=len(drafts),
            truncated=judge.tokens.truncated,
            unknown_share=judge.tokens.unknown_share,
            seconds=0.0,
        )
        given = {Place(shard, at): (drafts[at].answer, judge.role_keys[at]) for at in kept}
        reason = f"synthetic: {synthesis.name(maker.generator)}"
        weights = dict(zip(given, _weights([drafts[at] for at in kept]), strict=True))
        labels.add_synthetic(connection, campaign.id, given, reason, weights)
        _ask(connection, campaign, shard, [(at, drafts[at].text, judge.role_keys[at]) for at in asked])
        syntheses.end(connection, campaign.id, number, state, shard=shard, verdicts=verdicts, **values)
        events.record(
            connection,
            campaign.id,
            "synthesized",
            synthesis=number,
            kept=len(kept),
            refused=len(drafts) - len(kept),
            to_people=len(asked),
            **({"error": error} if error else {}),
        )


def _rows(
    number: int, drafts: Sequence[Draft], facts: Sequence[Provenance], role_keys: Sequence[int]
) -> list[Stored]:
    """As a shard has them. A digest or an id names one of them."""
    return [
        Stored(
            draft.text,
            text.digest(draft.text),
            role_key,
            synthesis.ext_id(number, at),
            None,
            {synthesis.META: msgspec.to_builtins(fact)},
            draft.answer,
        )
        for at, (draft, fact, role_key) in enumerate(zip(drafts, facts, role_keys, strict=True))
    ]


def _weights(kept: Sequence[Draft]) -> list[float]:
    """Of the labels of what is kept."""
    number: Counter[tuple[Place, ...]] = Counter(draft.sources for draft in kept if len(draft.sources) == 1)
    return [SYNTHETIC / max(1, number[draft.sources]) for draft in kept]


def _ask(connection: Any, campaign: Campaign, shard: int, asked: Sequence[tuple[int, str, int]]) -> None:
    """Have people label some of them like any other text: at the queue's end, and blind."""
    if not asked:
        return
    first = campaigns.count_up(connection, campaign.id, "place", len(asked))
    chosen = [
        Chosen(
            place=Place(shard, row),
            rank=first - 1 + at,
            role="train",
            strategy=synthesis.STRATEGY,
            score=0.0,
            reason="a random draw among synthetic texts",
            text=words,
            ext_id=None,
            domain=None,
            role_key=role_key,
            prediction=None,
        )
        for at, (row, words, role_key) in enumerate(asked)
    ]
    selections.choose(connection, campaign.id, campaign.batches, 0, chosen, campaign.overlap)
    jobs.hint(connection, campaign.id, "sync")


@dataclass(frozen=True, eq=False)
class _Maker:
    held: Held
    campaign: Campaign
    generator: Generator
    material: Material
    encoder: Encoder
    usable: Sequence[Row[Any]]

    def drafts(self, per_label: int, seed: int) -> tuple[list[Draft], str | None]:
        """(what was made; why it broke off, where it did)."""
        found: list[Draft] = []
        try:
            for at, group in enumerate(self._groups()):
                telling = self.held.telling(f"writing texts: {group.label}")
                pause = partial(telling, at, len(self.campaign.labels))
                pause()
                rng, session = np.random.default_rng([seed, at]), self._session
                if session is None:
                    found += perturbations.drafts(group, per_label, rng)
                    continue
                for draft in session.drafts(group, per_label, rng, pause):
                    found.append(draft)
        except (GeneratorDown, Invalid) as error:
            return found, str(error)
        finally:
            if isinstance(asked := self.__dict__.get("_session"), Endpoint):
                asked.close()
        if not found and self.nonsense:
            return found, f"{synthesis.name(self.generator)} wrote nothing that can be read as texts"
        return found, None

    @cached_property
    def _session(self) -> Endpoint | Causal | None:
        match self.generator:
            case synthesis.Endpoint(url, model):
                settings = self.held.context.settings
                allowed, variable = generators.allowed(url, settings.generators)
                return Endpoint(allowed, model, generators.key(variable))
            case synthesis.Local(model):
                return Causal(model, best()[0])
        return None

    @property
    def nonsense(self) -> int:
        """Answers of the generator that held no new text."""
        return 0 if "_session" not in self.__dict__ or self._session is None else self._session.nonsense

    def _groups(self) -> list[Group]:
        places = [Place(row.shard, row.row) for row in self.usable]
        texts = self.material.read(self.encoder, places).some_texts(np.arange(len(places)))
        several = self.campaign.problem == "multi_label"
        seen: dict[str, list[Seen]] = {label: [] for label in self.campaign.labels}
        for row, place, words in zip(self.usable, places, texts, strict=True):
            answer = answers.read(self.campaign.problem, row.value)
            for label in [answer] if isinstance(answer, str) else answer:
                seen[str(label)].append(Seen(place, words, row.value))
        return [
            Group(label, answers.store([label] if several else label), found) for label, found in seen.items()
        ]


class _Judge:
    """What the filters say of drafts; lists and arrays are aligned with them."""

    def __init__(
        self,
        held: Held,
        campaign: Campaign,
        material: Material,
        encoder: Encoder,
        usable: Sequence[Row[Any]],
        drafts: Sequence[Draft],
        adapter: str,
        rng: np.random.Generator,
    ) -> None:
        self.held, self.campaign, self.material, self.encoder = held, campaign, material, encoder
        self.drafts, self.usable = drafts, usable
        self.texts = [draft.text for draft in drafts]
        self.role_keys = text.role_keys(self.texts)
        self.tokens = encoder.tokenize(self.texts)
        self.embeddings = encoder.embed(self.tokens, progress=held.telling("reading synthetic texts"))
        self.corpus = material.corpus(encoder, [Place(row.shard, row.row) for row in usable])
        measures, duplicate, near, like, cosines = self._repeated(rng)
        probability, agreed = self._probabilities(adapter)
        perplexity, usual = self._perplexities(rng)
        distance, typical = self._distances(rng)
        p = (
            filters.p_values(-probability, -agreed),
            filters.p_values(perplexity, usual),
            filters.p_values(distance, typical),
        )
        self.verdicts = filters.verdicts(measures, duplicate, near, *p)
        columns: dict[str, NDArray[np.floating]] = {
            "probability": probability,
            "probability_p": p[0],
            "perplexity": perplexity,
            "perplexity_p": p[1],
            "distance": distance,
            "distance_p": p[2],
            "likeness": cosines,
        }
        self.figures: list[dict[str, Any]] = [
            {name: _plain(column[at]) for name, column in columns.items()} | {"like": like[at]}
            for at in range(len(drafts))
        ]

    def _repeated(
        self, rng: np.random.Generator
    ) -> tuple[
        NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], list[str | None], NDArray[np.float32]
    ]:
        """(like one that measures; the same as another; near another; which example that is; cosine to the likest)."""
        self.held.progress(0, 1, "looking for what synthetic texts repeat")
        material, files = self.material, self.held.context.files
        measuring = material.measuring()
        read = material.read(self.encoder, measuring)
        measured = [filters.part(read.some_texts(np.arange(len(read))), read.base)] if measuring else []
        numbers = [number for number, one in material.encoded.items() if one.kind == "pool"]
        made = [number for number, one in material.encoded.items() if one.kind == "synthetic"]
        others = [self._part(number) for number in [*numbers, *made]]
        whole = material.whole
        inside = np.isin(whole.numbers, numbers)
        index, positions = np.cumsum(inside) - 1, np.flatnonzero(inside)
        leaders = whole.leaders[positions]
        kin = np.where(inside[leaders], index[leaders], np.arange(len(positions)))
        total = sum(len(one) for one in others)
        kin = np.concatenate([kin, np.arange(len(kin), total)])
        sources = [frozenset(index[whole.positions(draft.sources)].tolist()) for draft in self.drafts]
        own = filters.part(self.texts, self.embeddings)
        found = filters.repeats(measured, others, kin, own, sources, rng)
        places = [Place(number, row) for number in made for row in range(material.encoded[number].rows)]
        like: list[str | None] = []
        for place, other in zip(found.measured.tolist(), found.others.tolist(), strict=True):
            if place >= 0:
                like.append(str(measuring[place]))
            elif other < 0 or other >= total:
                like.append(None)
            elif other < len(positions):
                like.append(str(whole.places(positions[[other]])[0]))
            else:
                like.append(str(places[other - len(positions)]))
        with self.held.context.database.reading() as connection:
            there = {
                kind: pool.find(connection, files, self.campaign.id, [], self.texts, kind)[1]
                for kind in KINDS
            }
        keys = text.digests(self.texts)
        first = {key: at for at, key in reversed(list(enumerate(keys)))}
        duplicate = np.array([first[key] < at for at, key in enumerate(keys)], np.bool_)
        duplicate |= [any(one in there[kind] for kind in ("pool", "synthetic")) for one in self.texts]
        measures = found.measured >= 0
        measures |= [one in there["test"] for one in self.texts]
        return measures, duplicate, found.others >= 0, like, found.cosines

    def _part(self, number: int) -> Part:
        """The texts of an encoded shard."""
        files, encoded = self.held.context.files, self.material.encoded[number]
        texts = shards.columns(files, encoded.content, ["text"])["text"]
        return filters.part(texts, np.load(files.path(encoded.path) / encodings.EMBEDDINGS, mmap_mode="r"))

    def _probabilities(self, adapter: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(of each draft's label by the newest adapter; of labels that people gave, by models without them)."""
        campaign, encoder = self.campaign, self.encoder
        self.held.progress(0, 1, "asking the model about labels")
        fitted = self.held.context.fitted(encoder, adapter)
        assert isinstance(fitted, Fitted)  # spans are refused
        said = learner.predict(encoder, fitted, self.tokens, self.embeddings).probabilities
        of_drafts = _classes(campaign, [draft.answer for draft in self.drafts])
        known = _classes(campaign, [row.value for row in self.usable])
        weights = np.array([row.weight for row in self.usable], np.float32)
        count, rows = len(campaign.labels), np.arange(len(self.usable))
        apart = learner.opinions(self.corpus, rows, known, weights, count, campaign.seed, campaign.problem)
        return filters.consistency(said, of_drafts), filters.consistency(apart, known)

    def _perplexities(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(of drafts, of real texts)."""
        self.held.progress(0, 1, "how likely synthetic texts are")
        some = rng.choice(len(self.corpus), min(LIKELIHOOD_TEXTS, len(self.corpus)), replace=False)
        try:
            both = self.texts + self.corpus.some_texts(some)
            found = unlikely.perplexities(self.campaign.model, both)
        except (unlikely.NoHead, OSError, ValueError):
            return filters.bigram_perplexities(
                self.tokens, self.corpus.tokens, len(self.encoder.tokenizer), rng
            )
        return found[: len(self.texts)], found[len(self.texts) :]

    def _distances(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(of drafts, of real texts) to the texts of the pool."""
        base = self.corpus.base
        some = rng.choice(len(base), min(filters.DISTANCE_ROWS, len(base)), replace=False)
        real = filters.distances(base[some], base, some)
        return filters.distances(self.embeddings, base), real


def _classes(campaign: Campaign, values: Sequence[str]) -> NDArray[Any]:
    code = answers.coder(campaign.problem, campaign.labels)
    return classes(campaign.problem, [code(one) for one in values], len(campaign.labels))


def _plain(value: np.floating) -> float | None:
    return None if np.isnan(value) else round(float(value), 5)
