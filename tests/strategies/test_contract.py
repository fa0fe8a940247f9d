"""What every strategy promises, whoever wrote it, in every problem it is fit for."""

import subprocess
import sys
import tracemalloc
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import registry
from strategies.base import ARRAYS, PROBLEMS, Picks, Strategy, View, greatest, in_order

CASES = [(name, problem) for problem in sorted(PROBLEMS) for name in registry.names(problem)]
every_strategy = pytest.mark.parametrize(("name", "problem"), CASES)
every_strategy_with_needs = pytest.mark.parametrize(
    ("name", "problem"), [case for case in CASES if registry.get(case[0]).needs]
)
by_a_score_of_each_row = pytest.mark.parametrize(
    ("name", "problem"),
    [
        (name, problem)
        for name, problem in CASES
        if name
        in {
            "least_confidence", "margin", "entropy", "bald", "variation_ratio", "cal", "density_margin",
            "balanced_margin", "mean_uncertainty", "max_uncertainty", "cvirs", "mnlp", "token_entropy", "signal",
        }
    ],
)  # fmt: skip


def view_of(size: int, problem: str, classes: int = 4, labeled: int = 5, seed: int = 0) -> View:
    """All arrays that there are in the problem."""
    rng = np.random.default_rng(seed)

    def probabilities(*shape: int) -> NDArray[np.float32]:
        if problem == "multi_label":
            return rng.random((*shape, classes)).astype(np.float32)
        return rng.dirichlet(np.ones(classes), shape).astype(np.float32)

    return View(
        size,
        probabilities=probabilities(size),
        embeddings=rng.normal(size=(size, 8)).astype(np.float32),
        labeled_embeddings=rng.normal(size=(labeled, 8)).astype(np.float32),
        labels=rng.integers(-1, classes if problem == "single_label" else 0, labeled),
        labeled_probabilities=probabilities(labeled),
        label_sets=rng.random((labeled, classes)) < 0.5,
        committee=probabilities(3, size),
        prototypes=rng.normal(size=(classes, 8)).astype(np.float32),
        token_uncertainty=rng.random((size, 2)).astype(np.float32),
        duplication=rng.random(size).astype(np.float32),
        teacher=rng.random(size).astype(np.float32),
        fields=rng.normal(size=(size, 2)).astype(np.float32),
        formula="uncertainty + 0.5 * meta.stars - meta.age",
        classes=classes,
        problem=problem,
    )


def all_the_same(size: int, problem: str, labeled: int) -> View:
    return View(
        size,
        probabilities=np.full((size, 2), 0.5, np.float32),
        embeddings=np.ones((size, 8), np.float32),
        labeled_embeddings=np.ones((labeled, 8), np.float32),
        labels=np.zeros(labeled, np.int64),
        labeled_probabilities=np.full((labeled, 2), 0.5, np.float32),
        label_sets=np.zeros((labeled, 2), np.bool_),
        committee=np.full((3, size, 2), 0.5, np.float32),
        prototypes=np.zeros((2, 8), np.float32),
        token_uncertainty=np.ones((size, 2), np.float32),
        duplication=np.zeros(size, np.float32),
        teacher=np.ones(size, np.float32),
        fields=np.zeros((size, 2), np.float32),
        formula="uncertainty + 0.5 * meta.stars - meta.age",
        classes=2,
        problem=problem,
    )


def changed(view: View, change: Any) -> View:
    """`change` is given the name and the array of each."""
    arrays = {name: getattr(view, name) for name in ARRAYS}
    return replace(view, **{name: change(name, one) for name, one in arrays.items() if one is not None})


def select(name: str, view: View, count: int, seed: int = 0) -> Picks:
    return registry.get(name).select(view, count, np.random.default_rng(seed))


@every_strategy
@pytest.mark.parametrize("labeled", [5, 200])
@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 1), (40, 7), (40, 40), (700, 600)])
def test_gives_exactly_count_distinct_positions_best_first(
    name: str, problem: str, size: int, count: int, labeled: int
) -> None:
    picks = select(name, view_of(size, problem, labeled=labeled), count)

    assert picks.positions.dtype == np.int64
    assert picks.scores.dtype == np.float64
    assert len(set(picks.positions.tolist())) == count
    assert set(picks.positions.tolist()) <= set(range(size))
    assert picks.scores.tolist() == sorted(picks.scores.tolist(), reverse=True)


@every_strategy
def test_gives_everything_when_asked_for_more(name: str, problem: str) -> None:
    assert sorted(select(name, view_of(6, problem), 50).positions.tolist()) == [0, 1, 2, 3, 4, 5]


@every_strategy
@pytest.mark.parametrize(("size", "count"), [(6, 0), (0, 3), (0, 0)])
def test_gives_nothing_of_nothing(name: str, problem: str, size: int, count: int) -> None:
    picks = select(name, view_of(size, problem), count)

    assert picks.positions.tolist() == []
    assert picks.scores.tolist() == []


@every_strategy
def test_same_seed_same_answer(name: str, problem: str) -> None:
    view = view_of(60, problem)

    first, second = select(name, view, 20, seed=3), select(name, view, 20, seed=3)

    assert first.positions.tolist() == second.positions.tolist()
    assert first.scores.tolist() == second.scores.tolist()


@by_a_score_of_each_row
def test_examples_in_another_order_get_the_same_scores(name: str, problem: str) -> None:
    view = view_of(60, problem)
    order = np.random.default_rng(1).permutation(60)
    axes = {one: ARRAYS[one].find("n") for one in ARRAYS}

    shuffled = changed(
        view, lambda one, array: array.take(order, axis=axes[one]) if axes[one] >= 0 else array
    )
    first, second = select(name, view, 20), select(name, shuffled, 20)

    np.testing.assert_allclose(first.scores, second.scores, atol=1e-12)
    equal = np.isclose(np.diff(first.scores), 0).any()  # the order among equals is left to chance
    if not equal:
        assert first.positions.tolist() == order[second.positions].tolist()


@every_strategy
def test_leaves_its_input_alone(name: str, problem: str) -> None:
    view, untouched = view_of(50, problem), view_of(50, problem)
    for one in ARRAYS:
        getattr(view, one).flags.writeable = False

    select(name, view, 20)

    for one in ARRAYS:
        np.testing.assert_array_equal(getattr(view, one), getattr(untouched, one))


@every_strategy
def test_takes_halves_for_floats(name: str, problem: str) -> None:
    halves = changed(
        view_of(50, problem, labeled=200),
        lambda _, array: array.astype(np.float16) if array.dtype == np.float32 else array,
    )

    assert len(set(select(name, halves, 20).positions.tolist())) == 20


@every_strategy
@pytest.mark.parametrize("labeled", [0, 3, 200])
def test_takes_examples_that_are_all_the_same(name: str, problem: str, labeled: int) -> None:
    assert len(set(select(name, all_the_same(30, problem, labeled), 12).positions.tolist())) == 12


@every_strategy
@pytest.mark.parametrize("labeled", [0, 200])
def test_equal_examples_are_not_taken_in_the_order_they_came(name: str, problem: str, labeled: int) -> None:
    same = all_the_same(100, problem, labeled)

    one, other = select(name, same, 10, seed=1), select(name, same, 10, seed=2)

    assert one.positions.tolist() != other.positions.tolist()
    assert max(one.positions) >= 20


@every_strategy
@pytest.mark.parametrize("labeled", [5, 200])
def test_takes_a_single_class(name: str, problem: str, labeled: int) -> None:
    assert len(select(name, view_of(20, problem, classes=1, labeled=labeled), 5).positions) == 5


@every_strategy
def test_takes_a_learner_that_is_sure_of_everything(name: str, problem: str) -> None:
    sure = changed(
        view_of(40, problem, labeled=200),
        lambda one, array: array.round() if "probabilities" in one or one == "committee" else array,
    )

    assert len(select(name, replace(sure, token_uncertainty=np.zeros((40, 2), np.float32)), 9).positions) == 9


@every_strategy
def test_takes_the_first_batch_of_all(name: str, problem: str) -> None:
    assert len(select(name, view_of(20, problem, labeled=0), 5).positions) == 5


@every_strategy
def test_does_without_what_is_optional(name: str, problem: str) -> None:
    needs = registry.get(name).needs
    view = view_of(30, problem, labeled=200)
    bare = replace(view, **{one: None for one in ARRAYS if one not in needs}, classes=None)

    assert len(select(name, bare, 5).positions) == 5


@every_strategy_with_needs
def test_says_which_array_is_missing(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}': .* is needed and missing"):
        select(name, View(3, problem=problem), 1)


@every_strategy_with_needs
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_refuses_numbers_that_are_none(name: str, problem: str, wrong: float) -> None:
    view = view_of(10, problem)
    for need in registry.get(name).needs:
        array = getattr(view, need)
        if array.dtype == np.float32:
            array[3 if array.ndim == 1 else (..., 3, 1)] = wrong

    with pytest.raises(ValueError, match="NaN or infinity, first in row 3"):
        select(name, view, 3)


@every_strategy_with_needs
def test_refuses_arrays_that_are_not_aligned(name: str, problem: str) -> None:
    view = replace(view_of(10, problem), size=9)

    with pytest.raises(ValueError, match="has 10 rows and the view 9: they do not belong together"):
        select(name, view, 3)


@every_strategy
def test_refuses_a_negative_count(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match="count is -1"):
        select(name, view_of(3, problem), -1)


@pytest.mark.parametrize("name", registry.names())
def test_is_described_on_one_line(name: str) -> None:
    strategy = registry.get(name)

    assert strategy.name == name
    assert strategy.summary.endswith(".")
    assert "\n" not in strategy.summary


def test_what_is_taken_out_of_a_view_counts_as_asked_for() -> None:
    view = view_of(6, "single_label", labeled=2)
    left, rest = view.without([4, 1])
    assert rest.tolist() == [0, 2, 3, 5]
    assert left.size == 4
    for name in ("probabilities", "embeddings", "token_uncertainty"):
        assert np.array_equal(getattr(left, name), getattr(view, name)[rest])
    assert left.committee is not None
    assert view.committee is not None
    assert np.array_equal(left.committee, view.committee[:, rest])
    assert left.labels is not None
    assert view.labels is not None
    assert left.labels.tolist() == [*view.labels.tolist(), -1, -1]
    assert left.labeled_embeddings is not None
    assert view.embeddings is not None
    assert np.array_equal(left.labeled_embeddings[2:], view.embeddings[[4, 1]])
    assert np.array_equal(left.labeled_probabilities[2:], view.probabilities[[4, 1]])  # type: ignore[index]


def test_every_array_is_a_field_of_a_view() -> None:
    assert set(ARRAYS) == {one.name for one in fields(View)} - {
        "size",
        "classes",
        "problem",
        "behind",
        "formula",
    }


def test_the_api_need_not_load_sklearn() -> None:
    loaded = "import sys, strategies.registry; print(sorted({'sklearn', 'scipy'} & sys.modules.keys()))"

    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "most_mb"), [("badge", 12), ("k_center", 20), ("cal", 40), ("density_margin", 10), ("bald", 10)]
)
def test_memory_stays_bounded(name: str, most_mb: int) -> None:
    """Of 20,000 rows: gradients would take 1 GB, all distances to the labeled 160 MB as float64."""
    view = view_of(20_000, "single_label", classes=50, labeled=1_000)
    wide = np.random.default_rng(0).normal(size=(20_000, 128)).astype(np.float16)
    view = replace(view, embeddings=wide, labeled_embeddings=wide[:1_000], classes=None)
    select(name, view_of(20, "single_label"), 5)  # imports are not counted

    tracemalloc.start()
    try:
        select(name, view, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < most_mb * 1e6


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"probabilities": np.array([[-1, 3]])}, r"reaches from -1 to 3: are these logits\?"),
        ({"probabilities": np.ones(1)}, r"has shape \(1,\); it must have 2 axes"),
        ({"probabilities": np.ones((1, 0))}, r"has shape \(1, 0\); it must have 2 axes, the last not empty"),
        ({"probabilities": np.ones((1, 3)), "classes": 4}, "has 3 columns and the campaign 4"),
        ({"labels": np.array([0.0])}, "labels are float64 from 0"),
        ({"labels": np.array([-2])}, "labels are int64 from -2"),
        ({"labels": np.array([2]), "classes": 2}, "labels reach 2, and there are 2 classes"),
        ({"labels": np.array([0, 1])}, "labels has 2 rows and labeled_embeddings 1"),
        ({"labeled_embeddings": np.ones((1, 4))}, "labeled_embeddings has 4 columns and embeddings 3"),
        (
            {"labeled_probabilities": np.ones((1, 3))},
            "labeled_probabilities has 3 columns and probabilities 2",
        ),
        ({"prototypes": np.ones((2, 4))}, "prototypes has 4 columns and embeddings 3"),
        ({"prototypes": np.ones((3, 3))}, "prototypes has 3 columns and probabilities 2"),
        ({"committee": np.full((5, 2, 2), 0.5)}, "committee has 2 rows and the view 1"),
        ({"committee": np.full((5, 1, 2), 1.5)}, "committee reaches from 1.5 to 1.5"),
        ({"token_uncertainty": np.ones((1, 3))}, "token_uncertainty has 3 columns and it must have 2"),
    ],
)
def test_says_what_is_wrong_with_a_view(arrays: dict[str, Any], problem: str) -> None:
    greedy = Strategy(
        "greedy", frozenset(), registry.get("random").choose, "No.", PROBLEMS, frozenset(ARRAYS)
    )
    fine = View(
        1,
        probabilities=np.full((1, 2), 0.5, np.float32),
        embeddings=np.ones((1, 3), np.float32),
        labeled_embeddings=np.ones((1, 3), np.float32),
    )
    assert len(greedy.select(fine, 1, np.random.default_rng(0)).positions) == 1

    with pytest.raises(ValueError, match=problem):
        greedy.select(replace(fine, **arrays), 1, np.random.default_rng(0))


def test_a_strategy_cannot_need_what_there_is_not() -> None:
    choose = registry.get("random").choose
    with pytest.raises(ValueError, match=r"'greedy' needs \['gradients'\]"):
        Strategy("greedy", frozenset({"gradients"}), choose, "No.")
    with pytest.raises(ValueError, match=r"'greedy' needs \['gradients'\]"):
        Strategy("greedy", frozenset(), choose, "No.", optional=frozenset({"gradients"}))
    with pytest.raises(ValueError, match=r"'greedy' is for \['chess'\]"):
        Strategy("greedy", frozenset(), choose, "No.", frozenset({"chess"}))


@pytest.mark.parametrize(
    ("positions", "scores", "problem"),
    [
        ([0], [1.0], "where 2 were asked for"),
        ([0, 3], [1.0, 0.0], "positions 0 to 3, in a view of 3"),
        ([-1, 0], [1.0, 0.0], "positions -1 to 0"),
        ([1, 1], [1.0, 0.0], "the same position more than once"),
        ([0, 1], [0.0, 1.0], "not best first"),
        ([0, 1], [np.nan, 1.0], "not finite"),
    ],
)
def test_a_faulty_answer_does_not_get_out(positions: list[int], scores: list[float], problem: str) -> None:
    faulty = Strategy(
        "faulty",
        frozenset(),
        lambda view, count, rng: Picks(np.array(positions), np.array(scores)),
        "Wrong on purpose.",
    )

    with pytest.raises(ValueError, match=f"'faulty' answered with .*{problem}"):
        faulty.select(View(3), 2, np.random.default_rng(0))


def test_an_order_becomes_scores_that_fall() -> None:
    picks = in_order([7, 3, 5, 0])

    assert picks.positions.tolist() == [7, 3, 5, 0]
    assert picks.scores.tolist() == [1.0, 0.75, 0.5, 0.25]
    assert in_order([]).scores.tolist() == []


def test_the_greatest_of_equals_is_left_to_chance() -> None:
    values = np.array([1, 3, 0, 3])

    assert {greatest(values, np.random.default_rng(seed)) for seed in range(20)} == {1, 3}
