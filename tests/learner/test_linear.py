"""Names and pseudo-labels: given where they help, and left out where they harm."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from workers import linear
from workers.corpus import Corpus
from workers.linear import Head, Lesson
from workers.objective import OBJECTIVES
from workers.recipe import Recipe
from workers.tokens import pack

RNG = np.random.default_rng(5)
CENTRES = np.linalg.qr(RNG.normal(size=(16, 16)))[0][:4]


def corpus(
    n: int, noise: float, names: NDArray[np.float32] | None = None
) -> tuple[Corpus, NDArray[np.int64]]:
    """n points around four orthogonal centres, and which each belongs to."""
    truth = np.arange(n) % 4
    points = CENTRES[truth] + noise * np.random.default_rng(0).normal(size=(n, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    tokens = pack([[1]] * n, [False] * n, 10)
    read = None if names is None else Corpus(pack([[1]] * 4, [False] * 4, 10), names)
    return Corpus(tokens, points, read), truth


def lesson(whole: Corpus, rows: NDArray[np.int64], labels: NDArray[np.int64], pseudo: int = 2_000) -> Lesson:
    return Lesson(
        OBJECTIVES["single_label"],
        whole,
        rows,
        labels,
        np.ones(len(rows), np.float32),
        4,
        Recipe(pseudo=pseudo),
    )


def accuracy(head: Head, whole: Corpus, truth: NDArray[np.int64]) -> float:
    return float((head.logits(whole.base).argmax(1) == truth).mean())  # type: ignore[arg-type]


def test_names_know_classes_that_nobody_labeled_yet() -> None:
    whole, truth = corpus(400, 0.15, CENTRES.astype(np.float32))
    rows = np.flatnonzero(truth < 2)[:30]
    found = linear.fit(lesson(whole, rows, truth[rows]), np.random.default_rng(0))
    assert found.names
    assert accuracy(found.head, whole, truth) > 0.9


def test_names_that_mislead_are_left_out() -> None:
    whole, truth = corpus(400, 0.15, CENTRES[[1, 0, 3, 2]].astype(np.float32))
    rows = np.arange(40)
    found = linear.fit(lesson(whole, rows, truth[rows]), np.random.default_rng(0))
    assert not found.names
    assert accuracy(found.head, whole, truth) > 0.9


def test_pseudo_labels_help_where_classes_are_regions() -> None:
    whole, truth = corpus(1_000, 0.3)
    rows = np.arange(24)
    alone = linear.fit(lesson(whole.take(rows), rows, truth[rows]), np.random.default_rng(0))
    found = linear.fit(lesson(whole, rows, truth[rows]), np.random.default_rng(0))
    assert alone.share == 0
    assert found.share > 0
    assert accuracy(found.head, whole, truth) > accuracy(alone.head, whole, truth)


def test_pseudo_labels_are_left_out_where_classes_are_not_regions() -> None:
    """Given classes that are the two sides of one direction, across which neighbours lie, then labels do not spread."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(600, 16)).astype(np.float32)
    truth = (points[:, 0] > 0).astype(np.int64)
    points[:, 0] = np.where(truth, 0.8, -0.8)
    points[:, 1:] = np.repeat(points[:300, 1:], 2, axis=0)  # twins on either side
    truth, points[:, 0] = np.arange(600) % 2, np.where(np.arange(600) % 2, 0.8, -0.8)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    whole = Corpus(pack([[1]] * 600, [False] * 600, 10), points)
    found = linear.fit(lesson(whole, np.arange(60), truth[:60]), np.random.default_rng(0))
    assert found.share < 0.5
    assert accuracy(found.head, whole, truth) > 0.95


def test_pseudo_labels_are_the_surest_half_of_each_class_and_no_more_than_asked_for() -> None:
    whole, truth = corpus(400, 0.15)
    one = lesson(whole, np.arange(8), truth[:8])
    rows, classes = linear.pseudo_labels(one, names=False, rng=np.random.default_rng(0))
    assert len(rows) == 196  # half of the 98 others of each class
    assert not set(rows.tolist()) & set(range(8))
    assert (classes == truth[rows]).mean() > 0.98
    few, _ = linear.pseudo_labels(
        lesson(whole, np.arange(8), truth[:8], pseudo=10), False, np.random.default_rng(0), np.arange(200)
    )
    assert len(few) == 12  # three of each class, so that none has fewer than its share
    assert few.min() >= 200


def test_a_class_without_a_seed_reaches_nobody() -> None:
    whole, truth = corpus(400, 0.15)
    rows = np.flatnonzero(truth != 3)[:30]
    _, classes = linear.pseudo_labels(lesson(whole, rows, truth[rows]), False, np.random.default_rng(0))
    assert set(classes.tolist()) == {0, 1, 2}


def test_heads_are_mixed_by_their_logits() -> None:
    one, two = (Head(np.full((2, 3), v, np.float32), np.full(2, v, np.float32)) for v in (1, 5))
    points = RNG.normal(size=(4, 3)).astype(np.float32)
    mixed = one.mixed(two, 0.25).logits(points)
    assert mixed == pytest.approx(0.75 * one.logits(points) + 0.25 * two.logits(points), abs=1e-5)


def test_texts_that_were_made_of_one_are_held_out_together() -> None:
    """Given 20 texts and 20 copies of them, then no part is learned from that has a copy of what is held out."""
    whole, truth = corpus(40, 0.15)
    rows = np.arange(40)
    groups = rows % 20
    given = replace(lesson(whole, rows, truth[rows]), groups=groups)
    parts = given.splits(5, np.random.default_rng(0))
    assert len(parts) == 5
    for train, test in parts:
        assert not set(groups[train]) & set(groups[test])
    assert sorted(np.concatenate([test for _, test in parts]).tolist()) == rows.tolist()
    part = given.part(np.array([3, 23]))
    assert part.groups is not None
    assert part.groups.tolist() == [3, 3]
