import numpy as np
import pytest

from strategies import registry
from strategies.base import View
from strategies.weighted import fields, parse, ranks


def select(view: View, count: int = 3) -> tuple[list[int], list[float]]:
    picks = registry.get("weighted").select(view, count, np.random.default_rng(0))
    return picks.positions.tolist(), picks.scores.tolist()


def test_a_formula_is_a_sum_of_weighted_names() -> None:
    assert parse("uncertainty") == {"uncertainty": 1}
    assert parse(" -duplication+ .5*meta.up_votes - 2 * meta.a.b ") == {
        "duplication": -1,
        "meta.up_votes": 0.5,
        "meta.a.b": -2,
    }
    assert fields("uncertainty + meta.b - 0.1 * meta.a") == ["b", "a"]


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("", "'' is no term"),
        ("stars", "there is no score 'stars'; there are uncertainty, entropy"),
        ("meta.", "there is no score 'meta.'"),
        ("uncertainty duplication", "'duplication' is no term"),
        ("uncertainty * 2", r"'\* 2' is no term"),
        ("uncertainty + (teacher)", r"'\+ \(teacher\)' is no term"),
        ("teacher + teacher", "'teacher' is there twice"),
        (" + ".join(f"meta.a{at}" for at in range(21)), "21 terms, and 20 are the most"),
    ],
)
def test_what_is_no_formula_is_named(formula: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(formula)


def test_scores_count_by_their_ranks() -> None:
    """Of 30, 10, 10, 20 the shares below, equal ones half: (4 - .5)/4, (1.5 - .5)/4 twice, (3 - .5)/4."""
    assert ranks(np.array([30, 10, 10, 20])).tolist() == [0.875, 0.25, 0.25, 0.625]


def test_the_weighted_sum_by_hand() -> None:
    """Margins' doubts .2, .8, .4 have the ranks 1/6, 5/6, 3/6; fields 5, 100, 7 as well; duplication 0, .9, .5, too."""
    view = View(
        3,
        probabilities=np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]]),
        duplication=np.array([0.0, 0.9, 0.5]),
        fields=np.array([[5.0], [100.0], [7.0]]),
        formula="uncertainty + 0.5 * meta.stars - 2 * duplication",
    )
    positions, scores = select(view)
    assert positions == [0, 2, 1]
    assert scores == pytest.approx([-0.5 / 6, -0.5 * 3 / 6, -0.5 * 5 / 6])


def test_what_is_not_known_favours_nobody() -> None:
    view = View(
        3, duplication=np.array([0.5, 0.0, 0.9]), formula="uncertainty + teacher + meta.stars - duplication"
    )
    assert select(view)[0] == [1, 0, 2]


def test_without_a_formula_it_is_signal() -> None:
    view = View(3, duplication=np.array([0.5, 0.0, 0.9]))
    assert select(view) == ([1, 0, 2], pytest.approx([1, 0.5, 0.1]))


def test_spans_are_unsure_by_their_tokens() -> None:
    view = View(
        2,
        duplication=np.zeros(2),
        token_uncertainty=np.array([[0.1, 3.0], [0.2, 1.0]]),
        problem="spans",
    )
    for formula, first in (("uncertainty", 1), ("entropy", 0)):
        view = View(
            2,
            duplication=view.duplication,
            token_uncertainty=view.token_uncertainty,
            formula=formula,
            problem="spans",
        )
        assert select(view, 1)[0] == [first]
