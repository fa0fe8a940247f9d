"""What every strategy promises, whoever wrote it."""

import numpy as np
import pytest

from strategies import registry
from strategies.base import Picks, Strategy, View

every_strategy = pytest.mark.parametrize("name", registry.names())
every_strategy_with_needs = pytest.mark.parametrize(
    "name", [name for name in registry.names() if registry.get(name).needs]
)


def view_of(size: int, classes: int = 4, labeled: int = 5, seed: int = 0) -> View:
    rng = np.random.default_rng(seed)
    return View(
        size,
        probabilities=rng.dirichlet(np.ones(classes), size).astype(np.float32),
        embeddings=rng.normal(size=(size, 8)).astype(np.float32),
        labeled_embeddings=rng.normal(size=(labeled, 8)).astype(np.float32),
    )


def select(name: str, view: View, count: int, seed: int = 0) -> Picks:
    return registry.get(name).select(view, count, np.random.default_rng(seed))


@every_strategy
@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 1), (40, 7), (40, 40), (700, 600)])
def test_gives_exactly_count_distinct_positions_best_first(name: str, size: int, count: int) -> None:
    picks = select(name, view_of(size), count)

    assert picks.positions.dtype == np.int64
    assert picks.scores.dtype == np.float64
    assert len(set(picks.positions.tolist())) == count
    assert set(picks.positions.tolist()) <= set(range(size))
    assert picks.scores.tolist() == sorted(picks.scores.tolist(), reverse=True)


@every_strategy
def test_gives_everything_when_asked_for_more(name: str) -> None:
    assert sorted(select(name, view_of(6), 50).positions.tolist()) == [0, 1, 2, 3, 4, 5]


@every_strategy
@pytest.mark.parametrize(("size", "count"), [(6, 0), (0, 3), (0, 0)])
def test_gives_nothing_of_nothing(name: str, size: int, count: int) -> None:
    picks = select(name, view_of(size), count)

    assert picks.positions.tolist() == []
    assert picks.scores.tolist() == []


@every_strategy
def test_same_seed_same_answer(name: str) -> None:
    view = view_of(60)

    first, second = select(name, view, 20, seed=3), select(name, view, 20, seed=3)

    assert first.positions.tolist() == second.positions.tolist()
    assert first.scores.tolist() == second.scores.tolist()


@every_strategy
def test_leaves_its_input_alone(name: str) -> None:
    view, untouched = view_of(50), view_of(50)
    for array in (view.probabilities, view.embeddings, view.labeled_embeddings):
        assert array is not None
        array.flags.writeable = False

    select(name, view, 20)

    np.testing.assert_array_equal(view.probabilities, untouched.probabilities)
    np.testing.assert_array_equal(view.embeddings, untouched.embeddings)
    np.testing.assert_array_equal(view.labeled_embeddings, untouched.labeled_embeddings)


@every_strategy
@pytest.mark.parametrize("labeled", [0, 3])
def test_takes_examples_that_are_all_the_same(name: str, labeled: int) -> None:
    same = View(
        30,
        probabilities=np.full((30, 3), 1 / 3, np.float32),
        embeddings=np.ones((30, 8), np.float32),
        labeled_embeddings=np.ones((labeled, 8), np.float32),
    )

    assert len(set(select(name, same, 12).positions.tolist())) == 12


@every_strategy
def test_equal_examples_are_not_taken_in_the_order_they_came(name: str) -> None:
    same = View(
        100,
        probabilities=np.full((100, 2), 0.5, np.float32),
        embeddings=np.ones((100, 8), np.float32),
        labeled_embeddings=np.empty((0, 8), np.float32),
    )

    one, other = select(name, same, 10, seed=1), select(name, same, 10, seed=2)

    assert one.positions.tolist() != other.positions.tolist()


@every_strategy
def test_takes_a_single_class(name: str) -> None:
    assert len(select(name, view_of(20, classes=1), 5).positions) == 5


@every_strategy
def test_takes_the_first_batch_of_all(name: str) -> None:
    assert len(select(name, view_of(20, labeled=0), 5).positions) == 5


@every_strategy_with_needs
def test_says_which_array_is_missing(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}': .* is needed and missing"):
        select(name, View(3), 1)


@every_strategy_with_needs
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_refuses_numbers_that_are_none(name: str, wrong: float) -> None:
    view = view_of(10)
    for need in registry.get(name).needs:
        getattr(view, need)[4, 1] = wrong

    with pytest.raises(ValueError, match="first in row 4"):
        select(name, view, 3)


@every_strategy_with_needs
def test_refuses_arrays_that_are_not_aligned(name: str) -> None:
    longer = view_of(10)
    view = View(9, longer.probabilities, longer.embeddings, longer.labeled_embeddings)

    with pytest.raises(ValueError, match="10 rows for 9 examples"):
        select(name, view, 3)


@every_strategy
def test_refuses_a_negative_count(name: str) -> None:
    with pytest.raises(ValueError, match="count is -1"):
        select(name, view_of(3), -1)


@every_strategy
def test_is_described_on_one_line(name: str) -> None:
    strategy = registry.get(name)

    assert strategy.name == name
    assert strategy.summary.endswith(".")
    assert "\n" not in strategy.summary


def test_logits_are_not_probabilities() -> None:
    with pytest.raises(ValueError, match=r"from -1 to 3: are these logits\?"):
        select("margin", View(1, probabilities=np.array([[-1, 3]], np.float32)), 1)


def test_two_encoders_do_not_mix() -> None:
    view = View(2, embeddings=np.ones((2, 3), np.float32), labeled_embeddings=np.ones((1, 4), np.float32))

    with pytest.raises(ValueError, match="3 columns and labeled_embeddings 4"):
        select("coverage", view, 1)


def test_a_strategy_cannot_need_what_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"'greedy' needs \['gradients'\]"):
        Strategy("greedy", frozenset({"gradients"}), registry.get("random").choose, "No.")


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
