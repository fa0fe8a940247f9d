"""Power laws out of points."""

import numpy as np
import pytest

from service.measure import power_law
from service.measure.power_law import Law

SIZES = np.array([50.0, 100, 200, 400, 800, 1600])


def law(sizes: np.ndarray, floor: float, factor: float, exponent: float) -> np.ndarray:
    found: np.ndarray = floor + factor * sizes**-exponent
    return found


def test_known_parameters_are_found_again() -> None:
    errors = law(SIZES, 0.05, 2.0, 0.5)
    exact = 1e-8 * np.eye(6)

    laws = power_law.posterior([SIZES], [errors], exact, np.random.default_rng(0))

    assert laws is not None
    (found,) = laws
    assert np.median(found.level) == pytest.approx(errors[-1], abs=0.003)
    assert np.median(found.error(3200)) == pytest.approx(
        law(np.array([3200.0]), 0.05, 2.0, 0.5)[0], abs=0.005
    )
    low, high = np.quantile(found.exponent, [0.025, 0.975])
    assert low < 0.5 < high
    low, high = np.quantile(found.floor, [0.025, 0.975])
    assert low < 0.05 < high


def test_a_second_curve_with_many_points_tells_of_the_floor() -> None:
    own, few = law(SIZES, 0.1, 2.0, 0.6), law(SIZES[:4] / 5, 0.1, 2.5, 0.6)
    exact = 1e-5 * np.eye(10)

    alone = power_law.posterior([SIZES[:4] / 5], [few], exact[:4, :4], np.random.default_rng(0))
    both = power_law.posterior([SIZES, SIZES[:4] / 5], [own, few], exact, np.random.default_rng(0))

    assert alone is not None
    assert both is not None
    assert np.array_equal(both[0].floor, both[1].floor)
    width = [np.subtract(*np.quantile(one.floor, [0.975, 0.025])) for one in (alone[0], both[1])]
    assert width[1] < 0.8 * width[0]
    assert np.quantile(both[1].floor, 0.025) < 0.1 < np.quantile(both[1].floor, 0.975)


def test_it_is_the_same_every_time() -> None:
    errors, covariance = law(SIZES, 0.05, 2.0, 0.5), 4e-4 * np.eye(6)
    one, two = (
        power_law.posterior([SIZES], [errors], covariance, np.random.default_rng(3)) for _ in range(2)
    )
    assert one is not None
    assert two is not None
    assert np.array_equal(one[0].level, two[0].level)


def test_points_that_nothing_fits() -> None:
    zigzag = np.array([0.1, 0.9, 0.1, 0.9, 0.1, 0.9])
    assert power_law.posterior([SIZES], [zigzag], 1e-12 * np.eye(6), np.random.default_rng(0)) is None


def test_labels_undo_error() -> None:
    one = Law(400.0, np.array([0.1]), np.array([0.2]), np.array([0.5]), np.array([0.0]))
    assert one.error(1600)[0] == pytest.approx(0.15)  # four times the labels, half as far above the floor
    assert one.labels(np.array([0.15]))[0] == pytest.approx(1600)
    assert one.labels(np.array([0.1]))[0] == np.inf
    assert one.labels(np.array([0.05]))[0] == np.inf
    with_shift = Law(400.0, np.array([0.1]), np.array([0.2]), np.array([0.5]), np.array([100.0]))
    assert with_shift.labels(np.array([0.9]))[0] == 0.0
