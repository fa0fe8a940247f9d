"""Whether the intervals of `service.gain` and `service.stopping` hold: campaigns whose true curves are known.

    python -m tests.bench.gain [CAMPAIGNS]

Prints for each regime how often the interval of 95 % held the truth, of the labels that random draws would have
needed for the score of the campaign's curve ("curve") and of its newest model ("model"), how often the truth was
above it, how wide it is, and the same for the gain expected of 100 labels more, from the campaign's points alone.
"""

import sys
import time
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.random import Generator

from service import gain, stopping
from service.measure import jackknife, power_law, single_label
from service.measure.intervals import Floats

QUANTILES = np.vectorize(NormalDist().inv_cdf)
ALIKE, FROM_BEFORE = 0.6, 0.8
"""Part of a model's mistakes that is the examples' own, and part of the rest that a series of models keeps."""


@dataclass(frozen=True)
class Regime:
    """Random learning: error `at_50` with 50 labels; n chosen labels are worth `worth` · n random ones.

    `luck` is the deviation among models of other labels, as a share of sqrt(e (1 - e) / n), three fifths of it kept
    from round to round; or, where `flat`, the deviation itself, anew in each round. `tests` examples measure.
    """

    name: str
    floor: float = 0.05
    at_50: float = 0.40
    exponent: float = 0.35
    shift: float = 1.0
    worth: float = 1.6
    luck: float = 0.3
    flat: bool = False
    rounds: int = 10
    tests: int = 400

    def error(self, labels: Floats) -> Floats:
        """Of random labels; never above .95."""
        shrunk = ((labels + self.shift) / (50 + self.shift)) ** -self.exponent
        return np.minimum(self.floor + (self.at_50 - self.floor) * shrunk, 0.95)

    def labels(self, error: float) -> float:
        """Random labels needed."""
        if error <= self.floor:
            return np.inf
        factor = ((self.at_50 - self.floor) / (error - self.floor)) ** (1 / self.exponent)
        return (50 + self.shift) * factor - self.shift


USUAL = Regime("usual")
REGIMES = [
    USUAL,
    replace(USUAL, name="many classes", at_50=0.72, exponent=0.55, shift=30, worth=1.8),
    replace(USUAL, name="slow, no floor", floor=0.0, exponent=0.24, worth=1.5),
    replace(USUAL, name="slower, no floor", floor=0.0, at_50=0.5, exponent=0.15, worth=1.5),
    replace(USUAL, name="fast", floor=0.08, at_50=0.45, exponent=0.8, worth=1.5),
    replace(USUAL, name="high floor", floor=0.10, exponent=0.5, luck=0.4),
    replace(USUAL, name="nearly solved", floor=0.01, at_50=0.12, exponent=0.6, worth=1.5, luck=0.6, rounds=8),
    replace(USUAL, name="nothing gained", worth=1.0),
    replace(USUAL, name="harm", worth=0.6),
    replace(USUAL, name="much gained", worth=3.0),
    replace(USUAL, name="100 tests", tests=100),
    replace(USUAL, name="1,500 tests", tests=1500),
    replace(USUAL, name="5 rounds", rounds=5),
    replace(USUAL, name="25 rounds", rounds=25),
    replace(USUAL, name="much luck", luck=0.7),
    replace(USUAL, name="even luck .015", luck=0.015, flat=True),
]


def main(campaigns: int) -> None:
    print("| regime | curve | model | above | needed: true, median, width | open | +100: held | above | ms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for regime in REGIMES:
        found = [_one(regime, seed) for seed in range(campaigns)]
        curve, model, above, true, median, width, open_, expected, over, ms = np.array(found).T
        print(
            f"| {regime.name} | {_share(curve)} | {_share(model)} | {_share(above)} | {true[0]:.0f}, "
            f"{np.nanmedian(median):.0f}, ×{np.nanmedian(width):.0f} | {_share(open_)} | {_share(expected)} | "
            f"{_share(over)} | {np.nanmedian(ms):.0f} |",
            flush=True,
        )


def _one(regime: Regime, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    rounds = np.arange(1, regime.rounds + 1)
    chosen, drawn = 45.0 * rounds, 5.0 * rounds[1:]
    own = _lucky(regime, chosen, regime.error(regime.worth * chosen), rng)
    control = _lucky(regime, drawn, regime.error(drawn), rng)
    right = _answers([own, control], regime.tests, rng)
    sizes, random = np.concatenate([chosen, drawn]), np.arange(len(right)) >= len(chosen)
    started = time.perf_counter()
    scores, covariance = jackknife.jointly(map(single_label.parts, right), single_label.score)
    covariance = jackknife.careful(1 - scores, covariance, regime.tests)
    found = gain.estimate(sizes, random, 1 - scores, covariance)
    needed, labels = found.random, chosen[-1]
    milliseconds = 1000 * (time.perf_counter() - started)
    k = len(chosen)
    laws = power_law.posterior([chosen], [1 - scores[:k]], covariance[:k, :k], np.random.default_rng(0))
    if needed is None or laws is None:
        return [np.nan] * 10
    low, high = needed.low or 0, np.inf if needed.high is None else needed.high
    ahead = regime.error(regime.worth * np.array([labels, labels + 100]))
    true, newest = regime.labels(float(ahead[0])), regime.labels(float(own[-1]))
    expected, more = stopping.outlook(laws[0], 100).gain, float(ahead[0] - ahead[1])
    return [
        low <= true <= high,
        low <= newest <= high,
        true > high,
        true,
        np.nan if needed.value is None else needed.value,
        high / max(low, 1) if needed.high else np.nan,
        needed.high is None,
        expected.low <= more <= expected.high,
        more > expected.high,
        milliseconds,
    ]


def _lucky(regime: Regime, labels: Floats, error: Floats, rng: Generator) -> Floats:
    anew = rng.standard_normal(len(labels))
    if regime.flat:
        return np.clip(error + regime.luck * anew, 0.001, 0.99)
    steps = np.diff(labels, prepend=0)
    kept = np.cumsum(rng.standard_normal(len(labels)) * np.sqrt(steps)) / np.sqrt(labels)
    one = regime.luck * np.sqrt(error * (1 - error) / labels)
    return np.clip(error + one * (np.sqrt(0.6) * kept + np.sqrt(0.4) * anew), 0.001, 0.99)


def _answers(series: list[Floats], tests: int, rng: Generator) -> np.ndarray:
    """(models, tests), right or wrong: models fail on the same examples, those of one series above all."""
    hard = rng.standard_normal(tests)
    found = []
    for errors in series:
        taste = rng.standard_normal(tests)
        for error in errors:
            taste = np.sqrt(FROM_BEFORE) * taste + np.sqrt(1 - FROM_BEFORE) * rng.standard_normal(tests)
            found.append(np.sqrt(ALIKE) * hard + np.sqrt(1 - ALIKE) * taste >= QUANTILES(error))
    return np.array(found)


def _share(hits: np.ndarray) -> str:
    return f"{100 * np.nanmean(hits):.0f}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
