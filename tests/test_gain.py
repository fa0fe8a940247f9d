"""Labels saved, out of points."""

from pathlib import Path

import numpy as np
import pytest

from service import exam, gain, predictions
from service.exam import Sitting, Truth
from service.gain import Gain
from service.measure.extent import Extent, extent
from service.records import Place
from service.vocabulary import Columns

OWN, CONTROL = np.arange(1, 11) * 45.0, np.arange(2, 11) * 5.0


def chance(labels: np.ndarray) -> np.ndarray:
    """Error of random labels."""
    found: np.ndarray = 0.05 + 2.0 * labels**-0.5
    return found


def estimate(worth: float, own: np.ndarray = OWN, control: np.ndarray = CONTROL, sd: float = 0.003) -> Gain:
    """Of a campaign whose labels are each worth so many random ones, measured without an error, but for `sd`."""
    sizes = np.concatenate([own, control])
    random = np.arange(len(sizes)) >= len(own)
    errors = chance(np.where(random, sizes, worth * sizes))
    return gain.estimate(sizes, random, errors, sd**2 * np.eye(len(sizes)))


@pytest.mark.parametrize("worth", [0.7, 1.0, 2.0])
def test_the_truth_is_within(worth: float) -> None:
    found = estimate(worth)

    assert found.reason is None
    assert (found.labels, found.control_labels, found.extrapolated) == (450, 50, True)
    assert found.saved is not None
    assert found.random is not None
    assert found.saved.low is not None
    assert found.random.low is not None
    assert found.saved.low < 450 * (worth - 1)
    assert found.saved.high is None or found.saved.high > 450 * (worth - 1)
    assert found.random.low == pytest.approx(found.saved.low + 450, abs=1)


def test_more_is_saved_where_labels_are_worth_more() -> None:
    values = [found.saved.value for worth in (0.7, 1.5, 3.0) if (found := estimate(worth)).saved]
    assert values == sorted(values)  # type: ignore[type-var]
    assert values[0] is not None
    assert values[0] < 0


def test_within_the_random_labels_nothing_is_extrapolated() -> None:
    # As many random labels as chosen ones, which are worth a third: random came there long ago.
    found = estimate(1 / 3, OWN, OWN)
    assert found.saved is not None
    assert found.saved.high is not None
    assert not found.extrapolated
    assert found.saved.high < 0


def test_the_order_of_points_does_not_matter() -> None:
    sizes = np.concatenate([OWN, CONTROL])
    random = np.arange(len(sizes)) >= len(OWN)
    mixed = np.argsort(sizes, kind="stable")
    errors, covariance = chance(sizes), 1e-4 * np.eye(len(sizes))
    one = gain.estimate(sizes, random, errors, covariance)
    assert gain.estimate(sizes[mixed], random[mixed], errors[mixed], covariance) == one


def test_few_rounds() -> None:
    found = estimate(1.0, control=CONTROL[:3])
    assert (found.saved, found.random, found.extrapolated) == (None, None, False)
    assert found.reason == "a curve of random labels takes 4 rounds with a reference"


def test_nothing_measures() -> None:
    assert gain.gain([]) is None


def test_what_is_too_far_is_not_told() -> None:
    draws = np.array([1.0, 2.0, 3.0, np.inf])
    assert extent(draws, 10) == Extent(2, 1, None)
    assert extent(draws, 1.5) == Extent(None, 1, None)
    assert extent(draws, 10, np.array([1.0, 0.0, 0.0, 0.0])) == Extent(1, 1, 1)


EXAMPLES = [Place(0, row) for row in range(100)]


def sitting(folder: Path, number: int, trained_on: int, control: int, right: dict[str, int]) -> Sitting:
    """Of models that are right on so many of 100 examples, all of class 0."""
    where = folder / str(number)
    where.mkdir()
    said = {name: np.eye(2, dtype=np.float32)[(np.arange(100) >= n).astype(int)] for name, n in right.items()}
    predictions.write(where, EXAMPLES, said)
    taken = exam._KINDS["single_label"](
        where, Truth("test", dict.fromkeys(EXAMPLES, 0)), 2, 0, (), Columns((0, 1), 2, frozenset())
    )
    return Sitting(number, trained_on, control, taken)


@pytest.mark.parametrize(("own", "control", "worse"), [(40, 70, True), (65, 70, False), (80, 50, False)])
def test_behind_only_where_the_interval_excludes_zero(
    tmp_path: Path, own: int, control: int, worse: bool
) -> None:
    early = sitting(tmp_path, 1, 50, 5, {"adapter": own})
    late = sitting(tmp_path, 2, 450, 50, {"adapter": 90, "control": control})
    assert gain.behind([early, late]) is worse


def test_not_behind_where_no_own_round_had_as_many_labels(tmp_path: Path) -> None:
    early = sitting(tmp_path, 1, 30, 5, {"adapter": 0})
    late = sitting(tmp_path, 2, 450, 50, {"adapter": 90, "control": 99})
    assert gain.behind([early, late]) is False
    assert gain.behind([early]) is False
    assert gain.behind([]) is False
