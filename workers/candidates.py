"""The candidates of a round: which examples its adapter scores, where time does not suffice for the whole pool.

A random part; a part that was scored longest ago, or never, so that nothing stays unseen for long; and the rest by how
unsure of an example the adapter is, as a probe on base embeddings guesses: half of it the unsurest, for strategies that
look at these alone, half drawn with the square of it as weight, for those that ask what an example stands for. What
the probe keeps of the truly unsurest, and other filters, which keep less: tests/bench/LOG.md. A selection goes by the
scores of one round alone, so that only comparable ones are compared; guesses decide no more than what is scored.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies.blocks import rowwise
from strategies.multi_label import mean_uncertainty
from strategies.uncertainty import margin

RANDOM_SHARE, OLDEST_SHARE = 0.1, 0.1
PROBE_ROWS = 1_500
"""What a probe is distilled from; from fewer than LEAST_ROWS none is."""
LEAST_ROWS = 100
PENALTY = 0.3

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Probe:
    """Guesses from base embeddings how unsure an adapter is: ridge regression on its logits; of spans, on the mean
    uncertainty of a text's tokens."""

    problem: str
    weight: Floats
    """(d, k)"""
    bias: Floats
    """(k,)"""

    @classmethod
    def distill(cls, problem: str, base: NDArray[np.floating], said: NDArray[np.floating]) -> "Probe":
        """From base embeddings (m, d) and probabilities (m, C), or in spans token uncertainties (m, 2)."""
        known, p = base.astype(np.float64), np.clip(said.astype(np.float64), 1e-4, 1 - 1e-4)
        match problem:
            case "spans":
                target = said[:, :1].astype(np.float64)
            case "multi_label":
                target = np.log(p / (1 - p))
            case _:
                target = np.log(p)
        centre, mean = known.mean(axis=0), target.mean(axis=0)
        known -= centre
        inner = known.T @ known + PENALTY * np.eye(known.shape[1])
        weight = np.linalg.solve(inner, known.T @ (target - mean))
        return cls(problem, weight.astype(np.float32), (mean - centre @ weight).astype(np.float32))

    def uncertainty(self, base: NDArray[np.floating]) -> Floats:
        """(n, d) -> (n,), the greater the less sure."""
        z = base.astype(np.float32) @ self.weight + self.bias
        match self.problem:
            case "spans":
                return z[:, 0]
            case "multi_label":
                found = rowwise(mean_uncertainty, 1 / (1 + np.exp(-z)))
            case _:
                np.exp(z - z.max(axis=1, keepdims=True), out=z)
                found = rowwise(margin, z / z.sum(axis=1, keepdims=True))
        return found.astype(np.float32)


def choose(
    count: int,
    asked: NDArray[np.int64],
    may: NDArray[np.int64],
    last: NDArray[np.int32],
    guess: Callable[[], Floats | None],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """At most `count` pool positions, ascending: all of `asked`, which stand in the queue, and the best of `may`.

    `may` (m,) has none of `asked`; `last` (n,) is the round that scored a position last, 0 for none. `guess` says how
    unsure the adapter may be of each of `may` (m,), or None, and then chance decides; it is called where not all fit.
    """
    room = count - len(asked)
    if len(may) <= room:
        return np.union1d(asked, may)
    chosen = np.zeros(len(may), np.bool_)

    def take(order: NDArray[np.int64], some: int) -> None:
        chosen[order[~chosen[order]][: max(0, some)]] = True

    shuffled, guessed = rng.permutation(len(may)), guess()
    take(shuffled, round(RANDOM_SHARE * room))
    take(shuffled[np.argsort(last[may[shuffled]], kind="stable")], round(OLDEST_SHARE * room))
    left = room - int(chosen.sum())
    if guessed is None:
        take(shuffled, left)
    else:
        # The least of exponential keys over weights: a sample without replacement (Efraimidis, Spirakis 2006).
        keys = rng.exponential(size=len(may)) / np.clip(guessed, 1e-4, None) ** 2
        take(np.argsort(keys), left // 2)
        take(np.argsort(-guessed, kind="stable"), room - int(chosen.sum()))
    return np.union1d(asked, may[chosen])
