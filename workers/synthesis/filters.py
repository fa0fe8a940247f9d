"""Filters: which synthetic texts may train, each with a figure of its own, so that one can see why not.

A figure is judged against the same figure of real texts, by its p-value: the share of real texts that look at least as
odd (conformal prediction: Vovk, Gammerman, Shafer 2005). So a text as good as the real ones is refused with no greater
probability than the filter's level, whatever the model, the pool and the number of labels; with too few real texts to
tell, nothing is refused. Labels' figures come from cross-fitting: of texts that the model did not learn from.

No SQL, no files: arrays in and out. tests/bench/LOG.md has what planted bad texts are caught.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.synthesis import Verdict
from strategies.blocks import blocks
from workers import near
from workers.near import Bags, Part
from workers.synthesis.bigrams import Bigrams
from workers.tokens import Tokens

INCONSISTENT, UNLIKELY, OUTLIER = 0.1, 0.02, 0.01
"""The p-values up to which a text is refused: its label, its perplexity, its distance."""
NEAREST = 5
"""Texts of the pool that a distance is the mean to."""
DISTANCE_ROWS, LIKELIHOOD_ROWS = 2_000, 2_000
"""Real texts that figures are judged by."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def p_values(figures: NDArray[np.floating], real: NDArray[np.floating]) -> Floats:
    """(n,) (1 + how many of the real ones are at least as high) / (1 + all of them); NaN where there is no figure."""
    known = np.sort(real[~np.isnan(real)])
    above = len(known) - np.searchsorted(known, figures, side="left")
    return np.where(np.isnan(figures), np.nan, (1 + above) / (1 + len(known)))


def consistency(probabilities: NDArray[np.floating], labels: NDArray[np.generic]) -> Floats:
    """(n,) what a model gives each text's own label: (n, C) and (n,) classes; or (n, C) booleans, and then it is the
    least of what it gives what is said of each label, that it holds or does not."""
    p = probabilities.astype(np.float64)
    if labels.ndim == 1:
        own: Floats = p[np.arange(len(p)), labels.astype(np.int64)]
        return own
    least: Floats = np.where(labels, p, 1 - p).min(axis=1, initial=1.0)
    return least


def distances(
    points: NDArray[np.floating], pool: NDArray[np.floating], own: Ints | None = None
) -> NDArray[np.float64]:
    """(n,) 1 - cosine to the NEAREST texts of the pool, in the mean; embeddings (n, d) and (m, d) have length 1.

    `own` (n,): where each text itself stands in the pool, which does not count.
    """
    found = np.full(len(points), np.nan)
    known = pool.astype(np.float32).T
    if known.shape[1] < NEAREST + (own is not None):
        return found
    for some in blocks(len(points), known.shape[1]):
        cosines = points[some].astype(np.float32) @ known
        if own is not None:
            cosines[np.arange(len(cosines)), own[some]] = -np.inf
        found[some] = 1 - np.partition(cosines, -NEAREST, axis=1)[:, -NEAREST:].mean(axis=1)
    return found


def bigram_perplexities(
    tokens: Tokens, pool: Tokens, vocabulary: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """(n,) by a bigram model of the pool, and some of the pool's by one that never saw them."""
    order = rng.permutation(len(pool))
    some = order[: min(LIKELIHOOD_ROWS, len(pool) // 5)]
    without = Bigrams.of(pool.take(np.sort(order[len(some) :])), vocabulary)
    # Both are asked of the same model, or texts would be the likelier the larger theirs is.
    return without.perplexities(tokens), without.perplexities(pool.take(some))


@dataclass(frozen=True, eq=False)
class Repeats:
    """Of n texts."""

    measured: Ints
    """Which text that measures each is like; -1: none."""
    others: Ints
    """Which other text each repeats, those made with it counted behind the others; -1: none."""
    cosines: NDArray[np.float32]
    """To the likest one that it was compared with, 0 where there was none."""


def repeats(
    measuring: Sequence[Part],
    others: Sequence[Part],
    kin: Ints,
    texts: Part,
    sources: Sequence[frozenset[int]],
    rng: np.random.Generator,
) -> Repeats:
    """By words and embeddings, as near-duplicates of a pool are found (workers.near).

    `sources` (n) are positions among the others (m) that each was made from, `kin` (m,) is equal for others that repeat
    each other. What was made of a single text is to be like it: that, its kin, and what else was made of it, do not
    count. Those that measure always do.
    """
    like, found = likest(measuring, texts, rng), likest(others, texts, rng)
    m, measures = len(kin), sum(len(one) for one in measuring)
    where = np.where(found[0] == m + np.arange(len(texts)), -1, found[0])
    for at in np.flatnonzero(where >= 0).tolist():
        own, other = sources[at], int(where[at])
        if len(own) == 1 and (
            sources[other - m] == own if other >= m else kin[other] == kin[next(iter(own))]
        ):
            where[at] = -1
    measured = np.where(like[0] < measures, like[0], -1)
    return Repeats(measured, where, np.maximum(like[1], found[1]))


def likest(others: Sequence[Part], texts: Part, rng: np.random.Generator) -> tuple[Ints, NDArray[np.float32]]:
    """((n,) position of the text that each one repeats, its own behind the others where it repeats none; cosines).

    Others are taken for no near-duplicates of each other.
    """
    starts = np.cumsum([0, *(len(one) for one in others)])
    apart = [
        Part(one.bags, one.embeddings, start + np.arange(len(one)))
        for one, start in zip(others, starts, strict=False)
    ]
    return near.leaders([*apart, texts], rng)


def part(texts: Sequence[str], embeddings: NDArray[np.floating]) -> Part:
    return Part(Bags.of(texts), embeddings)


def verdicts(
    measures: NDArray[np.bool_],
    duplicate: NDArray[np.bool_],
    near_duplicate: NDArray[np.bool_],
    probability_p: Floats,
    perplexity_p: Floats,
    distance_p: Floats,
) -> list[Verdict]:
    """The first that holds of each text (n,); where there is no figure it counts for nothing."""
    found: list[Verdict] = ["kept"] * len(measures)
    for at in range(len(found)):
        if measures[at]:
            found[at] = "measures"
        elif duplicate[at]:
            found[at] = "duplicate"
        elif near_duplicate[at]:
            found[at] = "near-duplicate"
        elif perplexity_p[at] <= UNLIKELY:
            found[at] = "unlikely"
        elif distance_p[at] <= OUTLIER:
            found[at] = "outlier"
        elif probability_p[at] <= INCONSISTENT:
            found[at] = "inconsistent"
    return found
