from itertools import islice

import numpy as np
import pytest

from workers.batches import by_length, paced, padded, shuffled
from workers.tokens import pack


def test_batches_are_longest_first_and_within_the_budget() -> None:
    lengths = np.array([3, 10, 4, 4, 2])

    assert [batch.tolist() for batch in by_length(lengths, 12)] == [[1], [2, 3, 0], [4]]


def test_a_row_above_the_budget_is_a_batch_of_its_own() -> None:
    assert [batch.tolist() for batch in by_length(np.array([5, 50, 5]), 10)] == [[1], [0, 2]]


def test_no_rows_make_no_batches() -> None:
    assert list(by_length(np.array([], np.int64), 10)) == []


@pytest.mark.parametrize("budget", [1, 64, 1_000])
def test_every_row_comes_once(budget: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 500)
    batches = list(by_length(lengths, budget))

    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in batches)


def test_an_epoch_has_every_row_once_in_batches_of_like_length() -> None:
    lengths = np.arange(40) % 8 + 1
    batches = [batch for (batch,) in islice(shuffled([lengths], 10, np.random.default_rng(0)), 8)]

    for epoch in (batches[:4], batches[4:]):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(40))
        assert sorted((lengths[b].min(), lengths[b].max()) for b in epoch) == [(1, 2), (3, 4), (5, 6), (7, 8)]
    assert [b.tolist() for b in batches[:4]] != [b.tolist() for b in batches[4:]]


def test_sets_go_together_by_length() -> None:
    sets = np.arange(40), 10 * np.arange(120)
    drawn = list(islice(shuffled(sets, 10, np.random.default_rng(0)), 12))
    longest = [[int(lengths[b].max()) for lengths, b in zip(sets, batches, strict=True)] for batches in drawn]

    assert all([len(b) for b in batches] == [10, 10] for batches in drawn)
    for window in (longest[:4], longest[4:8], longest[8:]):
        assert sorted(one for one, _ in window) == [9, 19, 29, 39]
        assert (
            np.argsort([one for one, _ in window]).tolist() == np.argsort([two for _, two in window]).tolist()
        )
    assert sorted(np.concatenate([two for _, two in drawn]).tolist()) == list(range(120))


def test_epochs_follow_without_a_gap_where_batches_do_not_divide_them() -> None:
    drawn = [batch for (batch,) in islice(shuffled([np.ones(7, int)], 3, np.random.default_rng(0)), 14)]

    assert {len(batch) for batch in drawn} == {3}
    assert np.bincount(np.concatenate(drawn)).tolist() == [6] * 7


def test_a_set_smaller_than_a_batch_is_a_batch() -> None:
    drawn = islice(shuffled([np.ones(2, int), np.ones(20, int)], 8, np.random.default_rng(0)), 5)

    assert all(sorted(few) == [0, 1] and len(set(many.tolist())) == 8 for few, many in drawn)


def test_training_batches_repeat_with_the_seed() -> None:
    one, two = (shuffled([np.ones(7, int)], 3, np.random.default_rng(5)) for _ in range(2))

    assert [b.tolist() for (b,) in islice(one, 9)] == [b.tolist() for (b,) in islice(two, 9)]


def test_padding_fills_up_to_the_longest_row() -> None:
    tokens = pack([[2, 5, 3], [2, 3]], [False, False], 10)
    ids, mask = padded(tokens, np.array([1, 0]), 9)

    assert ids.tolist() == [[2, 3, 9], [2, 5, 3]]
    assert mask.tolist() == [[True, True, False], [True, True, True]]


def test_a_curriculum_begins_with_the_easiest_and_ends_with_all() -> None:
    """Of 100 texts and 8 steps: competence is sqrt(t/4 · .99 + .01) = .1, .507, .711, .868 at t = 0 to 3, then 1."""
    reach = np.zeros(8)
    for seed in range(400):
        batches = list(paced(100, 8, 8, np.random.default_rng(seed)))
        assert [len(set(batch.tolist())) for batch in batches] == [8] * 8
        reach = np.maximum(reach, [batch.max() for batch in batches])

    assert reach.tolist() == [9, 50, 70, 86, 99, 99, 99, 99]


def test_a_curriculum_of_few_texts_takes_them_all() -> None:
    assert [sorted(batch.tolist()) for batch in paced(3, 8, 2, np.random.default_rng(0))] == [[0, 1, 2]] * 2
