"""Perturbations: deterministic, small, and of the text's own label."""

import numpy as np
import pytest

from service.records import Place
from workers.synthesis import perturbations
from workers.synthesis.drafts import Group, Seen
from workers.synthesis.perturbations import NEIGHBOURS, PERTURBATIONS, drafts

TEXT = "Where is the card that I ordered two weeks ago"
GROUP = Group("card", "card", [Seen(Place(0, at), f"{TEXT} for the {at}. time", "card") for at in range(3)])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_same_seed_makes_the_same_drafts_and_another_makes_others() -> None:
    once, again, other = (list(drafts(GROUP, 30, rng(seed))) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_drafts_have_their_sources_answer_and_are_all_different() -> None:
    found = list(drafts(GROUP, 90, rng()))
    assert len({one.text for one in found}) == 90
    assert {one.answer for one in found} == {"card"}
    texts = {one.place: one.text for one in GROUP.seen}
    for one in found:
        (source,) = one.sources
        assert one.text != texts[source]
    each = [sum(one.sources == (source,) for one in found) for source in texts]
    assert each == [30, 30, 30]
    assert {one.how for one in found} == set(PERTURBATIONS)


def test_a_group_without_texts_makes_none_and_a_short_text_few() -> None:
    assert list(drafts(Group("card", "card", []), 5, rng())) == []
    assert list(drafts(Group("card", "card", [Seen(Place(0, 0), "7", "card")]), 5, rng())) == []
    few = list(drafts(Group("card", "card", [Seen(Place(0, 0), "ok", "card")]), 200, rng()))
    assert 0 < len(few) < 200


@pytest.mark.parametrize("seed", range(20))
def test_each_changes_what_it_says_and_nothing_else(seed: int) -> None:
    words = TEXT.split()
    typed = perturbations.typed(TEXT, rng(seed))
    (slip,) = [(a, b) for a, b in zip(TEXT, typed, strict=True) if a != b]
    assert slip[1].lower() in NEIGHBOURS[slip[0].lower()]
    assert slip[0].isupper() == slip[1].isupper()
    assert len(perturbations.left_out(TEXT, rng(seed))) == len(TEXT) - 1
    assert sorted(perturbations.letters_swapped(TEXT, rng(seed))) == sorted(TEXT)
    dropped = perturbations.dropped(TEXT, rng(seed)).split()
    assert len(dropped) == len(words) - 1
    assert [word for word in words if word in dropped] == dropped
    assert sorted(perturbations.swapped(TEXT, rng(seed)).split()) == sorted(words)
    assert perturbations.cased(TEXT, rng(seed)).lower() == TEXT.lower()
    joined = perturbations.joined(TEXT, rng(seed))
    assert joined.replace(" ", "") == TEXT.replace(" ", "")
    assert joined.count(" ") == TEXT.count(" ") - 1


def test_a_tenth_of_a_long_text_is_changed() -> None:
    """EDA's n = alpha · l, of 40 words: 4."""
    long = " ".join(f"word{at}" for at in range(40))
    assert len(perturbations.dropped(long, rng()).split()) == 36


def test_neighbours_on_the_keyboard() -> None:
    """q w e r t / a s d f g / z x c v b: s touches q, w, e, a, d, z, x, c."""
    assert set(NEIGHBOURS["s"]) == set("qweadzxc")
    assert set(NEIGHBOURS["p"]) == set("ol")


def test_scripts_without_such_keys_are_left_as_they_are() -> None:
    assert perturbations.typed("где карта", rng()) == "где карта"
