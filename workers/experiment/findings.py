"""What an experiment found: each variant against the first, paired by seed, and one sentence of it all."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from service.measure.intervals import Interval
from workers.experiment.trial import Trial
from workers.experiment.variants import Experiment

LESS_IS_BETTER = ("log_loss", "ece")


class Finding(msgspec.Struct, frozen=True):
    """One variant over all seeds."""

    variant: str
    labels: int
    wrong: float
    score: float
    gain: Interval | None
    """How much better than the first; None of the first itself, and of a single seed."""
    seconds: float
    noise: list[Interval]
    """By seed, what an audit would say is wrong; none where labels were not weighed."""


def findings(trials: Sequence[Trial], metric: str) -> list[Finding]:
    """By one metric, in the order of the variants; each needs the same seeds."""
    names = list(dict.fromkeys(one.variant for one in trials))
    by = {
        name: sorted((one for one in trials if one.variant == name), key=lambda one: one.seed)
        for name in names
    }
    first = _scores(by[names[0]], metric)
    made, sign = [], -1 if metric in LESS_IS_BETTER else 1
    for name in names:
        mine, scores = by[name], _scores(by[name], metric)
        made.append(
            Finding(
                name,
                mine[0].labels,
                round(float(np.mean([one.wrong for one in mine])), 4),
                round(float(scores.mean()), 5),
                None if name == names[0] else mean(sign * (scores - first)),
                round(float(np.mean([one.seconds for one in mine])), 2),
                [one.noise for one in mine if one.noise is not None],
            )
        )
    return made


def mean(differences: NDArray[np.floating]) -> Interval | None:
    """Of (s,) differences by seed, with Student's interval (1908): how much the draw of texts and errors matters, on
    this test set. None of fewer than 2."""
    n = len(differences)
    if n < 2:
        return None
    value = float(differences.mean())
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5)
    return Interval(value, value - half, value + half)


def verdict(experiment: Experiment, found: Sequence[Finding], trials: Sequence[Trial], metric: str) -> str:
    """One sentence, with its interval."""
    seeds = len({one.seed for one in trials})
    if seeds < 2:
        return "One seed says nothing of chance: give --seeds 3 or more."
    if experiment.kind == "noise":
        cost = mean(10 * _slopes(trials, metric) / 100)
        assert cost is not None  # there are seeds
        words = f"Ten points more of wrong labels change {metric} by {signed(cost)}"
        return f"{words}, over {seeds} seeds" + (": no effect is seen." if _unclear(cost) else ".")
    if experiment.kind == "probes":
        return _ranked(experiment, found, metric, seeds)
    parts = [_told(one.gain, one.variant, found[0].variant, metric) for one in found[1:]]
    return f"{'; '.join(parts)} ({seeds} seeds)."


def signed(value: Interval) -> str:
    return f"{value.value:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"


def _ranked(experiment: Experiment, found: Sequence[Finding], metric: str, seeds: int) -> str:
    """Gains as of a hundred further labels, by the slope that so many had: a straight line, which flattens later on."""
    gains = [(one.variant, one.gain) for one in found if one.gain is not None]
    gains.sort(key=lambda one: -one[1].value)
    times = 100 / experiment.more
    said = [
        f"{name} {signed(Interval(times * gain.value, times * gain.low, times * gain.high))}"
        for name, gain in gains
    ]
    return (
        f"A hundred further labels of each slice are worth, in {metric}: {'; '.join(said)} ({seeds} seeds)."
    )


def _told(gain: Interval | None, name: str, reference: str, metric: str) -> str:
    assert gain is not None  # there are seeds
    if _unclear(gain):
        return f"no difference is seen between {name} and {reference} ({signed(gain)})"
    return f"{name} is {'better' if gain.value > 0 else 'worse'} than {reference}, {metric} {signed(gain)}"


def _unclear(value: Interval) -> bool:
    return value.low <= 0 <= value.high


def _scores(trials: Sequence[Trial], metric: str) -> NDArray[np.float64]:
    return np.array([one.scores[metric] for one in trials])


def _slopes(trials: Sequence[Trial], metric: str) -> NDArray[np.float64]:
    """(s,) score by share of wrong labels, least squares, of each seed."""
    made: list[Any] = []
    for seed in sorted({one.seed for one in trials}):
        mine = [one for one in trials if one.seed == seed]
        made.append(np.polyfit([one.wrong for one in mine], [one.scores[metric] for one in mine], 1)[0])
    return np.array(made, np.float64)
