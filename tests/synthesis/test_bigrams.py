"""Kneser-Ney by hand."""

import math

import numpy as np
import pytest

from workers.synthesis.bigrams import Bigrams
from workers.tokens import Tokens, pack


def tokens(*rows: list[int]) -> Tokens:
    return pack(list(rows), [False] * len(rows), 4)


def test_probabilities_by_hand() -> None:
    """Texts 0 1 2 and 0 1 0, of a vocabulary of 4: pairs 01 (twice), 12, 10.

    N(··) = 3; N(·1) = N(·2) = N(·0) = 1, so W = 3 and each of these has P = (0.25 + 0.75 · 3 / 4) / 3 = 0.270833,
    token 3 has 0.5625 / 3 = 0.1875. After 0: c = 2, N = 1, so P(1|0) = 1.25 / 2 + 0.75 / 2 · 0.270833 = 0.7265625 and
    P(3|0) = 0.375 · 0.1875 = 0.0703125. After 1: c = 2, N = 2: P(2|1) = 0.125 + 0.75 · 0.270833 = 0.328125. After 3,
    never seen: P(1|3) = 0.270833.
    """
    model = Bigrams.of(tokens([0, 1, 2], [0, 1, 0]), 4)
    first, then = np.array([0, 0, 1, 3]), np.array([1, 3, 2, 1])
    found = model.probabilities(first, then)
    assert found == pytest.approx([0.7265625, 0.0703125, 0.328125, 0.2708333])
    whole = model.probabilities(np.repeat(np.arange(4), 4), np.tile(np.arange(4), 4)).reshape(4, 4)
    assert whole.sum(axis=1) == pytest.approx(np.ones(4))


def test_perplexities_by_hand() -> None:
    """Of 0 1 2: sqrt(1 / (0.7265625 · 0.328125)); of a single token there is none."""
    model = Bigrams.of(tokens([0, 1, 2], [0, 1, 0]), 4)
    found = model.perplexities(tokens([0, 1, 2], [3], []))
    assert found[0] == pytest.approx(math.sqrt(1 / (0.7265625 * 0.328125)))
    assert np.isnan(found[1:]).all()


def test_nothing_was_read() -> None:
    assert Bigrams.of(tokens([2]), 4).perplexities(tokens([0, 1])).tolist() == [4.0]
