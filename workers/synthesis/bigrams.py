"""A bigram model of tokens: how unlikely a text is among others, where there is no language model to ask.

Interpolated Kneser-Ney (Kneser and Ney 1995, in the form of Chen and Goodman 1999): with c(v w) how often w follows v,
N(· w) how many tokens w follows, N(v ·) how many follow v, and N(··) all different pairs,

    P(w | v) = max(c(v w) - D, 0) / c(v ·) + D · N(v ·) / c(v ·) · P(w)
    P(w) = (max(N(· w) - D, 0) + D · W / V) / N(··)

where W of the vocabulary's V tokens ever follow another; after a v that was never seen it is P(w).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.tokens import Tokens

DISCOUNT = 0.75


@dataclass(frozen=True, eq=False)
class Bigrams:
    vocabulary: int
    pairs: NDArray[np.int64]
    """Ascending, v · vocabulary + w."""
    counts: NDArray[np.int64]
    follows: NDArray[np.int64]
    """(V,) N(· w)"""
    followed: NDArray[np.int64]
    """(V,) N(v ·)"""
    totals: NDArray[np.int64]
    """(V,) c(v ·)"""

    @classmethod
    def of(cls, tokens: Tokens, vocabulary: int) -> "Bigrams":
        """Of the neighbours within each text; ids are below `vocabulary`."""
        first, then, _ = _neighbours(tokens)
        pairs, counts = np.unique(first * vocabulary + then, return_counts=True)
        before, after = np.divmod(pairs, vocabulary)
        totals = np.bincount(before, counts, vocabulary).astype(np.int64)
        return cls(
            vocabulary,
            pairs,
            counts.astype(np.int64),
            np.bincount(after, minlength=vocabulary),
            np.bincount(before, minlength=vocabulary),
            totals,
        )

    def perplexities(self, tokens: Tokens) -> NDArray[np.float64]:
        """(n,) exp of the mean negative log-probability of each text's tokens after the first; NaN where it has one."""
        first, then, rows = _neighbours(tokens)
        sums = np.bincount(rows, -np.log(self.probabilities(first, then)), len(tokens))
        number = np.bincount(rows, minlength=len(tokens))
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray[np.float64] = np.exp(sums / number)
        return found

    def probabilities(self, first: NDArray[np.int64], then: NDArray[np.int64]) -> NDArray[np.float64]:
        """(m,) P(then | first)."""
        if not len(self.pairs):
            return np.full(len(first), 1 / self.vocabulary)
        spread = DISCOUNT * np.count_nonzero(self.follows) / self.vocabulary
        alone = (np.maximum(self.follows[then] - DISCOUNT, 0) + spread) / len(self.pairs)
        pairs = first * self.vocabulary + then
        at = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        counts = np.where(self.pairs[at] == pairs, self.counts[at], 0)
        total = self.totals[first]
        known = np.maximum(total, 1)
        after = (np.maximum(counts - DISCOUNT, 0) + DISCOUNT * self.followed[first] * alone) / known
        return np.where(total > 0, after, alone)


def _neighbours(tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(tokens, the next ones, the rows they are in)."""
    rows = np.repeat(np.arange(len(tokens)), tokens.lengths)
    inside = rows[:-1] == rows[1:]
    ids = tokens.ids.astype(np.int64)
    return ids[:-1][inside], ids[1:][inside], rows[1:][inside]
