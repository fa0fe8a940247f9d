"""What a selection looks at: the pool as flat arrays, scores, and what was asked for already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from service import answers, curve, groups, people, quotas, teachers
from service.files import Files
from service.pool import pool, repeats, shards
from service.pool.text import draws
from service.predictions import ADAPTER, PROBABILITIES, ROWS, Spans
from service.quotas import Quota
from service.records import Campaign, Place
from service.store import labels, rounds, selections
from service.vocabulary import Columns, Vocabulary
from strategies import weighted
from workers import encodings
from workers.coding import classes
from workers.encodings import COMMITTEE, CONFIDENCE, SPANS, TEACHER, TOKEN_UNCERTAINTY

Positions = NDArray[np.int64]
BEYOND = 1e38
"""No number of the pool that is greater counts as one."""
HOLD_OUT, CONTROL, TRAIN = 0, 1, 2
"""Zones: which role the draw of an example's text allows."""
_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Pool:
    """The sealed pool as flat arrays: position p is row `rows[p]` of shard `numbers[p]`."""

    contents: dict[int, str]
    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    role_keys: NDArray[np.int64]
    leaders: NDArray[np.int64]
    """(n,) the position of the example that each repeats, its own where it repeats none as far as is known."""
    near: Mapping[int, str] = field(default_factory=dict)
    """Of the shards that were compared, the folder with what was found."""

    @classmethod
    def load(cls, connection: Connection, files: Files, campaign: Campaign) -> "Pool":
        sealed = [row for row in pool.all_shards(connection, campaign.id) if row.state == "sealed"]
        keys = [shards.role_keys(files, row.content) for row in sealed]
        sizes = [len(key) for key in keys]
        numbers, starts = [row.number for row in sealed], np.cumsum([0, *sizes])
        leaders = np.arange(starts[-1])
        for row, start, size in zip(sealed, starts, sizes, strict=False):
            if row.near is not None and campaign.near_duplicates != "keep":
                leaders[start : start + size] = repeats.positions(files.path(row.near), numbers, starts)
        return cls(
            {row.number: row.content for row in sealed},
            np.repeat(numbers, sizes).astype(np.int64),
            np.concatenate([_NONE, *(np.arange(size) for size in sizes)]),
            np.concatenate([_NONE, *keys]),
            leaders,
            {row.number: row.near for row in sealed if row.near is not None},
        )

    def draws(self, seed: int, random_share: float) -> NDArray[np.float64]:
        """(n,) a uniform number for each text, that of a near-duplicate within its leader's zone (see `zones`).

        So they share a role, and yet random draws by these numbers are a sample of the pool as it is.
        """
        own, share = draws(self.role_keys, seed), random_share / 2
        zone = _zones(own[self.leaders], random_share)
        low, high = np.array([0, share, 2 * share])[zone], np.array([share, 2 * share, 1])[zone]
        return np.where(self.leading, own, low + own * (high - low))

    @property
    def leading(self) -> NDArray[np.bool_]:
        """(n,) whether each repeats none: of near-duplicates one does."""
        found: NDArray[np.bool_] = self.leaders == np.arange(len(self.leaders))
        return found

    def alike(self, some: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) whether each is among `some` (n,), or repeats what one of them repeats or is."""
        marked = np.zeros(len(some), np.bool_)
        marked[self.leaders[some]] = True
        return marked[self.leaders]

    def positions(self, places: Sequence[Place]) -> NDArray[np.int64]:
        """Where these examples are; those that are not in the pool are left out."""
        starts = {number: int(np.searchsorted(self.numbers, number)) for number in self.contents}
        return np.array(
            [starts[one.shard] + one.row for one in places if one.shard in starts], dtype=np.int64
        )

    def duplication(self, files: Files, positions: Positions) -> NDArray[np.float32]:
        """(m,) how like the likest text before each is, 0 to 1; 0 where nothing was compared."""
        found = np.zeros(len(positions), np.float32)
        for number, at, rows in encodings.by_shard(self.numbers[positions], self.rows[positions]):
            if number in self.near:
                found[at] = np.clip(repeats.likeness(files.path(self.near[number]))[rows], 0, 1)
        return found

    def examples(self, files: Files, positions: Positions) -> list[dict[str, Any]]:
        """As `shards.examples`, in the order asked for."""
        found: dict[int, dict[str, Any]] = {}
        for number, at, rows in encodings.by_shard(self.numbers[positions], self.rows[positions]):
            content = shards.examples(files, self.contents[number], rows.tolist())
            found.update(zip(at.tolist(), content, strict=True))
        return [found[at] for at in range(len(positions))]

    def of_domain(self, files: Files, domain: str | None) -> NDArray[np.bool_]:
        """(n,) which are of the domain; None: which have none."""
        found = np.zeros(len(self.numbers), np.bool_)
        for number, content in self.contents.items():
            start = int(np.searchsorted(self.numbers, number))
            inside = shards.of_domain(files, content, domain)
            found[start : start + len(inside)] = inside
        return found

    def places(self, positions: NDArray[np.int64]) -> list[Place]:
        return [Place(int(self.numbers[at]), int(self.rows[at])) for at in positions]


@dataclass(frozen=True)
class Scores:
    """What one adapter says of n pool positions (ascending)."""

    round: int
    """Whose adapter it is."""
    positions: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None = None
    """(n, C); None for spans."""
    committee: NDArray[np.float16] | None = None
    """(k, n, C), by as many passes with dropout; None where no strategy asked for them."""
    thresholds: tuple[float, ...] | None = None
    """(C,) from which probability on a label is decided, in multi_label."""
    spans: Spans | None = None
    """Whose rows begin with 0..n-1."""
    token_uncertainty: NDArray[np.float32] | None = None
    """(n, 2), for spans."""
    unsure: frozenset[int] = frozenset()
    """Labels that the adapter cannot tell from others, since they were split after its training."""

    @classmethod
    def load(
        cls,
        files: Files,
        pool_: Pool,
        round_: int,
        rows: Sequence[Row[Any]],
        thresholds: tuple[float, ...] | None = None,
    ) -> "Scores | None":
        if not rows:
            return None
        folders = [files.path(score.path) for score in rows]
        starts = [int(np.searchsorted(pool_.numbers, score.shard)) for score in rows]
        inside = [np.load(folder / ROWS).astype(np.int64) for folder in folders]
        at = np.concatenate([start + one for start, one in zip(starts, inside, strict=True)])

        def whole(name: str, axis: int = 0) -> Any:
            """One array of all shards; None where one of them lacks it."""
            if not all((folder / name).exists() for folder in folders):
                return None
            return np.concatenate([np.load(folder / name) for folder in folders], axis=axis)

        probabilities, spans = whole(PROBABILITIES), whole(SPANS)
        if spans is not None:
            before = np.cumsum([0, *(len(one) for one in inside[:-1])])
            spans[:, 0] += np.repeat(before, [len(np.load(folder / SPANS)) for folder in folders])
            spans = Spans(spans, whole(CONFIDENCE))
        return cls(
            round_,
            at,
            None if probabilities is None else probabilities.astype(np.float32),
            whole(COMMITTEE, axis=1),
            thresholds,
            spans,
            whole(TOKEN_UNCERTAINTY),
        )

    def renamed(self, problem: str, columns: Columns) -> "Scores":
        """Of today's labels."""
        p, committee, decided, spans = self.probabilities, self.committee, self.thresholds, self.spans
        return replace(
            self,
            probabilities=None if p is None else columns.shares(problem, p),
            committee=None if committee is None else columns.shares(problem, committee),
            thresholds=None if decided is None else columns.thresholds(decided),
            spans=None if spans is None else spans.renamed(columns),
            unsure=columns.unsure,
        )

    def at(self, positions: Positions) -> tuple[NDArray[np.bool_], Positions]:
        """(known, rows of the arrays) of pool positions; where nothing is known the row is another example's."""
        rows = np.minimum(np.searchsorted(self.positions, positions), len(self.positions) - 1)
        return self.positions[rows] == positions, rows

    def of_class(self, which: int, size: int) -> NDArray[np.bool_]:
        """(size,) which of the pool the adapter takes for this class, or says to have it."""
        found = np.zeros(size, np.bool_)
        if self.spans is not None:
            found[self.positions[np.unique(self.spans.rows[self.spans.rows[:, 3] == which, 0])]] = True
            return found
        assert self.probabilities is not None  # one of the two is there
        p = self.probabilities
        said = p.argmax(axis=1) == which if self.thresholds is None else p[:, which] >= self.thresholds[which]
        found[self.positions[said]] = True
        return found


@dataclass
class Situation:
    """Arrays are aligned with the pool's positions."""

    campaign: Campaign
    pool: Pool
    draws: NDArray[np.float64]
    scores: Scores | None
    encoded: NDArray[np.bool_]
    embeddings: Callable[[Positions], NDArray[np.floating]]
    """(m, d) base embeddings of m encoded positions."""
    prototypes: NDArray[np.float32] | None
    """(C, d) embeddings of the labels' names."""
    labels: NDArray[np.int64]
    """Class of what trains, imported labels too; -1: no label yet, or another problem than single_label."""
    label_sets: NDArray[np.bool_]
    """(a, C) the labels of each text that trains, in multi_label."""
    duplication: Callable[[Positions], NDArray[np.float32]]
    """(m,) how like m positions' likest text before them is, 0 to 1."""
    teacher: Callable[[Positions], NDArray[np.float32]] | None
    """(m,) how sure the campaign's teacher is of m positions; None where it has none."""
    fields: Callable[[Positions], NDArray[np.float32]] | None
    """(m, f) numbers of the pool that the campaign's formula names; None where it names none."""
    asked: dict[str, int]
    known: NDArray[np.bool_]
    """Asked for, or labeled already."""
    free: NDArray[np.bool_]
    """Neither it nor a near-duplicate of it is known."""
    doubt: NDArray[np.float64]
    """How probable it is that its label is wrong, where somebody else may be asked about that; 0 elsewhere."""
    zone: NDArray[np.int8]
    near: NDArray[np.bool_]
    """Like a text that measures: it must not train."""
    holdout_room: int
    behind: bool = False
    """Whether random labels have clearly taught more than the strategy's, in this campaign."""
    quotas: Sequence[Quota] = ()
    short: bool = field(default=False)


def zones(drawn: NDArray[np.float64], random_share: float, holdout_room: int) -> NDArray[np.int8]:
    """HOLD_OUT, CONTROL or TRAIN for each draw; where nobody else is to measure, the rest of those may train."""
    zone = _zones(drawn, random_share)
    if holdout_room == 0:
        zone[zone == HOLD_OUT] = TRAIN
    return zone


def _zones(drawn: NDArray[np.float64], random_share: float) -> NDArray[np.int8]:
    share = random_share / 2
    return np.where(drawn < share, HOLD_OUT, np.where(drawn < 2 * share, CONTROL, TRAIN)).astype(np.int8)


def measured(
    files: Files, whole: Pool, taken: Sequence[Row[Any]], tests: Sequence[Row[Any]]
) -> NDArray[np.bool_]:
    """(n,) which of the pool are like a text of the hold-out, out of what was `taken`, or of `tests`, shards."""
    holdouts = [row.role_key for row in taken if row.role == "hold-out"]
    keys = [np.array(holdouts, dtype=np.int64), *(shards.role_keys(files, row.content) for row in tests)]
    return whole.alike(np.isin(whole.role_keys, np.concatenate(keys)))


def load(
    connection: Connection, files: Files, campaign: Campaign, round_: int, released: Sequence[Place] = ()
) -> Situation:
    """Read what there is; `released` are open selections that may be chosen again."""
    whole = Pool.load(connection, files, campaign)
    drawn = whole.draws(campaign.seed, campaign.random_share)
    taken = selections.taken(connection, campaign.id)
    known = labels.snapshot(connection, campaign.id, campaign.label_version)
    tests = [row for row in pool.all_shards(connection, campaign.id, "test") if row.state == "sealed"]
    encoded = rounds.encodings(connection, campaign.id, campaign.encoder)
    asked_or_known = np.zeros(len(drawn), dtype=np.bool_)
    asked_or_known[whole.positions([Place(row.shard, row.row) for row in [*taken, *known]])] = True
    asked_or_known[whole.positions(released)] = False
    asked: dict[str, int] = {}
    for row in taken:
        if row.strategy != selections.UNASKED:  # random draws are a share of what is asked
            asked[row.role] = asked.get(row.role, 0) + 1
    named = weighted.fields(campaign.formula) if campaign.formula else []
    room = 0 if tests else max(0, campaign.holdout_size - asked.get("hold-out", 0))
    scores = _scores(connection, files, campaign, whole, round_) if round_ else None
    return Situation(
        campaign=campaign,
        pool=whole,
        draws=drawn,
        scores=scores,
        encoded=np.isin(whole.numbers, list(encoded)),
        embeddings=lambda at: encodings.embeddings(files, encoded, whole.numbers[at], whole.rows[at]),
        prototypes=encodings.prototypes(files, campaign),
        labels=_classes(campaign, whole, known),
        label_sets=_label_sets(campaign, known),
        duplication=partial(whole.duplication, files),
        teacher=taught(connection, files, campaign, whole),
        fields=partial(_fields, files, whole, named) if named else None,
        asked=asked,
        known=asked_or_known,
        free=~whole.alike(asked_or_known),
        doubt=_doubt(connection, campaign, whole, known),
        zone=zones(drawn, campaign.random_share, room),
        near=measured(files, whole, taken, tests),
        holdout_room=room,
        behind=bool(round_) and rounds.scorer(connection, campaign.id, round_).metrics.get("behind", False),
        quotas=_quotas(connection, files, campaign, whole, scores, round_),
    )


def _quotas(
    connection: Connection, files: Files, campaign: Campaign, whole: Pool, scores: Scores | None, round_: int
) -> list[Quota]:
    of_domain = partial(whole.of_domain, files)
    found = quotas.named(campaign.quotas, of_domain)
    if campaign.weak_share and round_:
        row, known = rounds.scorer(connection, campaign.id, round_), curve.truth(connection, files, campaign)
        for sat in curve.sittings(files, campaign, [row], known):
            weak = groups.weakest(sat.exam, campaign.labels)
            found += quotas.weakest(campaign.weak_share, weak, of_domain, of_class(campaign, scores, whole))
    return found


def of_class(
    campaign: Campaign, scores: Scores | None, whole: Pool
) -> Callable[[str], NDArray[np.bool_]] | None:
    """Which (n,) of the pool the adapter takes for a class, by its name; None where nothing was scored."""
    if scores is None:
        return None
    return lambda name: scores.of_class(campaign.labels.index(name), len(whole.numbers))


def taught(
    connection: Connection, files: Files, campaign: Campaign, whole: Pool
) -> Callable[[Positions], NDArray[np.float32]] | None:
    """How sure the campaign's teacher is of texts, 0 to 1; None where it has none. A text of which nothing is known has
    the mean of the others, else all one half."""
    name = teachers.field(campaign.teacher)
    if campaign.teacher is None:
        return None
    read = {} if name else rounds.encodings(connection, campaign.id, teachers.key(campaign.teacher))

    def confidence(at: Positions) -> NDArray[np.float32]:
        if name is not None:
            found = np.clip(_numbers(files, whole, [name], at)[:, 0], 0, 1)
        else:
            found = np.full(len(at), np.nan, np.float32)
            for number, where, rows in encodings.by_shard(whole.numbers[at], whole.rows[at]):
                if number in read:
                    found[where] = np.load(files.path(read[number].path) / TEACHER)[rows]
        known = ~np.isnan(found)
        return np.where(known, found, found[known].mean() if known.any() else 0.5).astype(np.float32)

    return confidence


def _fields(files: Files, whole: Pool, names: list[str], at: Positions) -> NDArray[np.float32]:
    """(m, f) of these fields of `meta`; a text without a number there has the others' median, else all zero."""
    found = _numbers(files, whole, names, at)
    for column in found.T:
        known = ~np.isnan(column)
        column[~known] = np.median(column[known]) if known.any() else 0
    return found


def _numbers(files: Files, whole: Pool, names: list[str], at: Positions) -> NDArray[np.float32]:
    """(m, f) numbers in these fields of `meta`, NaN where there is none."""
    found = np.full((len(at), len(names)), np.nan, np.float32)
    for number, where, rows in encodings.by_shard(whole.numbers[at], whole.rows[at]):
        metas = shards.columns(files, whole.contents[number], ["meta"])["meta"]
        for position, row in zip(where.tolist(), rows.tolist(), strict=True):
            meta = {} if metas[row] is None else msgspec.json.decode(metas[row])
            for column, name in enumerate(names):
                value = meta.get(name)
                if isinstance(value, int | float) and abs(value) < BEYOND:
                    found[position, column] = value
    return found


def _doubt(
    connection: Connection, campaign: Campaign, whole: Pool, known: Sequence[Row[Any]]
) -> NDArray[np.float64]:
    """Of labels that train and that somebody is there to be asked about who was not yet."""
    found = np.zeros(len(whole.numbers))
    left = people.askable(connection, campaign) if campaign.second_opinions else set()
    asked = [
        row
        for row in known
        if row.role != "hold-out" and row.probability is not None and Place(row.shard, row.row) in left
        if row.shard in whole.contents
    ]
    at = whole.positions([Place(row.shard, row.row) for row in asked])
    found[at] = [1 - row.probability for row in asked]
    return found


def _scores(
    connection: Connection, files: Files, campaign: Campaign, whole: Pool, round_: int
) -> Scores | None:
    row, thresholds = rounds.scorer(connection, campaign.id, round_), None
    if campaign.problem == "multi_label":
        thresholds = tuple(row.metrics["thresholds"][ADAPTER])
    found = Scores.load(files, whole, row.number, rounds.scores(connection, campaign.id, round_), thresholds)
    columns = Vocabulary.of(campaign).columns(row.label_changes)
    return None if found is None else found.renamed(campaign.problem, columns)


def _classes(campaign: Campaign, whole: Pool, known: Sequence[Row[Any]]) -> NDArray[np.int64]:
    found = np.full(len(whole.numbers), -1, dtype=np.int64)
    if campaign.problem == "single_label":
        code = answers.coder(campaign.problem, campaign.labels)
        train = [row for row in known if row.role != "hold-out" and row.shard in whole.contents]
        at = whole.positions([Place(row.shard, row.row) for row in train])
        found[at] = [code(row.value) for row in train]
    return found


def _label_sets(campaign: Campaign, known: Sequence[Row[Any]]) -> NDArray[np.bool_]:
    found: list[Any] = []
    if campaign.problem == "multi_label":
        code = answers.coder(campaign.problem, campaign.labels)
        found = [code(row.value) for row in known if row.role != "hold-out" and row.source != "synthetic"]
    return classes("multi_label", found, len(campaign.labels))
