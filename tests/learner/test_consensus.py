"""What is believed out of what several people said: by hand, and of planted people."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from workers import consensus
from workers.consensus import Votes, agree, likest


def votes(rows: list[tuple[int, int, Any]], n: int, people: int) -> Votes:
    """Of (example, person, answer)."""
    of, by, said = zip(*rows, strict=True)
    answers: NDArray[Any] = np.array(said) if not isinstance(said[0], tuple) else np.empty(len(said), object)
    if answers.dtype == object:
        answers[:] = said
    return Votes(np.array(of), np.array(by), answers, n, people)


def crowd(
    n: int, rates: list[float], each: int, rng: np.random.Generator, classes: int = 4
) -> tuple[Votes, NDArray[np.int64]]:
    """(answers of `each` people to n examples, the truth); errors go to the next class."""
    truth = rng.integers(classes, size=n)
    of = np.repeat(np.arange(n), each)
    by = np.concatenate([rng.permutation(len(rates))[:each] for _ in range(n)])
    wrong = rng.random(len(of)) < np.array(rates)[by]
    return Votes(of, by, (truth[of] + wrong) % classes, n, len(rates)), truth


def test_one_step_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people, two classes, one example, one says 0 and the other 1, a model gives 0 the probability .9.

    At first everybody is right with .8: of class 0 the likelihood is .9 · .8 · .2, of class 1 .1 · .2 · .8, so 0 is
    true with .9. Then each has right answers .9 and .1 of one, with four right and one wrong beforehand.
    """
    monkeypatch.setattr(consensus, "STEPS", 1)
    found = agree(votes([(0, 0, 0), (0, 1, 1)], 1, 2), 2, np.array([[0.9, 0.1]]))
    assert found.chosen.tolist() == [0]
    assert found.weight == pytest.approx([0.9])
    assert found.accuracy == pytest.approx([4.9 / 6, 4.1 / 6])


def test_planted_people_are_known_by_their_overlap_alone() -> None:
    given, truth = crowd(600, [0.05, 0.15, 0.40], 3, np.random.default_rng(0))
    found = agree(given, 4)
    assert found.accuracy == pytest.approx([0.95, 0.85, 0.60], abs=0.05)
    right = given.said[found.chosen] == truth
    most = np.array([np.bincount(given.said[given.of == at], minlength=4).argmax() for at in range(600)])
    assert right.mean() > (most == truth).mean()
    assert found.weight.mean() == pytest.approx(right.mean(), abs=0.03)


def test_a_model_tells_who_errs_where_nobody_overlaps() -> None:
    rng = np.random.default_rng(1)
    given, truth = crowd(900, [0.05, 0.15, 0.40], 1, rng)
    guess = np.where(rng.random(900) < 0.8, truth, rng.integers(4, size=900))
    prior = np.full((900, 4), 0.15 / 3)
    prior[np.arange(900), guess] = 0.85
    found = agree(given, 4, prior)
    assert (found.chosen == np.arange(900)).all(), "single answers are doubted, not replaced"
    assert found.accuracy[0] > found.accuracy[1] > found.accuracy[2]
    assert found.accuracy == pytest.approx([0.95, 0.85, 0.60], abs=0.06)
    suspects = np.argsort(found.weight)[:50]
    assert (given.said != truth)[suspects].mean() > 0.8


def test_without_a_model_single_answers_are_as_good_as_who_gave_them() -> None:
    found = agree(votes([(0, 0, 0), (1, 0, 1), (2, 1, 0)], 4, 2), 2)
    assert found.chosen.tolist() == [0, 1, 2, -1]
    assert np.isnan(found.weight[3])
    assert (found.weight[:3] > 0.5).all()


def test_where_the_model_says_nothing_the_shares_do() -> None:
    prior = np.array([[0.99, 0.01], [np.nan, np.nan]])
    found = agree(votes([(0, 0, 1), (1, 0, 1)], 2, 1), 2, prior)
    assert found.weight[0] < found.weight[1]


def test_a_label_set_is_believed_whole() -> None:
    yes = [True, True, False]
    given = votes([(0, 0, yes), (0, 1, yes), (0, 2, [False, False, True])], 1, 3)
    found = agree(given, 3)
    assert found.chosen.tolist() == [0]
    assert found.weight[0] > 0.7
    assert found.accuracy[2] < found.accuracy[0]


def test_a_model_doubts_a_label_set() -> None:
    said = [[True, False], [True, False]]
    prior = np.array([[0.95, 0.02], [0.03, 0.9]])
    found = agree(votes([(0, 0, said[0]), (1, 0, said[1])], 2, 1), 2, prior)
    assert found.weight[0] > 0.9 > found.weight[1]


def test_the_likest_spans_by_hand() -> None:
    """Three people: the second marks one of the first's two spans (F1 2/3), the third something else (0)."""
    a, b, c = ((0, 3, 0), (5, 8, 1)), ((0, 3, 0),), ((9, 12, 0),)
    found = likest(votes([(0, 0, a), (0, 1, b), (0, 2, c), (1, 2, ())], 2, 3))
    assert found.accuracy == pytest.approx([1 / 3, 1 / 3, 0])
    assert found.chosen.tolist() == [0, 3]
    # What the third says counts for nothing, so the first agrees with those who count by 2/3.
    assert found.weight == pytest.approx([2 / 3, np.nan], nan_ok=True)


def test_spans_that_nobody_else_saw_are_taken_as_they_are() -> None:
    found = likest(votes([(0, 0, ((0, 3, 0),)), (1, 1, ())], 2, 2))
    assert found.chosen.tolist() == [0, 1]
    assert np.isnan([*found.weight, *found.accuracy]).all()


def test_no_answers_at_all() -> None:
    none = Votes(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), 3, 0)
    assert agree(none, 2).chosen.tolist() == [-1, -1, -1]
    assert likest(none).chosen.tolist() == [-1, -1, -1]
