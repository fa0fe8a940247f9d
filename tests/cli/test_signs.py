"""Labels saved and signs to stop, in words."""

from typing import Any

import pytest

from service.cli.signs import signs
from service.client.views import Curve, Extent, Group, Weak


def curve(saved: Extent | None = None, extrapolated: bool = False, **stopping: Any) -> Curve:
    return {
        "points": [],
        "gain": {
            "labels": 400,
            "control_labels": 50,
            "saved": saved,
            "extrapolated": extrapolated,
            "reason": None if saved else "too few rounds",
        },
        "stopping": {
            "agreement": "kappa",
            "agreements": [],
            "settled": False,
            "outlook": [],
            "reason": None,
        }
        | stopping,  # type: ignore[typeddict-item]
        "weakest": None,
    }


def test_nothing_where_there_is_nothing_to_say() -> None:
    assert signs(curve()) == []
    assert signs({"points": [], "stopping": None, "gain": None, "weakest": None}) == []
    assert signs(curve({"value": None, "low": None, "high": None})) == []
    assert signs(curve(agreements=[{"round": 2, "value": None}])) == []


def test_an_older_adapter_that_is_active_is_named() -> None:
    points: list[Any] = [{"round": 3}, {"round": 4}]
    said = signs({**curve(), "points": points, "active": 3})
    assert said == ["The adapter of round 3 is active, and newer ones are not."]
    assert signs({**curve(), "points": points, "active": 4}) == []


@pytest.mark.parametrize(
    ("saved", "extrapolated", "words"),
    [
        (
            (183, 94, 311),
            True,
            "About 180 labels saved so far [94, 310] against random draws (extrapolated).",
        ),
        (
            (1234, -94, 9876),
            True,
            "Perhaps 1,200 labels saved so far [-94, 9,900] against random draws (extrapolated).",
        ),
        ((-40, -125, -5), False, "About -40 labels saved so far [-130, -5] against random draws."),
        ((20, 0, 31), False, "Perhaps 20 labels saved so far [0, 31] against random draws."),
        (
            (183, 94, None),
            True,
            "About 180 labels saved so far [94 or more] against random draws (extrapolated).",
        ),
        ((None, 94, None), True, "At least 94 labels saved so far against random draws (extrapolated)."),
    ],
)
def test_labels_saved(saved: tuple[int | None, ...], extrapolated: bool, words: str) -> None:
    value, low, high = saved
    assert signs(curve({"value": value, "low": low, "high": high}, extrapolated)) == [words]


def test_predictions_and_what_more_labels_would_bring() -> None:
    agreements = [{"round": at, "value": value} for at, value in enumerate([0.5, 0.991, 0.992, 0.99], 2)]
    gain = {"value": 0.0123, "low": 0.001, "high": 0.031}
    outlook = [{"more": more, "score": gain, "gain": gain} for more in (50, 100)]

    assert signs(curve(agreements=agreements, settled=True)) == [
        "Predictions have settled: kappa 0.99, 0.99, 0.99 from round to round."
    ]
    assert signs(curve(agreements=agreements[:1], agreement="f1", outlook=outlook)) == [
        "Predictions still change: F1 0.50 from round to round. "
        "Expected of 100 labels more: +1.2 points [+0.1, +3.1]."
    ]


def test_the_weakest_is_named_with_what_it_stands_on() -> None:
    score = {"value": 0.5, "low": 0.25, "high": 0.7}
    law: Group = {"name": "law", "n": 1200, "score": score, "share": 0.4, "errors": 0.667}  # type: ignore[typeddict-item]
    rest: Group = law | {"name": None, "errors": None}  # type: ignore[assignment]
    none: Weak = {"group": None, "whole": 0.8, "reason": "nothing measures yet"}

    def said(domain: Weak | None, of_class: Weak) -> list[str]:
        return signs(curve() | {"weakest": {"domain": domain, "class": of_class}})  # type: ignore[arg-type]

    assert said({"group": law, "whole": 0.8, "reason": None}, none) == [
        "Weakest domain: 'law', 0.500 [0.25, 0.70] on 1,200 examples, 0.800 of all; 40% of the examples and 67% of the "
        "errors."
    ]
    assert said(
        {"group": rest, "whole": 0.7, "reason": None}, {"group": law, "whole": 0.6, "reason": None}
    ) == [
        "Perhaps the weakest domain: texts without a domain, 0.500 [0.25, 0.70] on 1,200 examples, 0.700 of all; 40% "
        "of the examples.",
        "Perhaps the weakest class: 'law', F1 0.500 [0.25, 0.70] on 1,200 examples, 0.600 of all; 40% of the examples "
        "and 67% of the errors.",
    ]
    assert said(None, none) == []
