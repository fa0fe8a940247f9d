"""How scores vary together."""

import numpy as np
import pytest

from service.measure import intervals, jackknife, single_label, spans


def test_the_covariance_of_shares_is_the_textbooks() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((3, 50)) < 0.7

    values, covariance = jackknife.jointly(map(single_label.parts, right), single_label.score)

    assert values.tolist() == right.mean(axis=1).tolist()
    assert covariance == pytest.approx(np.cov(right.astype(float)) / 50)


def test_the_deviation_of_f1_is_about_the_bootstraps() -> None:
    rng = np.random.default_rng(0)
    counted = rng.binomial(3, [0.5, 0.7, 0.7], (300, 1, 3))
    counted[:, :, 0] = counted.min(axis=2)
    values, covariance = jackknife.jointly([spans.parts(counted)], spans.score)
    drawn = intervals.of_sums(spans.parts(counted), spans.score, rng)[0]
    assert values[0] == drawn.value
    assert 2 * 1.96 * np.sqrt(covariance[0, 0]) == pytest.approx(drawn.high - drawn.low, rel=0.1)


def test_examples_that_a_model_was_not_asked_do_not_count() -> None:
    parts = np.array([[1, 1], [0, 1], [1, 1], [1, 1]])
    asked, other = parts.copy(), parts.copy()
    asked[2:], other[:2] = 0, 0

    values, covariance = jackknife.jointly([asked, other], single_label.score)

    assert values.tolist() == [0.5, 1.0]
    assert covariance[0, 1] == 0.0
    assert covariance[1, 1] == 0.0


def test_what_only_one_example_defines_is_not_moved_by_it() -> None:
    parts = np.array([[1, 2, 1], [0, 0, 0]])
    values, covariance = jackknife.jointly([parts], spans.score)
    assert (values[0], covariance[0, 0]) == (pytest.approx(2 / 3), 0.0)
    nothing, _ = jackknife.jointly([np.zeros((2, 3))], spans.score)
    assert np.isnan(nothing[0])


def test_few_errors_are_known_less_well_than_they_seem() -> None:
    # No error of 20: as a share of 2 in 24 for its variance, never 0. 10 of 20: hardly wider.
    errors = np.array([0.0, 0.5])
    found = jackknife.careful(errors, np.diag([0.0, 0.25 / 20]), 20)
    assert found[0, 0] == pytest.approx(2 / 400)
    assert found[1, 1] == pytest.approx(0.25 / 20 + 2 / 400)
    few = jackknife.careful(np.array([0.05]), np.array([[0.05 * 0.95 / 20]]), 20)
    assert few[0, 0] == pytest.approx((3 / 24) * (21 / 24) / 20 + 2 / 400)
