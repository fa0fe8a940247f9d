"""Signs to stop, on all three problems, and what the curve makes of rounds that are written down."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from service import curve, exam, predictions
from service.curve import Curve
from service.exam import Exam, Sitting, Truth
from service.files import Files
from service.measure.power_law import Law
from service.predictions import ADAPTER, CONTROL, Spans
from service.records import Campaign, Place
from service.stopping import Agreement, a_point, outlook, stopping
from tests.test_curve import campaign, round_

N, ROUNDS = 200, 6


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_what_more_labels_bring_by_hand() -> None:
    one = Law(400.0, *(np.full(3, value) for value in (0.1, 0.2, 0.5, 0.0)))
    found = outlook(one, 1200)  # four times the labels: half as far above the floor
    assert (found.more, found.gain.value, found.score.value) == (
        1200,
        pytest.approx(0.05),
        pytest.approx(0.85),
    )
    needed = a_point(one)  # .01 of .1: n / 400 = (10 / 9)^2
    assert needed.value == round(400 * (100 / 81 - 1))
    flat = Law(400.0, *(np.full(3, value) for value in (0.195, 0.2, 0.5, 0.0)))
    assert a_point(flat).low is None


def test_settled_where_the_last_three_agree(files: Files, connection: Connection) -> None:
    made = campaign(connection, "single_label")
    said = np.eye(2)[np.arange(N) % 2]
    other = said.copy()
    other[:40] = 1 - said[:40]
    rounds = [other, said, said, said, said]
    sat = [sitting(files, made, number, one) for number, one in enumerate(rounds, 1)]

    three, four = stopping(sat[:4], "accuracy"), stopping(sat, "accuracy")

    # 160 of 200 agree, half by chance.
    assert [one.round for one in four.agreements] == [2, 3, 4, 5]
    assert [one.value for one in four.agreements] == pytest.approx([0.6, 1.0, 1.0, 1.0])
    assert (three.settled, four.settled, four.agreement) == (False, True, "kappa")


def sitting(files: Files, made: Campaign, number: int, said: np.ndarray) -> Sitting:
    with files.new(f"predictions/r{number}") as folder:
        predictions.write(folder, [Place(0, row) for row in range(len(said))], {ADAPTER: said})
    folder = files.path(f"predictions/r{number}")
    sat: Exam = exam.exam(made, folder, Truth("hold-out", {}), 0)
    return Sitting(number, 40 * number, 0, sat)


def test_agreement_is_on_what_both_predicted_whether_it_is_known_or_not(
    files: Files, connection: Connection
) -> None:
    made = campaign(connection, "single_label")
    first = sitting(files, made, 1, np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    with files.new("predictions/r2") as folder:
        places = [Place(9, 9), Place(0, 1), Place(0, 0)]
        said = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        predictions.write(folder, places, {ADAPTER: said})
    second = Sitting(2, 80, 0, exam.exam(made, files.path("predictions/r2"), Truth("test", {}), 0))

    found = stopping([first, second], "accuracy")

    assert found.agreements == [Agreement(2, 0.0)]  # one of two; the later says the same of both
    assert (found.outlook, found.a_point) == ([], None)
    assert found.reason == "a curve takes 4 rounds that are measured"


def learned(files: Files, made: Campaign, rounds: list[Any], answers: list[Any]) -> Curve:
    known = Truth("hold-out", {Place(0, row): answer for row, answer in enumerate(answers)})
    return curve.learning(files, made, rounds, known)


def written(files: Files, number: int, models: dict[str, Any]) -> Any:
    with files.new(f"predictions/r{number}") as folder:
        predictions.write(folder, [Place(0, row) for row in range(N)], models)
    made = round_(Files(files.path("elsewhere")), number, {})
    made.predictions = f"predictions/r{number}"
    made.metrics = {
        "trained_on": 45 * number,
        "control_labels": 5 * number,
        "thresholds": {ADAPTER: [0.5, 0.5], CONTROL: [0.5, 0.5]},
    }
    return made


def wrong(number: int, more: int) -> np.ndarray:
    """(N,) a smaller part with every round, and always the first ones."""
    return np.arange(N) < more + round(100 * number**-0.5)


@pytest.mark.parametrize(
    ("problem", "agreement"), [("single_label", "kappa"), ("multi_label", "mean kappa"), ("spans", "f1")]
)
def test_a_curve_says_what_was_saved_and_what_to_expect(
    files: Files, connection: Connection, problem: str, agreement: str
) -> None:
    made = campaign(connection, problem)
    classes = (np.arange(N) * 7 % 13) % 2
    answers: list[Any] = {
        "single_label": classes.tolist(),
        "multi_label": [(one,) for one in classes.tolist()],
        "spans": [((0, 4, one),) for one in classes.tolist()],
    }[problem]

    def said(number: int, more: int) -> Any:
        told = np.where(wrong(number, more), 1 - classes, classes)
        if problem != "spans":
            return np.eye(2, dtype=np.float32)[told]
        rows = np.stack([np.arange(N), np.zeros(N), np.full(N, 4), told], axis=1).astype(np.int32)
        return Spans(rows, np.ones(N, np.float32))

    rounds = [
        written(files, at, {ADAPTER: said(at, 0), CONTROL: said(at, 60)}) for at in range(1, ROUNDS + 1)
    ]

    found = learned(files, made, rounds, answers)

    assert len(found.points) == ROUNDS
    assert found.stopping is not None
    assert (found.stopping.agreement, found.stopping.reason) == (agreement, None)
    values = [one.value for one in found.stopping.agreements]
    assert all(value is not None and 0 < value < 1 for value in values)
    assert [one.more for one in found.stopping.outlook] == [50, 100, 200]
    gains = [one.gain for one in found.stopping.outlook]
    assert 0 < gains[0].value < gains[1].value < gains[2].value
    assert all(0 <= one.low <= one.value <= one.high for one in gains)
    assert found.stopping.a_point is not None
    assert found.gain is not None
    assert (found.gain.labels, found.gain.control_labels, found.gain.reason) == (270, 30, None)
    assert found.gain.saved is not None
    assert found.gain.extrapolated
    assert learned(files, made, rounds, answers) == found
    known = Truth("hold-out", dict(zip([Place(0, row) for row in range(N)], answers, strict=True)))
    some = curve.learning(files, made, rounds, known, frozenset({1, 3, 6}))
    assert some.points == [found.points[at] for at in (0, 2, 5)], (
        "each still compared with the round before it"
    )
    assert some.stopping is not None
    assert some.stopping.agreements == [one for one in found.stopping.agreements if one.round in (3, 6)]


def test_rounds_before_anything_measures(files: Files, connection: Connection) -> None:
    made = campaign(connection, "single_label")
    rounds = [
        written(files, at, {ADAPTER: np.eye(2)[np.arange(N) % 2], CONTROL: np.full((N, 2), 0.5)})
        for at in range(1, ROUNDS + 1)
    ]

    found = learned(files, made, rounds, [])

    assert found.gain is None
    assert found.stopping is not None
    assert (found.stopping.settled, found.stopping.outlook) == (True, [])
    assert curve.learning(files, made, [], Truth("hold-out", {})) == Curve([], None, None, None)
