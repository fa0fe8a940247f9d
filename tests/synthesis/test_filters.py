"""Filters: cases by hand."""

import numpy as np
import pytest

from workers.synthesis import filters
from workers.synthesis.filters import consistency, distances, p_values, part, repeats, verdicts


def test_p_values_by_hand() -> None:
    """Of four real figures 1, 2, 2, 5 as high as 2 or higher are three: (1 + 3) / 5; as 6 none: 1 / 5. What is not
    known of a real text does not count, and of a figure that is not known there is nothing to say."""
    found = p_values(np.array([2.0, 6.0, 0.0, np.nan]), np.array([1.0, 2.0, 2.0, 5.0, np.nan]))
    assert found[:3] == pytest.approx([4 / 5, 1 / 5, 1.0])
    assert np.isnan(found[3])
    assert p_values(np.array([9.0]), np.empty(0)).tolist() == [1.0]


def test_as_good_as_real_is_refused_no_more_often_than_the_level() -> None:
    """What conformal prediction promises, over 2,000 draws."""
    rng = np.random.default_rng(0)
    refused = [p_values(rng.normal(size=1), rng.normal(size=50))[0] <= 0.1 for _ in range(2_000)]
    assert np.mean(refused) == pytest.approx(0.1, abs=0.02)


def test_consistency_by_hand() -> None:
    """One label: what is given to it. Several: the least of p where a label holds, 1 - p where it does not."""
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    assert consistency(p, np.array([0, 1])) == pytest.approx([0.7, 0.3])
    several = np.array([[True, False, False], [False, True, True]])
    assert consistency(p, several) == pytest.approx([0.7, 0.3])
    assert consistency(p, np.array([[True, True, False]] * 2)) == pytest.approx([0.2, 0.1])


def test_distances_by_hand() -> None:
    """Six texts of the pool along the axes: to the five nearest of one of them, itself among them or not."""
    pool = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    assert distances(np.array([[1.0, 0], [0, 1]]), pool) == pytest.approx([0.0, 0.8])
    assert distances(pool[5:], pool, np.array([5])) == pytest.approx([1.0])
    assert np.isnan(distances(pool, pool[:4])).all()


def test_what_is_repeated_and_what_may_be() -> None:
    """Given a source and its kin, another text, and one that measures, then what was made of the one source may be like
    it, its kin and its siblings; what repeats another text, or one of its many sources, is told; and what is like the
    one that measures always is."""
    others = [
        "where is my new card please tell me soon",
        "where is my new card please tell me soon!",
        "the rate of exchange was wrong this morning",
    ]
    measuring = ["i lost my phone on the train to the north"]
    made = [
        "where is my new card plaese tell me soon",  # of 0
        "WHERE is my new card please tell me soon",  # of 0, like 1 too
        "the RATE of exchange was wrong this morning",  # of 0
        "i LOST my phone on the train to the north",  # of 0
        "where is my NEW card please tell me soon",  # few-shot, of 0 and 2
        "something else entirely that nobody said so far",
    ]
    sources = [*[frozenset({0})] * 4, frozenset({0, 2}), frozenset({0, 2})]
    rng = np.random.default_rng(0)
    points = {
        word: rng.normal(size=64) for text in [*others, *measuring, *made] for word in text.lower().split()
    }

    def embedded(texts: list[str]) -> np.ndarray:
        sums = np.array([sum(points[word] for word in text.lower().split()) for text in texts])
        return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)

    found = repeats(
        [part(measuring, embedded(measuring))],
        [part(others, embedded(others))],
        np.array([0, 0, 2]),
        part(made, embedded(made)),
        sources,
        rng,
    )
    assert found.measured.tolist() == [-1, -1, -1, 0, -1, -1]
    assert found.others.tolist()[:4] == [-1, -1, 2, -1]
    assert found.others[4] in (0, 1)
    assert found.others[5] == -1
    assert (found.cosines[:5] > 0.8).all()


def test_verdicts_come_in_order() -> None:
    yes, no = np.array([True]), np.array([False])
    low, high, unknown = np.array([0.001]), np.array([0.5]), np.array([np.nan])
    assert verdicts(yes, yes, yes, low, low, low) == ["measures"]
    assert verdicts(no, yes, yes, low, low, low) == ["duplicate"]
    assert verdicts(no, no, yes, low, low, low) == ["near-duplicate"]
    assert verdicts(no, no, no, low, low, low) == ["unlikely"]
    assert verdicts(no, no, no, low, high, low) == ["outlier"]
    assert verdicts(no, no, no, np.array([filters.INCONSISTENT]), high, high) == ["inconsistent"]
    assert verdicts(no, no, no, high, high, high) == ["kept"]
    assert verdicts(no, no, no, unknown, unknown, unknown) == ["kept"]
