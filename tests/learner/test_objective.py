import numpy as np
import pytest
import torch

from workers import lora, objective
from workers.objective import OBJECTIVES

ONE, SEVERAL = OBJECTIVES["single_label"], OBJECTIVES["multi_label"]


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


def test_cross_entropy_is_weighted_and_smoothed_over_the_classes_that_occur() -> None:
    z = torch.tensor([[0.0, 0.0, -100.0], [0.0, np.log(3.0), -100.0]])
    members = ONE.members(np.array([0, 1]), 3)
    assert members.tolist() == [[True, False, False], [False, True, False]]
    plain = torch.from_numpy(lora.smoothed(members, 0.0))
    found = lora.cross_entropy(z, plain, torch.tensor([1.5, 0.5]))
    assert found.item() == pytest.approx(1.5 * np.log(2) + 0.5 * np.log(4 / 3))
    # Smoothing by s gives each of the two classes that occur s / 2, and nothing to the third.
    smoothed = lora.smoothed(members, 0.2)
    assert smoothed[1].tolist() == pytest.approx([0.1, 0.9, 0.0])
    one = lora.cross_entropy(z[1:], torch.from_numpy(smoothed[1:]), torch.tensor([1.0]))
    assert one.item() == pytest.approx(0.9 * np.log(4 / 3) + 0.1 * np.log(4))


def test_several_labels_have_a_loss_each() -> None:
    p = SEVERAL.probabilities(np.array([[0.0, np.log(3.0)]], np.float32))
    assert p.tolist() == [pytest.approx([0.5, 0.75])]
    assert SEVERAL.losses(p, np.array([[False, True]])).tolist() == [
        pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    ]


def test_log_loss_by_hand() -> None:
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], np.float32)
    found = objective.log_loss(ONE, probabilities, np.array([0, 1, 1]), np.array([1, 2, 1], np.float32))
    assert found == pytest.approx((np.log(2) + 2 * np.log(4) + np.log(1e6)) / 4)


def test_the_temperature_undoes_overconfidence() -> None:
    """Given answers that are right as often as half the logit difference says, then the temperature is about 2 or 3."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (4_000, 1))
    labels = (rng.random(4_000) < 1 / (1 + np.exp(-true[:, 0]))).astype(int)
    z = np.concatenate([np.zeros_like(true), 3 * true], axis=1).astype(np.float32)
    assert objective.temperature(ONE, z, labels, ones(4_000)) == pytest.approx(3, rel=0.1)
    assert objective.temperature(ONE, z[:49], labels[:49], ones(49)) == 1
    several = np.stack([labels, 1 - labels], axis=1).astype(bool)
    both = np.concatenate([2 * true, -2 * true], axis=1).astype(np.float32)
    assert objective.temperature(SEVERAL, both, several, ones(4_000)) == pytest.approx(2, rel=0.1)


def test_thresholds_are_where_the_expected_f1_is_greatest() -> None:
    """p = .9, .6, .2, .1: F1 of the first is 2 · .9 / (1 + 1.8), of two 3 / 3.8, of three 3.4 / 4.8."""
    column = np.array([0.1, 0.9, 0.2, 0.6], np.float32)
    rare = np.array([0.1, 0.0, 0.0, 0.0], np.float32)
    found = objective.thresholds(np.stack([column, rare], axis=1))
    assert found.tolist() == pytest.approx([0.6, 0.1])
    assert objective.thresholds(np.empty((0, 2), np.float32)).tolist() == [0.5, 0.5]


def test_a_regression_for_each_label() -> None:
    points = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float32)
    labels = np.array([[1, 0, 1], [1, 0, 1], [0, 0, 1], [0, 0, 1]], dtype=bool)
    weight, bias = SEVERAL.regression(points, labels, ones(4), 3)
    p = SEVERAL.probabilities(points @ weight.T + bias)
    assert (p[:, 0] > 0.5).tolist() == [True, True, False, False]
    assert p[:, 1].tolist() == [pytest.approx(1 / 10)] * 4  # nobody's: 1 / (2 n + 2)
    assert p[:, 2].tolist() == [pytest.approx(9 / 10)] * 4
