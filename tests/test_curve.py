"""The curve on all three problems: what a round wrote down, against the truth as the store and the files have it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from service import answers, curve, exam, predictions, relabeling
from service.answers import Answer
from service.curve import Point
from service.exam import Truth
from service.files import Files
from service.measure.intervals import Interval
from service.measure.multi_label import MultiLabelMetrics
from service.measure.spans import SpanMetrics
from service.pool import pool, shards
from service.pool.batch import Batch
from service.pool.lines import Line
from service.predictions import ADAPTER, BASELINE, CONTROL, Spans
from service.records import Campaign, Example, Place
from service.store import campaigns, labels
from service.store.campaigns import NewCampaign
from service.vocabulary import Vocabulary

TEXTS = [f"some text about {at}" for at in range(4)]
ANSWERS: dict[str, list[Answer]] = {
    "single_label": ["b", "a", "b", "a"],
    "multi_label": [["a", "b"], [], ["b"], ["a"]],
    "spans": [
        [{"start": 0, "end": 4, "label": "a"}, {"start": 5, "end": 9, "label": "b"}],
        [],
        [{"start": 0, "end": 4, "label": "b"}],
        [{"start": 0, "end": 4, "label": "a"}],
    ],
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def campaign(connection: Connection, problem: str) -> Campaign:
    return campaigns.create(connection, NewCampaign(problem, ["a", "b"], "none", problem))


def with_test_set(connection: Connection, files: Files, made: Campaign) -> None:
    lines = [
        Line(at, Example(text, label=answer), False)
        for at, (text, answer) in enumerate(zip(TEXTS, ANSWERS[made.problem], strict=True))
    ]
    pool.add(connection, files, made, "test", Batch.of(lines), pool.Receipt())
    for number in pool.close_filling(connection, made.id):
        content = shards.seal(files, pool.staged_rows(connection, made.id, number))
        pool.sealed(connection, made.id, number, content)


def hold_out(connection: Connection, made: Campaign, row: int, answer: Answer) -> None:
    stored = answers.store(answer)
    labels.believe(connection, made.id, Place(0, row), stored, "hold-out", row, 1, "one answer")


def round_(files: Files, number: int, models: dict[str, Any], label_changes: int = 0, **metrics: Any) -> Any:
    """A round as its row says; its predictions are of the rows 0 to 3 of shard 0, the last one first."""
    with files.new(f"predictions/r{number}") as folder:
        predictions.write(folder, [Place(0, row) for row in (3, 2, 1, 0)], models)
    return SimpleNamespace(
        number=number,
        labels=10 * number,
        seed=0,
        label_changes=label_changes,
        predictions=f"predictions/r{number}",
        metrics={"trained_on": 8 * number} | metrics,
    )


@pytest.mark.parametrize(
    ("problem", "coded"),
    [
        ("single_label", [1, 0, 1, 0]),
        ("multi_label", [(0, 1), (), (1,), (0,)]),
        ("spans", [((0, 4, 0), (5, 9, 1)), (), ((0, 4, 1),), ((0, 4, 0),)]),
    ],
)
def test_the_truth_is_the_test_set_else_the_hold_out(
    connection: Connection, files: Files, problem: str, coded: list[Any]
) -> None:
    made = campaign(connection, problem)
    hold_out(connection, made, 2, ANSWERS[problem][0])
    assert curve.truth(connection, files, made) == Truth("hold-out", {Place(0, 2): coded[0]})

    with_test_set(connection, files, made)

    found = curve.truth(connection, files, made)
    assert found == Truth("test", {Place(0, row): one for row, one in enumerate(coded)})
    assert hash(found) == hash(curve.truth(connection, files, made))


def points(connection: Connection, files: Files, made: Campaign, rounds: list[Any]) -> list[Point]:
    with_test_set(connection, files, made)
    return curve.points(files, made, rounds, curve.truth(connection, files, made))


def test_a_curve_of_labels(connection: Connection, files: Files) -> None:
    made = campaign(connection, "multi_label")
    # Of the texts 3, 2, 1 and 0. From .5 on, the first round says a, b, b, and a with b; the second says the truth.
    first = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.9]], np.float32)
    truth = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], np.float32)
    halves = {ADAPTER: [0.5, 0.5], BASELINE: [0.5, 0.5], CONTROL: [0.5, 0.65]}
    rounds = [
        round_(files, 1, {ADAPTER: first, BASELINE: truth}, thresholds=halves),
        round_(
            files, 2, {ADAPTER: truth, BASELINE: first, CONTROL: first}, thresholds=halves, control_labels=9
        ),
    ]

    one, two = points(connection, files, made, rounds)

    f1 = (1 + 4 / 5) / 2  # b: two hits, three decided, two true
    assert isinstance(one.metrics, MultiLabelMetrics)
    assert (one.headline, one.measured_on, one.metrics.n) == ("macro_f1", "test", 4)
    assert one.metrics.macro_f1.value == pytest.approx(f1)
    assert (one.baseline, one.control, one.change) == (1.0, None, None)
    assert two.baseline == pytest.approx(f1)
    assert two.change is not None
    assert two.change.value == pytest.approx(1 - f1)
    # With .65 for b the reference makes no mistake; of about as many labels is the first round, with 8.
    assert two.control is not None
    assert two.control.score == Interval(1.0, 1.0, 1.0)
    assert (two.control.own_round, two.control.own_labels) == (1, 8)
    assert two.control.gain is not None
    assert two.control.gain.value == pytest.approx(f1 - 1)


def test_a_curve_of_spans(connection: Connection, files: Files) -> None:
    made = campaign(connection, "spans")
    # Of the texts 3, 2, 1 and 0: right, of the wrong class, made up, one of two right.
    first = Spans(
        np.array([(0, 0, 4, 0), (1, 0, 4, 0), (2, 0, 4, 1), (3, 5, 9, 1)], np.int32),
        np.array([0.9, 0.4, 0.3, 0.8], np.float32),
    )
    truth = Spans(
        np.array([(3, 0, 4, 0), (3, 5, 9, 1), (0, 0, 4, 0), (1, 0, 4, 1)], np.int32), np.ones(4, np.float32)
    )
    rounds = [
        round_(files, 1, {ADAPTER: first}),
        round_(files, 2, {ADAPTER: truth, CONTROL: first}, control_labels=9),
    ]

    one, two = points(connection, files, made, rounds)

    assert isinstance(one.metrics, SpanMetrics)
    assert (one.headline, one.metrics.n, one.metrics.spans) == ("f1", 4, 4)
    assert (one.metrics.precision.value, one.metrics.recall.value, one.metrics.f1.value) == (0.5, 0.5, 0.5)
    assert one.metrics.ece is not None
    assert one.metrics.ece.value == pytest.approx((0.1 + 0.4 + 0.3 + 0.2) / 4)
    assert (one.baseline, one.change) == (None, None)
    assert two.change is not None
    assert two.change.value == 0.5
    assert two.control is not None
    assert two.control.score.value == 0.5
    assert two.control.gain is not None
    assert two.control.gain.value == 0.0


def test_a_curve_of_single_labels(connection: Connection, files: Files) -> None:
    made = campaign(connection, "single_label")
    said = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.1, 0.9]], np.float32)

    (one,) = points(connection, files, made, [round_(files, 1, {ADAPTER: said, BASELINE: said[::-1]})])

    assert (one.headline, one.baseline) == ("accuracy", 1 / 4)
    assert one.metrics is not None
    assert one.metrics.headline == "accuracy"
    assert one.metrics.accuracy.value == 3 / 4  # type: ignore[union-attr]


@pytest.mark.parametrize("problem", ["single_label", "multi_label", "spans"])
def test_a_round_before_anything_measures(connection: Connection, files: Files, problem: str) -> None:
    made = campaign(connection, problem)
    none = Spans(np.empty((0, 4), np.int32), np.empty(0, np.float32))
    half = np.full((4, 2), 0.5, np.float32)
    models = {ADAPTER: none} if problem == "spans" else {ADAPTER: half, BASELINE: half, CONTROL: half}
    thresholds = {model: [0.5, 0.5] for model in models}
    rounds = [round_(files, one, models, thresholds=thresholds, control_labels=9) for one in (1, 2)]

    found = curve.points(files, made, rounds, Truth("hold-out", {Place(7, 7): 0}))

    assert [(one.metrics, one.baseline, one.control, one.change) for one in found] == [(None,) * 4] * 2


def test_only_examples_that_both_rounds_predicted_are_paired(connection: Connection, files: Files) -> None:
    made = campaign(connection, "single_label")
    with files.new("predictions/r9") as folder:
        predictions.write(folder, [Place(0, 0), Place(5, 5)], {ADAPTER: np.array([[1.0, 0.0], [1.0, 0.0]])})
    known = Truth("hold-out", {Place(0, 0): 0, Place(0, 1): 0, Place(5, 5): 0})
    right = round_(files, 1, {ADAPTER: np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])})
    later = SimpleNamespace(
        number=9,
        labels=9,
        seed=0,
        label_changes=0,
        predictions="predictions/r9",
        metrics={"trained_on": 9},
    )

    one, two = curve.points(files, made, [right, later], known)

    assert one.metrics is not None
    assert one.metrics.n == 2
    assert two.change is not None
    assert two.change.value == 1.0  # of the one example that both have


def test_rounds_before_and_after_a_change_of_labels(connection: Connection, files: Files) -> None:
    """Given a test set of b, a, b and a, a round that knows a and b, and b split, then the texts that were b measure no
    more, and of the others what the first round said is what it says of the labels' new names."""
    made = campaign(connection, "single_label")
    with_test_set(connection, files, made)
    # Of the texts 3, 2, 1 and 0, of which 3 and 1 are a: right, right, wrong, right.
    said = np.array([[0.9, 0.1], [0.1, 0.9], [0.3, 0.7], [0.1, 0.9]], np.float32)
    first = round_(files, 1, {ADAPTER: said})
    assert curve.points(files, made, [first], curve.truth(connection, files, made))[0].metrics.n == 4  # type: ignore[union-attr]

    made = relabel(connection, files, made, ["b"], ["c", "b"])
    made = relabel(connection, files, made, ["a"], ["other"])
    assert made.label_changes[0].unmeasured == 2
    told = np.array([[0.6, 0.2, 0.2]] * 4, np.float32)
    both = [first, round_(files, 2, {ADAPTER: told}, label_changes=2)]
    one, two = curve.points(files, made, both, curve.truth(connection, files, made))

    assert (one.metrics.n, one.metrics.accuracy.value) == (2, 0.5)  # type: ignore[union-attr]
    assert (two.metrics.n, two.metrics.accuracy.value) == (2, 1.0)  # type: ignore[union-attr]
    assert two.change is not None
    assert two.change.value == 0.5


def test_labels_merged_were_decided_where_one_of_them_was(connection: Connection, files: Files) -> None:
    """Given labels that do not exclude each other and thresholds of their own, then after a merge an earlier round has
    decided the merged one where it decided either, and never says a label that was added."""
    made = campaign(connection, "multi_label")
    with_test_set(connection, files, made)
    said = np.array([[0.4, 0.1], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1]], np.float32)
    first = round_(files, 1, {ADAPTER: said}, thresholds={ADAPTER: [0.5, 0.7]})

    made = relabel(connection, files, made, ["a", "b"], ["ab"])
    made = relabel(connection, files, made, [], ["new"])

    known = curve.truth(connection, files, made)
    # Of the texts 3, 2, 1 and 0: all but 1 are ab, by .9 of a the first is, by .8 of b the third.
    assert known.answers == {Place(0, 0): (0,), Place(0, 1): (), Place(0, 2): (0,), Place(0, 3): (0,)}
    (one,) = curve.points(files, made, [first], known)
    f1 = 2 * 2 / (2 * 2 + 1)
    assert one.metrics.macro_f1.value == pytest.approx(f1)  # type: ignore[union-attr]


def test_spans_of_merged_labels_are_one(connection: Connection, files: Files) -> None:
    """Given a stretch that a round found twice, as a and as b, then once they are merged it found it once, as sure as
    it was of the surer one."""
    made = campaign(connection, "spans")
    with_test_set(connection, files, made)
    found = Spans(
        np.array([(0, 0, 4, 0), (0, 0, 4, 1), (1, 0, 4, 1)], np.int32), np.array([0.3, 0.6, 0.8], np.float32)
    )
    first = round_(files, 1, {ADAPTER: found})

    made = relabel(connection, files, made, ["a", "b"], ["b"])

    (one,) = curve.points(files, made, [first], curve.truth(connection, files, made))
    assert isinstance(one.metrics, SpanMetrics)
    assert one.metrics.precision.value == 1.0
    assert one.metrics.recall.value == 0.5
    merged = found.renamed(Vocabulary.of(made).columns(0))
    assert (merged.rows[:, 3].tolist(), merged.confidence.tolist()) == ([0, 0], pytest.approx([0.6, 0.8]))


def relabel(connection: Connection, files: Files, made: Campaign, old: list[str], new: list[str]) -> Campaign:
    relabeling.change(connection, files, campaigns.get(connection, made.id), old, new)
    return campaigns.get(connection, made.id)


def test_spans_of_some_positions_are_numbered_anew() -> None:
    found = Spans(np.array([(5, 0, 1, 0), (2, 3, 4, 1), (9, 1, 2, 0)], np.int32), np.array([0.1, 0.2, 0.3]))

    some, none = found.of(np.array([2, 3, 9])), found.of(np.empty(0, np.int64))

    assert some.rows.tolist() == [[0, 3, 4, 1], [2, 1, 2, 0]]
    assert some.confidence.tolist() == [0.2, 0.3]
    assert (none.rows.shape, none.confidence.shape) == ((0, 4), (0,))


def test_the_score_of_a_model_by_itself(connection: Connection, files: Files) -> None:
    """As a training tells of it before its round is written down."""
    made = campaign(connection, "multi_label")
    with_test_set(connection, files, made)
    truth = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], np.float32)
    done = round_(files, 1, {ADAPTER: truth})
    known = curve.truth(connection, files, made)

    sat = exam.exam(made, files.path(done.predictions), known, 0, {ADAPTER: [0.5, 0.5]})

    assert (sat.score(ADAPTER), sat.score(BASELINE)) == (1.0, None)
