"""What a round learns from and is measured on, read from the store and its files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from service import answers, synthesis
from service.files import Files
from service.pool import pool, shards
from service.pool.repeats import PROPAGATED, inherited
from service.records import Campaign, Place
from service.store import rounds, selections
from workers import encodings, situation
from workers.coding import classes
from workers.corpus import Corpus, words
from workers.encoder import Encoder
from workers.situation import Pool
from workers.synthesis import filters
from workers.tokens import Tokens, concat
from workers.turn import Labels

UNLABELED_ROWS = 10_000
"""Texts of the pool that the learner looks at without a label, beside the labeled ones."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """What trains out of a snapshot of labels: n examples, first those with a label of their own."""

    places: list[Place]
    rows: list[Row[Any]]
    """(n,) the label of each."""
    given: int
    """How many have one of their own, synthetic texts last among them; the others repeat one of those."""
    synthetic: int
    """How many of the labels given are synthetic: a synthetic text that somebody labeled has a label like any other."""
    near_measured: int
    """Labels that do not train, being like a text that measures."""
    labels: Labels


@dataclass(frozen=True)
class Material:
    """A campaign's encoded pool, and its texts that measure."""

    files: Files
    campaign: Campaign
    whole: Pool
    encoded: dict[int, Row[Any]]
    tests: list[Row[Any]]
    """Encoded shards of the test set."""
    taken: list[Row[Any]]
    contents: dict[int, str]
    last: dict[tuple[Place, ...], Corpus] = field(default_factory=dict)
    metas: dict[int, list[Any]] = field(default_factory=dict)
    """Of the synthetic shards that were looked at."""

    @classmethod
    def load(cls, connection: Connection, files: Files, campaign: Campaign) -> "Material":
        encoded = rounds.encodings(connection, campaign.id, campaign.encoder)
        sealed = [row for row in pool.all_shards(connection, campaign.id, None) if row.number in encoded]
        return cls(
            files,
            campaign,
            Pool.load(connection, files, campaign),
            encoded,
            [row for row in sealed if row.kind == "test"],
            selections.taken(connection, campaign.id),
            {row.number: row.content for row in sealed},
        )

    @property
    def pool_rows(self) -> int:
        """Of the encoded shards."""
        return int(np.isin(self.whole.numbers, list(self.encoded)).sum())

    @cached_property
    def forbidden(self) -> NDArray[np.bool_]:
        """(n,) which texts of the pool are like one that measures."""
        return situation.measured(self.files, self.whole, self.taken, self.tests)

    def measuring(self) -> list[Place]:
        """Every example that measures or may come to: the test set, else the hold-out and who is drawn next for it."""
        return _measuring(self.campaign, self.taken, self.whole, self.encoded, self.tests)

    def train(self, known: Sequence[Row[Any]]) -> tuple[list[Row[Any]], int]:
        """(the pool's labels that may train, in its order, how many others are like a text that measures)."""
        train = [
            row
            for row in known
            if row.role != "hold-out" and row.shard in self.encoded and row.shard in self.whole.contents
        ]
        train.sort(key=lambda row: (row.shard, row.row))
        at = self.whole.positions([Place(row.shard, row.row) for row in train])
        usable = [row for row, bad in zip(train, self.forbidden[at], strict=True) if not bad]
        return usable, len(train) - len(usable)

    def lessons(self, encoder: Encoder, known: Sequence[Row[Any]]) -> Lessons:
        """In the order in which `corpus` has their `places`."""
        usable, near_measured = self.train(known)
        made, synthetic_near = self.synthetic(encoder, known)
        repeats = self.repeats(usable)
        given = usable + [row for row, _ in made]
        rows = given + [row for _, row in repeats]
        places = [Place(row.shard, row.row) for row in given] + [place for place, _ in repeats]
        code = answers.coder(self.campaign.problem, self.campaign.labels)
        shares = np.repeat([1.0, PROPAGATED], [len(given), len(repeats)])
        control = np.array([row.role == "control" and row.source == "annotation" for row in rows], np.bool_)
        control[len(usable) :] = False
        return Lessons(
            places,
            rows,
            len(given),
            sum(row.source == "synthetic" for row in given),
            near_measured + synthetic_near,
            Labels(
                np.arange(len(rows)),
                classes(self.campaign.problem, [code(row.value) for row in rows], len(self.campaign.labels)),
                (shares * [row.weight for row in rows]).astype(np.float32),
                control,
                _groups(places, len(usable), [source for _, source in made]) if made else None,
            ),
        )

    def synthetic(
        self, encoder: Encoder, known: Sequence[Row[Any]]
    ) -> tuple[list[tuple[Row[Any], Place | None]], int]:
        """(labels of synthetic texts that may train, each with the one text that it was made from, where it is one; how
        many others are like a text that measures, which may have come since)."""
        made = [
            row for row in known if row.shard in self.encoded and self.encoded[row.shard].kind == "synthetic"
        ]
        made.sort(key=lambda row: (row.shard, row.row))
        measuring = self.measuring()
        if not made or not measuring:
            return [(row, self._source(row)) for row in made], 0
        parts = []
        for places in (measuring, [Place(row.shard, row.row) for row in made]):
            read = self.read(encoder, places)
            parts.append(filters.part(read.some_texts(np.arange(len(read))), read.base))
        like, _ = filters.likest(parts[:1], parts[1], np.random.default_rng(self.campaign.seed))
        fine = [row for row, other in zip(made, like.tolist(), strict=True) if other >= len(measuring)]
        return [(row, self._source(row)) for row in fine], len(made) - len(fine)

    def _source(self, row: Row[Any]) -> Place | None:
        """What a synthetic text was made from, where that is one text."""
        if row.shard not in self.metas:
            metas = shards.columns(self.files, self.contents[row.shard], ["meta"])["meta"]
            self.metas[row.shard] = [msgspec.json.decode(one) for one in metas]
        sources = self.metas[row.shard][row.row][synthesis.META]["sources"]
        return Place.parse(sources[0]) if len(sources) == 1 else None

    def repeats(self, labeled: list[Row[Any]]) -> list[tuple[Place, Row[Any]]]:
        """Examples without a label that repeat a labeled one, and its label, where the campaign passes them on."""
        if self.campaign.near_duplicates != "propagate":
            return []
        fine = np.isin(self.whole.numbers, list(self.encoded)) & ~self.forbidden
        return _repeats(self.whole, labeled, fine)

    def corpus(self, encoder: Encoder, own: list[Place]) -> Corpus:
        """`own` first, then a sample of the pool without labels; with the labels' names.

        The last one is kept: a round weighs its labels and then learns from them.
        """
        key = tuple(own)
        if key not in self.last:
            known = set(own)
            rest = _unlabeled(
                self.campaign, self.whole, self.encoded, self.forbidden, bool(self.tests), known
            )
            self.last.clear()
            self.last[key] = self.read(encoder, own + rest, self.campaign.labels)
        return self.last[key]

    def read(self, encoder: Encoder, places: list[Place], names: Sequence[str] | None = None) -> Corpus:
        """What the base model made of these examples, in their order, and of the labels' names."""
        read = None
        if names is not None:
            tokens = encoder.tokenize([words(name) for name in names])
            read = Corpus(tokens, encoder.embed(tokens))
        base: NDArray[np.float16] = np.empty((0, encoder.dimension), np.float16)
        if places:
            base = encodings.embeddings(self.files, self.encoded, *encodings.split(places))

        def texts(rows: NDArray[np.integer]) -> list[str]:
            found: dict[int, str] = {}
            for number, at, inside in encodings.by_shard(*encodings.split([places[row] for row in rows])):
                content = shards.examples(self.files, self.contents[number], inside.tolist())
                found.update(zip(at.tolist(), (one["text"] for one in content), strict=True))
            return [found[at] for at in range(len(rows))]

        return Corpus(self._tokens(places), base, read, texts)

    def _tokens(self, places: list[Place]) -> Tokens:
        """Of these examples, in their order."""
        order: list[NDArray[np.int64]] = []
        parts: list[Tokens] = []
        for number, at, rows in encodings.by_shard(*encodings.split(places)):
            parts.append(Tokens.load(self.files.path(self.encoded[number].path)).take(rows))
            order.append(at)
        if not parts:
            some = next(iter(self.encoded.values()))
            return Tokens.load(self.files.path(some.path)).take(np.empty(0, np.int64))
        return concat(parts).take(np.argsort(np.concatenate(order)))


def _measuring(
    campaign: Campaign,
    taken: list[Row[Any]],
    whole: Pool,
    encoded: dict[int, Row[Any]],
    tests: list[Row[Any]],
) -> list[Place]:
    """Every example that measures or may come to: the test set, else the hold-out and who is drawn next for it."""
    if tests:
        return [Place(row.number, at) for row in tests for at in range(row.rows)]
    drawn = [Place(row.shard, row.row) for row in taken if row.role == "hold-out" and row.shard in encoded]
    missing = campaign.holdout_size - len(drawn)
    if missing <= 0:
        return drawn
    drawn_by = whole.draws(campaign.seed, campaign.random_share)
    keys = np.where(np.isin(whole.numbers, list(encoded)), drawn_by, 1.0)
    first = np.argsort(keys, kind="stable")[: campaign.holdout_size + len(drawn)]
    first = first[keys[first] < campaign.random_share / 2]
    have = set(drawn)
    return drawn + [place for place in whole.places(first) if place not in have][:missing]


def _repeats(whole: Pool, labeled: list[Row[Any]], fine: NDArray[np.bool_]) -> list[tuple[Place, Row[Any]]]:
    """The `fine` (n,) examples without a label that repeat a labeled one, and its label: the first of those."""
    at = whole.positions([Place(row.shard, row.row) for row in labeled])
    fine = fine.copy()
    fine[at] = False
    found, which = inherited(whole.leaders[at], whole.leaders, fine)
    return [(place, labeled[label]) for place, label in zip(whole.places(found), which.tolist(), strict=True)]


def _unlabeled(
    campaign: Campaign,
    whole: Pool,
    encoded: dict[int, Row[Any]],
    forbidden: NDArray[np.bool_],
    tested: bool,
    known: set[Place],
) -> list[Place]:
    """A sample of the pool, the same in every round; never of texts that measure or may come to."""
    fine = np.isin(whole.numbers, list(encoded)) & ~forbidden
    if not tested:
        fine &= whole.draws(campaign.seed, campaign.random_share) >= campaign.random_share / 2
    at = np.flatnonzero(fine)
    rng = np.random.default_rng(campaign.seed)
    sample = np.sort(rng.choice(at, min(UNLABELED_ROWS, len(at)), replace=False))
    return [place for place in whole.places(sample) if place not in known]


def _groups(places: Sequence[Place], real: int, sources: Sequence[Place | None]) -> NDArray[np.int64]:
    """(n,) equal for texts that were made of one, and that: those behind the first `real` have a source, or none."""
    at = {place: position for position, place in enumerate(places)}
    groups = np.arange(len(places))
    for position, source in enumerate(sources, real):
        groups[position] = position if source is None else at.get(source, position)
    return groups
