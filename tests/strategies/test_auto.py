import numpy as np
import pytest

from strategies import registry
from strategies.auto import chosen
from strategies.base import View


def view_of(problem: str, labeled: int, learner: bool = True, classes: int | None = 4) -> View:
    rng = np.random.default_rng(0)
    return View(
        200,
        probabilities=rng.dirichlet(np.ones(4), 200) if learner else None,
        token_uncertainty=rng.random((200, 2)) if learner else None,  # type: ignore[arg-type]
        embeddings=rng.normal(size=(200, 3)),
        labeled_embeddings=rng.normal(size=(labeled, 3)),
        classes=classes,
        problem=problem,
    )


@pytest.mark.parametrize(
    ("problem", "enough", "later"),
    [
        ("single_label", 12, "diverse_margin"),
        ("multi_label", 100, "diverse_uncertainty"),
        ("spans", 50, "diverse_mnlp"),
    ],
)
def test_opens_with_coverage_until_there_are_labels(problem: str, enough: int, later: str) -> None:
    assert chosen(view_of(problem, enough - 1)).name == "typiclust"
    assert chosen(view_of(problem, enough)).name == later
    assert chosen(view_of(problem, 500, learner=False)).name == "typiclust"


def test_classes_are_counted_where_the_campaign_does_not_say() -> None:
    assert chosen(view_of("single_label", 11, classes=None)).name == "typiclust"
    assert chosen(view_of("single_label", 12, classes=None)).name == "diverse_margin"


@pytest.mark.parametrize(("labeled", "name"), [(11, "typiclust"), (12, "diverse_margin")])
def test_answers_as_the_chosen_one_does(labeled: int, name: str) -> None:
    view = view_of("single_label", labeled)

    one, other = (registry.get(each).select(view, 9, np.random.default_rng(1)) for each in ("auto", name))

    assert one.positions.tolist() == other.positions.tolist()
    assert one.scores.tolist() == other.scores.tolist()
