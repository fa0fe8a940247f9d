from dataclasses import replace

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
        label_sets=rng.random((labeled, 4)) < 0.5,
        classes=classes,
        problem=problem,
    )


@pytest.mark.parametrize(
    ("problem", "enough", "later"),
    [
        ("single_label", 20, "diverse_margin"),
        ("multi_label", 100, "rare_uncertainty"),
        ("spans", 50, "diverse_mnlp"),
    ],
)
def test_opens_with_coverage_until_there_are_labels(problem: str, enough: int, later: str) -> None:
    early = "facility_location" if problem == "single_label" else "typiclust"
    assert chosen(view_of(problem, enough - 1)).name == early
    assert chosen(view_of(problem, enough)).name == later
    assert chosen(view_of(problem, 500, learner=False)).name == "typiclust"


def test_classes_are_counted_where_the_campaign_does_not_say() -> None:
    assert chosen(view_of("single_label", 19, classes=None)).name == "facility_location"
    assert chosen(view_of("single_label", 20, classes=None)).name == "diverse_margin"


@pytest.mark.parametrize(("labeled", "name"), [(19, "facility_location"), (20, "diverse_margin")])
def test_answers_as_the_chosen_one_does(labeled: int, name: str) -> None:
    view = view_of("single_label", labeled)

    one, other = (registry.get(each).select(view, 9, np.random.default_rng(1)) for each in ("auto", name))

    assert one.positions.tolist() == other.positions.tolist()
    assert one.scores.tolist() == other.scores.tolist()
    assert one.by == (name,) * 9


def test_a_tenth_of_a_batch_looks_for_what_is_short_of_labels() -> None:
    """Class 3 has no label, class 2 has two: the likeliest of 3 three times and of 2 once, the former first."""
    rng = np.random.default_rng(0)
    likely = np.full((200, 4), 0.2)
    likely[:, :2] = 0.3
    for at, one, share in [(7, 3, 0.9), (11, 3, 0.8), (13, 3, 0.7), (17, 2, 0.9), (19, 2, 0.8)]:
        likely[at] = (1 - share) / 3
        likely[at, one] = share
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, 2, 2, -1])
    view = replace(
        view_of("single_label", 11),
        probabilities=likely.astype(np.float32),
        labels=labels,
        labeled_embeddings=rng.normal(size=(11, 3)),
    )

    picks = registry.get("auto").select(view, 40, np.random.default_rng(1))

    found = [at for at, by in zip(picks.positions.tolist(), picks.by or (), strict=True) if by == "discovery"]
    assert sorted(found) == [7, 11, 13, 17]
    assert found[:2] == [7, 11]
    slots = [at for at, by in enumerate(picks.by or ()) if by == "discovery"]
    assert slots == [5, 15, 25, 35]
    assert (picks.by or ()).count("facility_location") == 36


def test_nothing_is_looked_for_where_every_label_has_its_three() -> None:
    view = replace(view_of("single_label", 12), labels=np.arange(12) % 4)
    assert set(registry.get("auto").select(view, 20, np.random.default_rng(0)).by or ()) == {
        "facility_location"
    }


@pytest.mark.parametrize("problem", ["single_label", "multi_label", "spans"])
def test_random_draws_where_they_have_taught_more(problem: str) -> None:
    assert chosen(replace(view_of(problem, 500), behind=True)).name == "random"
    assert set(registry.get("auto").select(
        replace(view_of(problem, 12), behind=True), 20, np.random.default_rng(0)
    ).by or ()) == {"random"}  # fmt: skip
