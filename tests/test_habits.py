"""How people work, on a real store: the pace by hand, and which suggestions count as changed."""

from typing import Any

import pytest
from sqlalchemy import Connection, update

from service import annotations
from service.annotations import Given
from service.habits import Habits, habits
from service.measure import intervals
from service.measure.intervals import Interval, wilson
from service.records import Place
from service.store import campaigns, selections
from service.store.campaigns import NewCampaign
from service.store.schema import annotation
from service.store.selections import Chosen


def test_the_median_and_its_interval() -> None:
    """Of ten, from the second to the ninth: that nine or all are on one side of it has 2 · (1 + 10) / 1024 = 2.1 %;
    that eight are, too, has 10.9 %."""
    assert intervals.median([10, 1, 9, 2, 8, 3, 7, 4, 6, 5]) == Interval(5.5, 2, 9)
    assert intervals.median([3.0]) == Interval(3, 3, 3)
    assert intervals.median([1.0, 2.0, 9.0]) == Interval(2, 1, 9)
    assert intervals.median([]) is None
    big = intervals.median(list(range(1, 1001)))
    assert big == Interval(500.5, 469, 532)  # 500 - 1.96 · sqrt(1000) / 2 = 469


def asked(
    connection: Connection, campaign: str, shown: list[Any], said: list[dict[int, Any]], wanted: int = 1
) -> None:
    """Rows with these suggestions, and what annotators said of each, in order, in 1, 2, 3 … seconds."""
    new = [
        Chosen(Place(0, row), row, "train", "margin", 0.5, "why", f"text {row}", None, None, row, one)
        for row, one in enumerate(shown)
    ]
    selections.choose(connection, campaign, 1, 0, new, wanted)
    rows = selections.in_states(connection, campaign, ["chosen"])
    selections.opened(connection, {row.id: row.row + 1 for row in rows})
    given = [
        Given(
            100 * row + who,
            row + 1,
            f"0-{row}",
            value,
            False,
            who,
            f"2026-01-01T00:00:{who:02}",
            "1",
            1.0 + row,
        )
        for row, answers in enumerate(said)
        for who, value in answers.items()
    ]
    annotations.take(connection, campaigns.get(connection, campaign), given, lambda result, text: result)


def test_a_suggestion_is_kept_or_changed(connection: Connection) -> None:
    """Given four texts, one without a suggestion, then of three suggestions one was changed. A second opinion has none,
    whatever was shown to the first."""
    id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
    shown = [{"round": 1, "label": one, "confidence": 0.9} for one in "aab"]
    asked(connection, id_, [*shown, None], [{1: "a", 2: "b"}, {1: "b"}, {1: "b"}, {1: "a"}])
    found = habits(connection, campaigns.get(connection, id_))
    assert found[1] == Habits(Interval(2.5, 1, 4), 3, wilson(1, 3))
    assert found[2] == Habits(Interval(1, 1, 1), 0, None)


def test_where_several_are_asked_all_saw_it(connection: Connection) -> None:
    id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none", overlap=2)).id
    asked(connection, id_, [{"round": 1, "label": "a", "confidence": 0.9}], [{1: "a", 2: "b"}], wanted=2)
    found = habits(connection, campaigns.get(connection, id_))
    assert (found[1].changed, found[2].changed) == (wilson(0, 1), wilson(1, 1))


@pytest.mark.parametrize(
    ("problem", "shown", "same", "other"),
    [
        ("multi_label", {"labels": ["a", "b"], "confidences": {"a": 0.9, "b": 0.8}}, ["a", "b"], ["a"]),
        (
            "spans",
            {"spans": [{"start": 0, "end": 2, "label": "a", "confidence": 0.9}]},
            [{"start": 0, "end": 2, "label": "a"}],
            [{"start": 0, "end": 3, "label": "a"}],
        ),
    ],
)
def test_of_several_labels_and_spans_all_must_be_the_same(
    connection: Connection, problem: str, shown: dict[str, Any], same: Any, other: Any
) -> None:
    id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none", problem)).id
    asked(connection, id_, [{"round": 1, **shown}] * 2, [{1: same}, {2: other}])
    found = habits(connection, campaigns.get(connection, id_))
    assert (found[1].changed, found[2].changed) == (wilson(0, 1), wilson(1, 1))


def test_times_that_nobody_measured(connection: Connection) -> None:
    id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
    asked(connection, id_, [None], [{1: "a"}])
    connection.execute(update(annotation).values(lead_time=None))
    assert habits(connection, campaigns.get(connection, id_)) == {1: Habits(None, 0, None)}
