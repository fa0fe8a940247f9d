"""What is said of curves, by hand."""

from typing import Any

import numpy as np
import pytest

from workers.simulation import report


def points(
    strategy: str, seed: int, heights: list[float], labels: list[int] | None = None
) -> list[dict[str, Any]]:
    times = {"train_s": 1.0, "score_s": 0.5, "select_s": 0.25}
    at = labels or [25 + 50 * step for step in range(len(heights))]
    return [
        {"strategy": strategy, "seed": seed, "labels": n, "accuracy": height} | times
        for n, height in zip(at, heights, strict=True)
    ]


def test_the_area_is_the_mean_height() -> None:
    """By trapezoids: (.2 + .4) / 2 over 50 labels, (.4 + .5) / 2 over 100."""
    assert report.area(np.array([25, 75, 175]), np.array([[0.2, 0.4, 0.5]])).tolist() == [
        pytest.approx((0.3 * 50 + 0.45 * 100) / 150)
    ]
    assert report.area(np.array([25]), np.array([[0.2]])).tolist() == [0.2]


def test_labels_needed_lie_on_the_line_between_two_points() -> None:
    heights = np.array([0.5, 0.7, 0.6, 0.9])
    labels = [25, 75, 125, 175]
    assert report.needed(labels, heights, 0.6) == 50
    assert report.needed(labels, heights, 0.75) == 150
    assert report.needed(labels, heights, 0.4) == 25
    assert report.needed(labels, heights, 0.95) is None


def test_curves_are_compared_seed_by_seed() -> None:
    made = report.curves(
        [
            *points("random", 0, [0.4, 0.5, 0.6]),
            *points("random", 1, [0.6, 0.7, 0.8]),
            *points("margin", 0, [0.4, 0.7, 0.9]),
            *points("margin", 1, [0.6, 0.9, 0.9]),
            *points("margin", 2, [0.6, 0.9]),  # cut short: no part of it
        ],
        "accuracy",
        [0.5, 0.99],
    )
    random, margin = made
    assert (random.strategy, random.seeds, random.labels) == ("random", 2, [25, 75, 125])
    assert random.mean == [0.5, 0.6, 0.7]
    assert random.deviation == [pytest.approx(0.02**0.5, abs=1e-5)] * 3
    assert random.against_random is None
    assert random.area.value == pytest.approx(0.6)
    assert random.needed == {"0.5": 25.0, "0.99": None}
    assert margin.seeds == 2
    assert margin.against_random is not None
    assert [round(one.value, 6) for one in margin.against_random] == [0.0, 0.2, 0.2]
    # Both seeds gain .2 in the middle: no resample can say anything else. At the end one gains .3, the other .1.
    middle, end = margin.against_random[1:]
    assert (middle.low, middle.high) == (pytest.approx(0.2), pytest.approx(0.2))
    assert (end.low, end.high) == (pytest.approx(0.1), pytest.approx(0.3))
    assert margin.saved is not None
    # Random ends at .7; margin's mean goes from .5 to .8 between 25 and 75.
    assert margin.saved.value == pytest.approx((25 + 50 * 2 / 3) / 125)
    assert margin.saved.low <= margin.saved.value <= margin.saved.high
    assert margin.seconds == pytest.approx(3 * 1.75, abs=0.06)


def test_what_never_reaches_random_says_so() -> None:
    made = report.curves([*points("random", 0, [0.4, 0.9]), *points("margin", 0, [0.4, 0.5])], "accuracy", [])
    assert made[1].saved is None


def test_one_seed_has_no_deviation() -> None:
    (one,) = report.curves(points("margin", 3, [0.4, 0.9]), "accuracy", [])
    assert one.deviation == [0, 0]
    assert (one.area.low, one.area.high) == (one.area.value, one.area.value)
