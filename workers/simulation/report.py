"""What a simulation found: curves by strategy, labels needed, differences from random, with intervals."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.measure.intervals import Interval

RESAMPLES = 2_000
REFERENCE = "random"


class Curve(msgspec.Struct, frozen=True):
    """One strategy over all seeds."""

    strategy: str
    seeds: int
    labels: list[int]
    mean: list[float]
    deviation: list[float]
    """Between seeds; 0 of a single one."""
    area: Interval
    """Mean height of the curve: its area by trapezoids over its width."""
    needed: dict[str, float | None]
    """Labels at which the mean curve first reaches a height, between points by a straight line; None: it never does."""
    against_random: list[Interval] | None
    """At each number of labels: this minus random, paired by seed."""
    saved: Interval | None
    """Share of the labels needed for the height that random ends at; above 1: it takes more. None: never reached."""
    seconds: float
    """Training, scoring and selecting of a whole curve, mean over seeds."""


def curves(points: Sequence[dict[str, Any]], metric: str, heights: Sequence[float]) -> list[Curve]:
    """A curve per strategy, in the order of appearance; only seeds whose curve is whole, so that pairs are fair.

    Intervals of 95 % by 2,000 bootstrap resamples of the seeds: they say how much the choice of seeds matters on this
    data, not how it would be on another set. Of fewer than 3 seeds they say little.
    """
    table = _table(points, metric)
    reference = table.get(REFERENCE)
    made = []
    for strategy, (labels, seeds, values) in table.items():
        draw = np.random.default_rng(0).integers(len(seeds), size=(RESAMPLES, len(seeds)))
        against, needs = None, None
        if reference is not None and strategy != REFERENCE and reference[0] == labels:
            both = [seed for seed in seeds if seed in reference[1]]
            ours = values[[seeds.index(seed) for seed in both]]
            its = reference[2][[reference[1].index(seed) for seed in both]]
            pairs = np.random.default_rng(0).integers(len(both), size=(RESAMPLES, len(both)))
            against = [_interval(column, pairs) for column in (ours - its).T]
            needs = _share(labels, ours, its, pairs)
        mean = values.mean(axis=0)
        made.append(
            Curve(
                strategy=strategy,
                seeds=len(seeds),
                labels=labels,
                mean=mean.round(5).tolist(),
                deviation=(values.std(axis=0, ddof=1) if len(seeds) > 1 else 0 * mean).round(5).tolist(),
                area=_interval(area(np.array(labels), values), draw),
                needed={f"{height:g}": needed(labels, mean, height) for height in heights},
                against_random=against,
                saved=needs,
                seconds=_seconds(points, strategy, seeds),
            )
        )
    return made


def area(labels: NDArray[np.integer], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(s, p) heights at p numbers of labels -> (s,) mean height, by trapezoids."""
    if len(labels) == 1:
        return values[:, 0].astype(np.float64)
    total: NDArray[np.float64] = np.trapezoid(values, labels, axis=1) / (labels[-1] - labels[0])
    return total


def needed(labels: Sequence[int], heights: NDArray[np.floating], target: float) -> float | None:
    """Labels at which a curve first reaches the target; the first point where it begins above; None: never."""
    above = np.flatnonzero(heights >= target)
    if not len(above):
        return None
    at = int(above[0])
    if at == 0:
        return float(labels[0])
    low, high = float(heights[at - 1]), float(heights[at])
    return float(labels[at - 1] + (target - low) / (high - low) * (labels[at] - labels[at - 1]))


def _share(
    labels: list[int], ours: NDArray[np.float64], its: NDArray[np.float64], pairs: NDArray[np.int64]
) -> Interval | None:
    """Labels needed for random's last height, over random's labels; a resample that never gets there counts as 1."""
    found = needed(labels, ours.mean(axis=0), float(its.mean(axis=0)[-1]))
    if found is None:
        return None
    drawn = [
        needed(labels, ours[rows].mean(axis=0), float(its[rows].mean(axis=0)[-1])) or labels[-1]
        for rows in pairs
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]) / labels[-1]
    value = found / labels[-1]
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _interval(values: NDArray[np.float64], draw: NDArray[np.int64]) -> Interval:
    """Mean of values (s,) with its bootstrap interval by percentiles."""
    low, high = np.quantile(values[draw].mean(axis=1), [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def _table(
    points: Sequence[dict[str, Any]], metric: str
) -> dict[str, tuple[list[int], list[int], NDArray[np.float64]]]:
    """Strategy -> (labels, seeds, heights (seeds, points)) of the longest curves."""
    found: dict[str, dict[int, dict[int, float]]] = {}
    for point in points:
        found.setdefault(point["strategy"], {}).setdefault(point["seed"], {})[point["labels"]] = point[metric]
    table = {}
    for strategy, by_seed in found.items():
        labels = max((list(one) for one in by_seed.values()), key=len)
        whole = {seed: one for seed, one in by_seed.items() if list(one) == labels}
        table[strategy] = (
            labels,
            list(whole),
            np.array([list(one.values()) for one in whole.values()], np.float64),
        )
    return table


def _seconds(points: Sequence[dict[str, Any]], strategy: str, seeds: list[int]) -> float:
    mine = [point for point in points if point["strategy"] == strategy and point["seed"] in seeds]
    total = sum(point["train_s"] + point["score_s"] + point["select_s"] for point in mine)
    return round(float(total) / len(seeds), 1)
