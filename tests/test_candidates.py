"""What is scored anew where there is no time for all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies.uncertainty import margin
from workers.candidates import Probe, choose

NOBODY = np.empty(0, np.int64)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def test_all_are_scored_where_all_fit() -> None:
    def never() -> None:
        raise AssertionError("nobody need guess")

    may, asked = np.arange(1, 10), np.array([0, 11])
    found = choose(11, asked, may, np.zeros(12, np.int32), never, np.random.default_rng(0))
    assert found.tolist() == [*range(10), 11]


def test_the_unsurest_the_longest_unseen_and_a_random_part() -> None:
    """Given 1,000 positions of which the second half was never scored and 500 to 549 are the unsurest, and room for
    100 beside 5 open tasks, then most are of the unsurest, 10 of the never scored, 10 random."""
    may, last = np.arange(1_000), np.zeros(1_005, np.int32)
    last[:500] = 3
    last[:20] = 1
    last[500:] = 2
    guess = np.where((may >= 200) & (may < 320), 1.0, 0.0).astype(np.float32)
    asked = np.arange(1_000, 1_005)
    found = choose(105, asked, may, last, lambda: guess, np.random.default_rng(0))
    assert len(found) == 105
    assert set(asked) <= set(found)
    assert np.array_equal(found, np.unique(found))
    assert sum(at < 20 for at in found) >= 10, "what was scored longest ago comes first"
    assert sum(200 <= at < 320 for at in found) >= 80
    elsewhere = [at for at in found if 20 <= at < 200 or 320 <= at < 1_000]
    assert 4 <= len(elsewhere) <= 10, "a random share always"
    again = choose(105, asked, may, last, lambda: guess, np.random.default_rng(0))
    assert np.array_equal(found, again)


def test_every_example_is_scored_within_a_number_of_rounds() -> None:
    may, last = np.arange(400), np.zeros(400, np.int32)
    guess = np.linspace(1, 0, 400, dtype=np.float32)
    for round_ in range(1, 60):
        found = choose(80, NOBODY, may, last, lambda: guess, np.random.default_rng(round_))
        last[found] = round_
    assert last.min() > 0


def test_without_a_probe_chance_decides() -> None:
    may, last = np.arange(500), np.zeros(500, np.int32)
    found = choose(50, NOBODY, may, last, lambda: None, np.random.default_rng(1))
    assert len(found) == 50
    assert 150 < found.mean() < 350


def test_more_open_tasks_than_room() -> None:
    asked = np.arange(10)
    found = choose(
        4, asked, np.arange(10, 20), np.zeros(20, np.int32), lambda: None, np.random.default_rng(0)
    )
    assert found.tolist() == asked.tolist()


@pytest.mark.parametrize("problem", ["single_label", "multi_label", "spans"])
def test_a_probe_knows_whom_the_adapter_is_unsure_of(problem: str) -> None:
    """Given an adapter whose logits are linear in the embeddings, then the guesses of texts it has not read are in
    the order of the truth."""
    rng = np.random.default_rng(3)
    base = unit(rng.normal(size=(1_200, 16)))
    z = 8 * base @ rng.normal(size=(16, 4)).astype(np.float32)
    truth: NDArray[np.floating]
    if problem == "spans":
        truth = np.abs(z[:, 0])
        base = unit(np.column_stack([base, truth / truth.max()]))
        said = np.column_stack([truth, truth])
    elif problem == "multi_label":
        said = 1 / (1 + np.exp(-z))
        truth = 1 - np.abs(2 * said - 1).mean(axis=1)
    else:
        said = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        truth = margin(said)
    probe = Probe.distill(problem, base[:600], said[:600])
    guessed = probe.uncertainty(base[600:].astype(np.float16))
    top = set(np.argsort(-truth[600:])[:60].tolist())
    assert len(top & set(np.argsort(-guessed)[:120].tolist())) >= 42
