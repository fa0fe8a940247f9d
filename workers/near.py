"""Near-duplicates: which examples say almost what one before them says.

Two looks find candidates. By hash: a text's key is the sum of its words' hashes, so that order does not count, and it
has a further key for each word left out, and each two neighbours, so that texts share one where those were changed,
added or dropped. By embedding: k-means sorts the pool into lists, and a text is compared with its nearest lists.

A near-duplicate points to its leader, which is no near-duplicate itself: nothing is passed on from neighbour to
neighbour. The thresholds come from tests/bench/LOG.md. No SQL, no files: arrays in and out.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.pool.text import words
from strategies.blocks import CELLS, blocks
from strategies.clusters import assigned, k_means

ALIKE = 0.95
"""Cosine of base embeddings from which texts are near-duplicates, where they share SHARED of their words too: what an
encoder cannot read, another script above all, looks the same to it."""
SHARED = 0.25
CHANGED = (((0, -1.0),), ((10, -1.0), (8, 0.7), (6, 0.8), (0, 0.9)), ((13, 0.7), (10, 0.85), (0, 0.9)))
"""(from so many words on, the least cosine) of texts of which no word, one, or two neighbours were changed: in a short
text that may be its point."""
TYPICAL, PAIRS = 0.3, 2_000
"""Median cosine of random texts up to which these hold, and of how many pairs it is taken. To some encoders all texts
are more alike: then what is missing to 1 shrinks in proportion."""
FEWEST, MOST = 4, 64
"""Words of a text that has keys with a word left out. A longer one with a word changed is found by its embedding."""
FIRST = 8
"""So many of the earliest candidates are kept for each text and look."""
LIST_ROWS, LISTS, PROBES = 256, 1_024, 3
_CHARACTER = re.compile("([\u2e80-\u9fff\uf900-\ufaff])")
"""Scripts that put no spaces between words."""

_APOSTROPHES = {ord("'"): None, ord("’"): None}

Ints = NDArray[np.int64]
Cosines = NDArray[np.float32]
Found = tuple[Ints, Ints, Cosines, NDArray[np.bool_]]
"""Rows of the last part, positions before them, cosines, whether the words are the same."""


@dataclass(frozen=True, eq=False)
class Bags:
    """The words of n texts: `hashes` (m,) uint64, text by text from `offsets` (n + 1,)."""

    hashes: NDArray[np.uint64]
    offsets: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Bags":
        known: dict[str, int] = {}
        flat: list[int] = []
        lengths = []
        for one in words([text.translate(_APOSTROPHES) for text in texts]):
            found = one.decode() if one.isascii() else _CHARACTER.sub(r" \1 ", one.decode())
            bag = found.split()
            lengths.append(len(bag))
            for word in bag:
                code = known.get(word)
                if code is None:
                    code = known[word] = int.from_bytes(
                        hashlib.blake2b(word.encode(), digest_size=8).digest()
                    )
                flat.append(code)
        return cls(np.array(flat, np.uint64), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @cached_property
    def sizes(self) -> Ints:
        return np.diff(self.offsets)

    @cached_property
    def totals(self) -> NDArray[np.uint64]:
        """(n,) equal for equal bags of words."""
        sums = self._sums()
        return sums[self.offsets[1:]] - sums[self.offsets[:-1]]

    def _sums(self) -> NDArray[np.uint64]:
        return np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.hashes, dtype=np.uint64)])

    def keys(self) -> tuple[NDArray[np.uint64], Ints, Ints]:
        """(keys, their rows, words left out), ascending; of a row's equal keys the one with the fewest left out."""
        sums = self._sums()
        every = np.arange(len(self.sizes))
        rows, at = np.repeat(every, self.sizes), np.arange(len(self.hashes))
        keys: list[NDArray[np.uint64]] = [self.totals]
        whose: list[Ints] = [every]
        out: list[Ints] = [np.zeros(len(every), np.int64)]
        for run in (1, 2):
            some = (
                (self.sizes[rows] >= FEWEST)
                & (self.sizes[rows] <= MOST)
                & (at + run <= self.offsets[1:][rows])
            )
            keys.append(self.totals[rows[some]] - (sums[at[some] + run] - sums[at[some]]))
            whose.append(rows[some])
            out.append(np.full(some.sum(), run))
        key, row, left = np.concatenate(keys), np.concatenate(whose), np.concatenate(out)
        order = np.lexsort((left, row, key))
        key, row, left = key[order], row[order], left[order]
        new = np.ones(len(key), np.bool_)
        new[1:] = (key[1:] != key[:-1]) | (row[1:] != row[:-1])
        return key[new], row[new], left[new]

    def words(self, row: int) -> frozenset[int]:
        return frozenset(self.hashes[self.offsets[row] : self.offsets[row + 1]].tolist())


@dataclass(frozen=True, eq=False)
class Part:
    """Texts that came together: their words, their base embeddings (n, d) of length 1, and the position of each one's
    leader (n,), where they were compared."""

    bags: Bags
    embeddings: NDArray[np.floating]
    leaders: Ints | None = None

    def __len__(self) -> int:
        return len(self.embeddings)


def leaders(
    parts: Sequence[Part], rng: np.random.Generator, progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[Ints, Cosines]:
    """Of the last part's texts (n,): the position of each one's leader, its own where it is one; its likeness.

    Positions count through all parts; the leaders of the others are known. The likeness is the largest cosine to a text
    before it among those it was compared with, 0 where there is none: how much of it was said already.
    """
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    last, first = parts[-1], int(starts[-2])
    likeness = np.zeros(len(last), np.float32)
    scale = _scale(parts, starts, rng)
    by_hash = _by_hash(parts, starts, scale)
    # Who follows leads nobody: what is there ten thousand times is looked at once.
    known = [part.leaders for part in parts[:-1] if part.leaders is not None]
    every = np.concatenate([*known, first + np.arange(len(last))])
    leading = every == np.arange(starts[-1])
    leading[first + by_hash[0][by_hash[3]]] = False
    looks = (
        by_hash,
        _by_embedding(
            parts, starts, np.split(leading, starts[1:-1]), likeness, 1 - (1 - ALIKE) * scale, rng, progress
        ),
    )
    rows, others, same = (np.concatenate([look[at] for look in looks]) for at in (0, 1, 3))
    cosines = np.concatenate([look[2] for look in looks])
    np.maximum.at(likeness, rows, cosines)
    leader = every.tolist()
    order = np.lexsort((others, -cosines, ~same, rows))
    pairs = zip((first + rows[order]).tolist(), others[order].tolist(), same[order].tolist(), strict=True)
    for row, other, twin in pairs:
        # In the order of the rows, so what comes before is decided. What has the same words is the same text.
        if leader[row] == row and (twin or leader[other] == other):
            leader[row] = leader[other]
    return np.array(leader[first:], np.int64), np.clip(likeness, 0, 1)


def _scale(parts: Sequence[Part], starts: Ints, rng: np.random.Generator) -> float:
    """What cosines' distances to 1 are multiplied with, at most 1."""
    pairs = rng.integers(starts[-1], size=(2, PAIRS))
    points = np.empty((2, PAIRS, parts[-1].embeddings.shape[1]), np.float32)
    for part, start in zip(parts, starts[:-1], strict=True):
        here = (pairs >= start) & (pairs < start + len(part))
        points[here] = part.embeddings[pairs[here] - start]
    cosines = np.einsum("ij,ij->i", *points)[pairs[0] != pairs[1]]
    return float(min(1.0, (1 - np.median(cosines)) / (1 - TYPICAL))) if len(cosines) else 1.0


def _by_hash(parts: Sequence[Part], starts: Ints, scale: float) -> Found:
    """Pairs with the same words, or all but a few."""
    last, first = parts[-1], int(starts[-2])
    keys, rows, left_out = last.bags.keys()
    found: list[Ints] = []
    for part, start in zip(parts, starts[:-1], strict=True):
        known, whose, without = part.bags.keys()
        begin, end = (np.searchsorted(known, keys, side) for side in ("left", "right"))
        for step in range(FIRST):
            at = np.flatnonzero(begin + step < end)
            to = begin[at] + step
            mine, its, out = rows[at], start + whose[to], np.maximum(left_out[at], without[to])
            fine = its < first + mine
            found.append((mine[fine] * starts[-1] + its[fine]) * len(CHANGED) + out[fine])
    pairs, changed = np.divmod(np.unique(np.concatenate(found)), len(CHANGED))
    pairs, at = np.unique(pairs, return_index=True)  # with the fewest changed
    changed = changed[at]
    row, other = np.divmod(pairs, starts[-1])
    cosines = np.empty(len(row), np.float32)
    least = np.empty(len(row), np.float32)
    for part, start in zip(parts, starts[:-1], strict=True):
        at = np.flatnonzero((other >= start) & (other < start + len(part)))
        for some in blocks(len(at), last.embeddings.shape[1]):
            these = at[some]
            mine, its = row[these], other[these] - start
            cosines[these] = np.einsum(
                "ij,ij->i", last.embeddings[mine].astype(np.float32), part.embeddings[its].astype(np.float32)
            )
            size = np.maximum(last.bags.sizes[mine], part.bags.sizes[its])
            for count, table in enumerate(CHANGED):
                where = changed[these] == count
                wanted = np.select(
                    [size[where] >= words for words, _ in table], [cosine for _, cosine in table]
                )
                least[these[where]] = 1 - scale * (1 - wanted)
    same = changed == 0
    fine = same | (cosines >= least)
    return row[fine], other[fine], cosines[fine], same[fine]


def _by_embedding(
    parts: Sequence[Part],
    starts: Ints,
    leading: Sequence[NDArray[np.bool_]],
    likeness: Cosines,
    least: float,
    rng: np.random.Generator,
    progress: Callable[[int, int], None],
) -> Found:
    """Pairs of leading texts with a cosine of `least`; puts the largest cosines into `likeness` (n,)."""
    last, first = parts[-1], int(starts[-2])
    centres = _centres(parts, rng)
    numbers = np.arange(len(centres) + 1)
    orders, bounds = [], []
    for part, leads in zip(parts, leading, strict=True):
        lists = np.where(leads, assigned(part.embeddings, centres), len(centres))
        orders.append(np.argsort(lists, kind="stable"))
        bounds.append(np.searchsorted(lists[orders[-1]], numbers))
    nearest = np.where(leading[-1][:, None], _nearest(last.embeddings, centres), len(centres))
    asking = np.argsort(nearest.ravel(), kind="stable")
    asked = np.searchsorted(nearest.ravel()[asking], numbers)
    found: list[tuple[Ints, Ints, Cosines]] = [
        (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    ]
    for one in range(len(centres)):
        progress(one, len(centres))
        rows = np.sort(asking[asked[one] : asked[one + 1]] // nearest.shape[1])
        inside = [order[bound[one] : bound[one + 1]] for order, bound in zip(orders, bounds, strict=True)]
        before = np.concatenate([start + at for start, at in zip(starts[:-1], inside, strict=True)])
        if not len(rows) or not len(before):
            continue
        members = np.concatenate(
            [part.embeddings[at].astype(np.float32) for part, at in zip(parts, inside, strict=True)]
        ).T
        for some in blocks(len(rows), len(before), 4 * CELLS):
            mine = rows[some]
            low, high = np.searchsorted(before, first + mine[[0, -1]])
            if not high:
                continue
            cosines = last.embeddings[mine].astype(np.float32) @ members[:, :high]  # (b, m)
            cosines[:, low:][before[low:high] >= first + mine[:, None]] = 0
            most = cosines.max(axis=1)
            likeness[mine] = np.maximum(likeness[mine], most)
            which = np.flatnonzero(most >= least)
            alike = cosines[which] >= least
            at, to = np.nonzero(alike & (np.cumsum(alike, axis=1) <= FIRST))
            found.append((mine[which[at]], before[to], cosines[which[at], to]))
    row, other, cosine = (np.concatenate(column) for column in zip(*found, strict=True))
    its = np.searchsorted(starts, other, "right") - 1
    fine = np.array(
        [
            _share(last.bags.words(mine), parts[part].bags.words(at)) >= SHARED
            for mine, part, at in zip(row.tolist(), its.tolist(), (other - starts[its]).tolist(), strict=True)
        ],
        np.bool_,
    )
    return row[fine], other[fine], cosine[fine], np.zeros(fine.sum(), np.bool_)


def _share(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard index."""
    return len(one & other) / max(1, len(one | other))


def _centres(parts: Sequence[Part], rng: np.random.Generator) -> NDArray[np.float32]:
    """(k, d) of length 1, a list for each LIST_ROWS texts, from so many of them that k-means is quick."""
    total = sum(len(part) for part in parts)
    count = int(np.clip(total // LIST_ROWS, 1, LISTS))
    share = min(1.0, 16 * count / total)
    some = [
        part.embeddings[np.sort(rng.choice(len(part), int(np.ceil(share * len(part))), replace=False))]
        for part in parts
    ]
    centres = k_means(np.concatenate(some).astype(np.float32), count, rng)[1]
    # A mean of many that differ is short, and so near to all that belong nowhere: a third of the pool in one list.
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: NDArray[np.float32] = centres / lengths
    return unit


def _nearest(points: NDArray[np.floating], centres: NDArray[np.float32]) -> NDArray[np.int32]:
    """(n, PROBES) the nearest centres of each point."""
    probes = min(PROBES, len(centres))
    found = np.empty((len(points), probes), np.int32)
    half = (centres**2).sum(axis=1) / 2
    for rows in blocks(len(points), points.shape[1] + len(centres), 4 * CELLS):
        far = half - points[rows].astype(np.float32) @ centres.T
        found[rows] = np.argpartition(far, probes - 1, axis=1)[:, :probes]
    return found
