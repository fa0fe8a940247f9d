import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pool.text import PIECE, digest, digests, draws, role_key, role_keys


def test_digest_leaves_out_unicode_form_and_white_space() -> None:
    assert digest("caf\u00e9  au\tlait\n") == digest("cafe\u0301 au lait")
    assert digest("Café au lait") != digest("café au lait")
    assert len(digest("")) == 16


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It costs 12 euro.", "it costs 99 EURO"),
        ("A_b-c!", "a b c"),
        ("ﬁne print", "FINE PRINT"),
    ],
)
def test_role_key_is_shared_by_near_identical_texts(one: str, other: str) -> None:
    assert role_key(one) == role_key(other)


def test_role_key_of_mere_punctuation_is_its_own() -> None:
    assert role_key("!!!") != role_key("???")


@given(st.text())
def test_keys_fit_their_columns(text: str) -> None:
    assert 0 <= role_key(text) < 2**63
    assert digest(text) == digest(f" {text} ")


@given(st.lists(st.text() | st.text("aB07 _-.!\t\n\x1c", max_size=12)))
def test_keys_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    assert digests(texts) == [digest(text) for text in texts]
    assert role_keys(texts) == [role_key(text) for text in texts]


def test_keys_of_more_texts_than_are_taken_at_once() -> None:
    texts = [f" Text {at},  {at}" if at % 5 else f"Wört {at}" for at in range(2 * PIECE + 3)]
    assert digests(texts) == [digest(text) for text in texts]
    assert role_keys(texts) == [role_key(text) for text in texts]


def test_draws_are_splitmix64_of_key_and_seed() -> None:
    # SplitMix64 started at 0: its first output is 0xE220A8397B1DCDAF, and a draw is its upper 53 bits.
    assert draws([0], 0)[0] == (0xE220A8397B1DCDAF >> 11) / 2**53


def test_draws_are_uniform_and_differ_by_seed() -> None:
    keys = np.arange(100_000, dtype=np.int64)
    some, others = draws(keys, 0), draws(keys, 1)
    assert some.min() >= 0
    assert some.max() < 1
    assert abs(some.mean() - 0.5) < 0.005
    assert np.abs(np.histogram(some, 10, (0, 1))[0] - 10_000).max() < 400
    assert abs(np.corrcoef(some, others)[0, 1]) < 0.02
