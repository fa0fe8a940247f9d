"""Which examples come into the queue next: random draws at fixed slots, and a strategy's picks among them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from service.files import Files
from service.pool import pool, shards
from service.pool.text import draws
from service.records import Campaign, Place
from service.rounds.decide import COVERAGE_ROWS, Mode
from service.store import labels, rounds, selections
from service.store.selections import Chosen
from strategies import registry
from strategies.base import View
from workers import encodings
from workers.encodings import PROBABILITIES, ROWS

OPENING = "typiclust"
_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Pool:
    """The sealed pool as flat arrays: position p is row `rows[p]` of shard `numbers[p]`."""

    contents: dict[int, str]
    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    role_keys: NDArray[np.int64]

    @classmethod
    def load(cls, connection: Connection, files: Files, campaign: str) -> "Pool":
        sealed = [row for row in pool.all_shards(connection, campaign) if row.state == "sealed"]
        keys = [shards.role_keys(files, row.content) for row in sealed]
        sizes = [len(key) for key in keys]
        return cls(
            {row.number: row.content for row in sealed},
            np.repeat([row.number for row in sealed], sizes).astype(np.int64),
            np.concatenate([_NONE, *(np.arange(size) for size in sizes)]),
            np.concatenate([_NONE, *keys]),
        )

    def positions(self, places: Sequence[Place]) -> NDArray[np.int64]:
        """Where these examples are; those that are not in the pool are left out."""
        starts = {number: int(np.searchsorted(self.numbers, number)) for number in self.contents}
        return np.array(
            [starts[one.shard] + one.row for one in places if one.shard in starts], dtype=np.int64
        )

    def places(self, positions: NDArray[np.int64]) -> list[Place]:
        return [Place(int(self.numbers[at]), int(self.rows[at])) for at in positions]


@dataclass(frozen=True)
class Scores:
    """One adapter's probabilities of pool positions (ascending): (n,) and (n, C)."""

    round: int
    positions: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @classmethod
    def load(cls, files: Files, pool_: Pool, round_: int, rows: Sequence[Row[Any]]) -> "Scores | None":
        at, found = [], []
        for score in rows:
            folder = files.path(score.path)
            start = int(np.searchsorted(pool_.numbers, score.shard))
            at.append(start + np.load(folder / ROWS).astype(np.int64))
            found.append(np.load(folder / PROBABILITIES).astype(np.float32))
        return cls(round_, np.concatenate(at), np.concatenate(found)) if at else None

    def of(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """(known, probabilities) of positions; where nothing is known the probabilities are another example's."""
        at = np.minimum(np.searchsorted(self.positions, positions), len(self.positions) - 1)
        return self.positions[at] == positions, self.probabilities[at]


@dataclass
class Situation:
    """All that a selection looks at, read in one transaction."""

    campaign: Campaign
    files: Files
    pool: Pool
    draws: NDArray[np.float64]
    scores: Scores | None
    encodings: dict[int, Row[Any]]
    labels: dict[Place, str]
    """What trains now, imported labels too."""
    asked: dict[str, int]
    free: NDArray[np.bool_]
    zone: NDArray[np.int8]
    """0 hold-out, 1 control, 2 train: by the draw of the example's text."""
    near: NDArray[np.bool_]
    """Like a text that measures: it must not train."""
    holdout_room: int
    short: bool = field(default=False)


def situation(
    connection: Connection, files: Files, campaign: Campaign, round_: int, released: Sequence[Place] = ()
) -> Situation:
    """Read what there is; `released` are open selections that may be chosen again."""
    whole = Pool.load(connection, files, campaign.id)
    drawn = draws(whole.role_keys, campaign.seed)
    taken = selections.taken(connection, campaign.id)
    known = labels.snapshot(connection, campaign.id, campaign.label_version)
    tests = [row for row in pool.all_shards(connection, campaign.id, "test") if row.state == "sealed"]
    share = campaign.random_share / 2
    holdouts = [row.role_key for row in taken if row.role == "hold-out"]
    measured = [np.array(holdouts, dtype=np.int64), *(shards.role_keys(files, row.content) for row in tests)]
    room = 0 if tests else max(0, campaign.holdout_size - len(holdouts))
    zone = np.where(drawn < share, 0, np.where(drawn < 2 * share, 1, 2)).astype(np.int8)
    if room == 0:
        zone[zone == 0] = 2  # nobody else is drawn to measure: the rest of them may train
    free = np.ones(len(drawn), dtype=np.bool_)
    free[whole.positions([Place(row.shard, row.row) for row in [*taken, *known]])] = False
    free[whole.positions(released)] = True
    asked: dict[str, int] = {}
    for row in taken:
        asked[row.role] = asked.get(row.role, 0) + 1
    return Situation(
        campaign=campaign,
        files=files,
        pool=whole,
        draws=drawn,
        scores=Scores.load(files, whole, round_, rounds.scores(connection, campaign.id, round_))
        if round_
        else None,
        encodings=rounds.encodings(connection, campaign.id, campaign.encoder),
        labels={Place(row.shard, row.row): row.value for row in known if row.role != "hold-out"},
        asked=asked,
        free=free,
        zone=zone,
        near=np.isin(whole.role_keys, np.concatenate(measured)),
        holdout_room=room,
    )


@dataclass(frozen=True)
class Pick:
    position: int
    role: str
    strategy: str
    score: float


def batch(now: Situation, count: int, mode: Mode, rng: np.random.Generator) -> list[Pick]:
    """`count` picks in the queue's order, fewer where the pool holds no more (then `short` is set)."""
    share = now.campaign.random_share / 2
    total = sum(now.asked.values()) + count
    control = _lowest_draws(
        now, now.free & (now.zone == 1) & ~now.near, _owed(now, "control", share, total, count)
    )
    # Both owe a draw at the same moment: where there is place for one alone, the hold-out's comes next time.
    holdout_room = min(now.holdout_room, count - len(control))
    holdout_count = min(_owed(now, "hold-out", share, total, count), holdout_room)
    holdout = _lowest_draws(now, now.free & (now.zone == 0), holdout_count)
    random = [Pick(at, "control", "random", 0.0) for at in control]
    random += [Pick(at, "hold-out", "random", 0.0) for at in holdout]
    chosen = train(now, count - len(random), mode, rng)
    missing = count - len(random) - len(chosen)
    if missing:
        left = now.free & (now.zone == 1) & ~now.near
        left[control] = False
        more = _lowest_draws(now, left, missing)
        random += [Pick(at, "control", "random", 0.0) for at in more]
        if missing > len(more) and now.holdout_room > len(holdout):
            left = now.free & (now.zone == 0)
            left[holdout] = False
            rest = _lowest_draws(now, left, min(missing - len(more), now.holdout_room - len(holdout)))
            random += [Pick(at, "hold-out", "random", 0.0) for at in rest]
    now.short = len(random) + len(chosen) < count
    return _interleave(chosen, [random[at] for at in rng.permutation(len(random))])


def train(now: Situation, count: int, mode: Mode, rng: np.random.Generator) -> list[Pick]:
    """Up to `count` picks that a strategy makes, best first; the rest at random where it can judge too few."""
    free = now.free & (now.zone == 2) & ~now.near
    picks: list[Pick] = []
    if mode != "random" and count > 0:
        name = OPENING if mode == "coverage" else now.campaign.strategy
        strategy = registry.get(name)
        # Where there are scores, a strategy that can use them chooses among what has one.
        wanted = strategy.needs | (strategy.optional if now.scores is not None else frozenset())
        candidates = _candidates(now, free, wanted, mode, rng)
        if len(candidates):
            view = _view(now, candidates, wanted)
            made = strategy.select(view, min(count, len(candidates)), rng)
            picks = [
                Pick(int(candidates[at]), "train", name, float(score))
                for at, score in zip(made.positions, made.scores, strict=True)
            ]
    left = free.copy()
    left[[pick.position for pick in picks]] = False
    rest = np.flatnonzero(left)
    more = rng.choice(rest, size=min(count - len(picks), len(rest)), replace=False) if len(rest) else rest
    return picks + [Pick(int(at), "train", "random", 0.0) for at in more]


def describe(now: Situation, picks: Sequence[Pick], ranks: Sequence[int]) -> list[Chosen]:
    """Picks as they are written down: with text, reason and pre-annotation."""
    positions = np.array([pick.position for pick in picks], dtype=np.int64)
    places = now.pool.places(positions)
    found: dict[int, dict[str, Any]] = {}
    for number, at, rows in encodings.by_shard(places):
        content = shards.examples(now.files, now.pool.contents[number], rows.tolist())
        found.update(zip(at.tolist(), content, strict=True))
    shown = predictions(now, positions)
    return [
        Chosen(
            place=places[at],
            rank=ranks[at],
            role=pick.role,  # type: ignore[arg-type]
            strategy=pick.strategy,
            score=pick.score,
            reason=_reason(now, pick),
            text=found[at]["text"],
            ext_id=found[at]["ext_id"],
            domain=found[at]["domain"],
            role_key=int(now.pool.role_keys[pick.position]),
            prediction=shown[at] if pick.role == "train" else None,
        )
        for at, pick in enumerate(picks)
    ]


def predictions(now: Situation, positions: NDArray[np.int64]) -> list[dict[str, Any] | None]:
    """{round, label, confidence} of each, None where it has no score."""
    if now.scores is None:
        return [None] * len(positions)
    known, probabilities = now.scores.of(positions)
    best = probabilities.argmax(axis=1)
    return [
        {
            "round": now.scores.round,
            "label": now.campaign.labels[best[at]],
            "confidence": round(float(probabilities[at, best[at]]), 3),
        }
        if known[at]
        else None
        for at in range(len(positions))
    ]


def _owed(now: Situation, role: str, share: float, total: int, count: int) -> int:
    """Draws that this batch owes the role so that its share of all that was asked is kept."""
    return min(count, max(0, round(share * total) - now.asked.get(role, 0)))


def _lowest_draws(now: Situation, among: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The `count` lowest draws. Going by the draw, also through texts that came late, the sample stays uniform."""
    at = np.flatnonzero(among)
    return at[np.argsort(now.draws[at], kind="stable")[:count]]


def _candidates(
    now: Situation, free: NDArray[np.bool_], wanted: frozenset[str], mode: Mode, rng: np.random.Generator
) -> NDArray[np.int64]:
    at = np.flatnonzero(free)
    if wanted & {"embeddings", "labeled_embeddings"}:
        at = at[np.isin(now.pool.numbers[at], list(now.encodings))]
    if mode == "strategy" and "probabilities" in wanted:
        at = at[now.scores.of(at)[0]] if now.scores is not None else at[:0]
    if mode == "coverage" and len(at) > COVERAGE_ROWS:
        at = np.sort(rng.choice(at, size=COVERAGE_ROWS, replace=False))
    return at


def _view(now: Situation, at: NDArray[np.int64], wanted: frozenset[str]) -> View:
    """The arrays that a strategy declares, aligned with `at`."""
    arrays: dict[str, Any] = {}
    if "probabilities" in wanted and now.scores is not None:
        arrays["probabilities"] = now.scores.of(at)[1]
    if "embeddings" in wanted:
        places = now.pool.places(at)
        arrays["embeddings"] = encodings.embeddings(now.files, now.encodings, places).astype(np.float32)
    if wanted & {"labeled_embeddings", "labels"}:
        # What is asked for counts as known: the next picks should lie elsewhere.
        known = now.pool.places(np.flatnonzero(~now.free & (now.zone != 0)))
        encoded = [place for place in known if place.shard in now.encodings]
        single = now.campaign.problem == "single_label"
        numbers = {name: number for number, name in enumerate(now.campaign.labels) if single}
        arrays["labels"] = np.array(
            [numbers.get(now.labels.get(place, ""), -1) for place in encoded], dtype=np.int64
        )
    if "labeled_embeddings" in wanted:
        found = encodings.embeddings(now.files, now.encodings, encoded).astype(np.float32)
        arrays["labeled_embeddings"] = (
            found if encoded else np.empty((0, arrays["embeddings"].shape[1]), np.float32)
        )
    return View(len(at), classes=len(now.campaign.labels), problem=now.campaign.problem, **arrays)


def _interleave(chosen: list[Pick], random: list[Pick]) -> list[Pick]:
    """Random draws evenly among the others."""
    total = len(chosen) + len(random)
    slots = {int((at + 0.5) * total / len(random)) for at in range(len(random))}
    picks, draws_ = iter(chosen), iter(random)
    return [next(draws_) if at in slots else next(picks) for at in range(total)]


def _reason(now: Situation, pick: Pick) -> str:
    if pick.strategy == "random":
        return "random draw"
    if pick.strategy == OPENING:
        return "typical of texts that nobody was asked about yet"
    if now.scores is not None:
        known, found = now.scores.of(np.array([pick.position]))
        if known[0]:
            first, second = np.argsort(found[0])[::-1][:2]
            names, shares = now.campaign.labels, found[0]
            return (
                f"{names[first]} {shares[first]:.0%} or {names[second]} {shares[second]:.0%}? "
                f"Chosen by {pick.strategy} after round {now.scores.round}"
            )
    return registry.get(pick.strategy).summary
