"""What is said of trials, by hand."""

import numpy as np
import pytest

from service.measure.intervals import Interval
from workers.experiment.findings import findings, mean, verdict
from workers.experiment.trial import Trial
from workers.experiment.variants import Experiment, Kind


def trial(variant: str, seed: int, score: float, wrong: float = 0.0) -> Trial:
    return Trial(variant, seed, 100, wrong, {"accuracy": score}, 1.0 + seed)


def experiment(kind: Kind = "weights") -> Experiment:
    return Experiment(kind, "a", "b", "model", "single_label", 100, (0.2,), 10, False)


def test_a_gain_is_paired_by_seed_with_students_interval() -> None:
    """Differences .1, .2, .3: mean .2, deviation .1, and Student's 97.5 % point of 2 degrees is 4.3027."""
    trials = [trial("equal", 0, 0.5), trial("equal", 1, 0.5), trial("equal", 2, 0.6)]
    trials += [trial("believed", 2, 0.9), trial("believed", 0, 0.6), trial("believed", 1, 0.7)]
    found = findings(trials, "accuracy")

    gain = found[1].gain
    assert [one.variant for one in found] == ["equal", "believed"]
    assert found[0].gain is None
    assert gain is not None
    assert gain.value == pytest.approx(0.2)
    assert gain.high - gain.value == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)
    assert found[1].seconds == 2.0


def test_one_seed_has_no_interval() -> None:
    trials = [trial("equal", 0, 0.5), trial("believed", 0, 0.6)]
    found = findings(trials, "accuracy")

    assert found[1].gain is None
    assert "One seed says nothing" in verdict(experiment(), found, trials, "accuracy")


def test_the_verdict_names_what_is_better_and_what_is_not_told_apart() -> None:
    trials = [trial("equal", seed, 0.5) for seed in range(3)]
    trials += [trial("believed", seed, 0.6 + 0.01 * seed) for seed in range(3)]
    trials += [trial("dropped", seed, 0.5 + 0.1 * (seed - 1)) for seed in range(3)]

    assert verdict(experiment(), findings(trials, "accuracy"), trials, "accuracy") == (
        "believed is better than equal, accuracy +0.110 [+0.085, +0.135]; "
        "no difference is seen between dropped and equal (+0.000 [-0.248, +0.248]) (3 seeds)."
    )


def test_noise_is_told_by_its_slope() -> None:
    """.1 of accuracy less for .2 more wrong labels in one seed, .14 in the other: ten points cost .06 in the mean."""
    trials = [trial("0% wrong", 0, 0.9, 0.0), trial("0% wrong", 1, 0.9, 0.0)]
    trials += [trial("20% wrong", 0, 0.8, 0.2), trial("20% wrong", 1, 0.76, 0.2)]

    said = verdict(experiment("noise"), findings(trials, "accuracy"), trials, "accuracy")

    assert said.startswith("Ten points more of wrong labels change accuracy by -0.060 [-0.187, +0.067]")
    assert said.endswith("no effect is seen.")


def test_the_mean_of_one_difference_is_none() -> None:
    assert mean(np.array([0.1])) is None
    assert mean(np.array([0.1, 0.1])) == Interval(0.1, 0.1, 0.1)
