"""The promise of a cut-off: by hand, and kept as often as promised in simulated campaigns."""

import numpy as np
import pytest

from service.errors import Invalid
from service.measure.guarantee import Cutoff, cutoff, fewest, lower


def test_the_fewest_examples_by_hand() -> None:
    """.97^98 is .0505, .97^99 is .0490."""
    assert fewest(0.97, 0.95) == 99
    assert fewest(0.5, 0.75) == 2


def test_the_bound_by_hand() -> None:
    """All of n right: the bound is (1 - level)^(1 / n); of one of one, half with one half."""
    assert lower(10, 10, 0.95) == pytest.approx(0.05**0.1)
    assert lower(1, 1, 0.5) == pytest.approx(0.5)
    assert lower(0, 5, 0.95) == 0
    # 1 - P(X <= 0) = .05 for one right of two: p with 1 - (1 - p)² = .05.
    assert lower(1, 2, 0.95) == pytest.approx(1 - 0.95**0.5)


def test_too_few_examples_and_too_bad_a_model_are_refused_in_words() -> None:
    few = cutoff(np.ones(99), np.ones(99, np.bool_), 0.97, 0.95)
    assert few == (
        "99 examples measure, and 100 are the fewest that can bear out 97% with 95%: give the campaign a larger "
        "hold-out, or ask for less"
    )
    bad = cutoff(np.linspace(1, 0.9, 400), np.arange(400) % 5 > 0, 0.97, 0.95)
    assert isinstance(bad, str)
    assert "are right, which bears out" in bad
    assert "label more, or ask for less" in bad


@pytest.mark.parametrize(("precision", "level"), [(0.4, 0.95), (1.0, 0.95), (0.97, 1.0)])
def test_promises_that_cannot_be_made(precision: float, level: float) -> None:
    with pytest.raises(Invalid):
        cutoff(np.ones(500), np.ones(500, np.bool_), precision, level)


def test_everything_is_promised_of_a_model_that_is_always_right() -> None:
    found = cutoff(np.linspace(1, 0.5, 400), np.ones(400, np.bool_), 0.97, 0.95)
    assert isinstance(found, Cutoff)
    assert found.examples == found.right > 370
    assert found.bound > 0.99


def test_equal_confidences_are_not_told_apart() -> None:
    said = cutoff(np.full(400, 0.9), np.ones(400, np.bool_), 0.97, 0.95)
    assert isinstance(said, str)
    assert said.startswith("of the 0 surest examples")


@pytest.mark.parametrize("sharp", [1.0, 2.0, 3.0])
def test_the_promise_is_kept_and_most_of_what_could_be_promised_is(sharp: float) -> None:
    """Of 200 campaigns with a hold-out of 400 the promise is broken in 16 at most; where the model tells what it knows
    from what it does not, coverage is at least half of what an oracle's cut-off has, else a third."""
    rng = np.random.default_rng(0)
    pool = rng.random(100_000)
    logit = sharp * (np.log(0.02 + pool) - np.log(0.0005 + (1 - pool) ** 3))
    truth = 1 / (1 + np.exp(-logit))
    means = np.cumsum(np.sort(truth)[::-1]) / np.arange(1, len(pool) + 1)
    oracle = np.flatnonzero(means >= 0.97)[-1] / len(pool)
    broken, covered = 0, []
    for _ in range(200):
        draw = rng.integers(len(pool), size=400)
        found = cutoff(truth[draw], rng.random(400) < truth[draw], 0.97, 0.95)
        above = truth > found.confidence if isinstance(found, Cutoff) else np.zeros(len(pool), np.bool_)
        broken += bool(above.any() and truth[above].mean() < 0.97)
        covered.append(above.mean())
    assert broken <= 16
    assert np.mean(covered) >= (1 / 2 if sharp > 1 else 1 / 3) * oracle
