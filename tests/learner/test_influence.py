"""Influence: by hand, and beside heads that were trained without the label."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import spearmanr

from workers import linear
from workers.corpus import Corpus
from workers.influence import FOLDS, effects
from workers.linear import Head, Lesson
from workers.objective import OBJECTIVES
from workers.recipe import Recipe
from workers.tokens import pack


def lesson(points: NDArray[np.floating], labels: NDArray, classes: int, problem: str) -> Lesson:
    n = len(points)
    corpus = Corpus(pack([[1]] * n, [False] * n, 10), points.astype(np.float32))
    weights = np.ones(n, np.float32)
    return Lesson(OBJECTIVES[problem], corpus, np.arange(n), labels, weights, classes, Recipe())


def unknown(one: Lesson) -> NDArray[np.float32]:
    return np.full((len(one.rows), one.classes), np.nan, np.float32)


@pytest.mark.parametrize(("problem", "penalty"), [("single_label", 50.0), ("multi_label", 5.0)])
def test_two_labels_by_hand(problem: str, penalty: float) -> None:
    """x = 1 has the label and x = -1 has not, and x = 1 measures. The slope w solves w = 2 C q with q = 1 / (1 + e^w),
    the bias is 0, H = diag(1 + 2 C p q, 2 C p q), m = -q (1, 1), and the gradients are C q (-1, -1) and C q (-1, 1):
    with m · H^-1 · g, the first helps by C q² (1 / (1 + 2 C p q) + 1 / (2 C p q)) and the second by the difference of
    these two (Koh and Liang, arXiv:1703.04730, equation 2, times n)."""
    w = 0.0
    for _ in range(1000):
        w += 0.01 * (2 * penalty * expit(-w) - w)
    p, q = expit(w), expit(-w)
    bend = 2 * penalty * p * q
    by_hand = penalty * q**2 * np.array([1 / (1 + bend) + 1 / bend, 1 / (1 + bend) - 1 / bend])
    labels = np.array([1, 0]) if problem == "single_label" else np.array([[False, True], [False, False]])
    one = lesson(np.array([[1.0], [-1.0]]), labels, 2, problem)
    slopes = np.array([[q, -q] if problem == "single_label" else [0.0, -q]])
    found = effects(one, False, unknown(one), np.ones((1, 1), np.float32), slopes)
    assert found == pytest.approx(by_hand, rel=1e-2)


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_it_is_what_heads_without_the_label_do(problem: str) -> None:
    """Of 60 labels of which six are wrong, each left out: the changes of the measured loss are in the same order,
    and as great, and the wrong ones are those that hurt. By the head's own predictions, which know the labels by
    heart, the order is as good and the changes are too small."""
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(8, 8)))[0][:3]
    truth = np.arange(360) % 3
    points = centres[truth] + 0.35 * rng.normal(size=(360, 8))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    given = truth[:60].copy()
    given[:6] = (given[:6] + 1) % 3
    several = problem == "multi_label"
    members = np.eye(3, dtype=np.bool_)
    one = lesson(points[:60], members[given] if several else given, 3, problem)
    aim, measured, true = one.objective, points[60:], members[truth[60:]]

    def loss(part: Lesson) -> tuple[float, NDArray[np.float32]]:
        x, labels, weights = linear.examples(part, False)
        said = aim.probabilities(Head(*aim.regression(x, labels, weights, 3)).logits(measured))
        return float(aim.losses(said, true if several else truth[60:]).mean()), said

    before, said = loss(one)
    changes = [loss(one.part(np.delete(np.arange(60), at)))[0] - before for at in range(60)]
    slopes = (said - true).astype(np.float64) / (len(true) * (3 if several else 1))
    away = linear.unseen(one, False, FOLDS, np.random.default_rng(0))
    found = effects(one, False, away, measured, slopes)
    assert spearmanr(found, changes).statistic > 0.9
    assert 0.5 < np.std(found) / np.std(changes) < 2
    assert np.sum(np.argsort(found)[:8] < 6) >= 5
    own = effects(one, False, unknown(one), measured, slopes)
    assert spearmanr(own, changes).statistic > 0.85
    assert np.std(own) < np.std(changes)


def test_labels_that_all_say_the_same_have_none() -> None:
    one = lesson(np.eye(4), np.zeros(4, np.int64), 2, "single_label")
    assert (
        effects(one, False, unknown(one), np.eye(4, dtype=np.float32), np.zeros((4, 2))).tolist() == [0] * 4
    )
