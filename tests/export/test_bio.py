"""Spans as BIO tags: which tokens there are, and what becomes of spans that do not fit them."""

from typing import Any

import pytest

from service.errors import Invalid
from service.export import bio
from service.export.bio import Tally
from service.export.labels import Labeled
from service.records import Place


def span(start: int, end: int, label: str) -> Any:
    return {"start": start, "end": end, "label": label}


def tagged(text: str, *spans: Any) -> tuple[list[str], Tally]:
    tally = Tally()
    return [f"{token} {mark}{label or ''}" for token, mark, label in bio.tags(text, spans, tally)], tally


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in bio.tokens(text)]


def test_tokens_are_words_and_single_signs() -> None:
    assert words("Don't pay $3.50 to a_b…  naïve\n") == [
        *("Don", "'", "t", "pay", "$", "3", ".", "50", "to", "a_b", "…", "naïve"),
    ]
    assert words("cafe\u0301 नमस्ते \U0001f600!") == ["cafe\u0301", "नमस्ते", "\U0001f600", "!"]
    assert words("a\u2028b\x85c") == ["a", "b", "c"], "no token holds what some take for a line's end"
    assert words(" \n") == []


def test_a_span_begins_with_b_and_its_neighbour_too() -> None:
    found, tally = tagged("Ann Lee Bob sang", span(0, 7, "PER"), span(8, 11, "PER"))
    assert found == ["Ann BPER", "Lee IPER", "Bob BPER", "sang O"]
    assert tally == Tally(spans=2)


def test_the_longest_of_those_that_overlap_is_kept() -> None:
    """University of York (0-18) holds York (14-18); of two equally long ones the first is kept."""
    found, tally = tagged("University of York", span(0, 18, "ORG"), span(14, 18, "LOC"))
    assert found == ["University BORG", "of IORG", "York IORG"]
    assert tally == Tally(spans=2, left_out=1)
    found, tally = tagged("ab cd ef", span(0, 5, "A"), span(3, 8, "B"))
    assert found == ["ab BA", "cd IA", "ef O"]
    assert tally == Tally(spans=2, left_out=1)


def test_a_part_of_a_token_tags_all_of_it() -> None:
    """New (0-3) and York (3-7) are parts of one token: the longer has it."""
    found, tally = tagged("NewYork grows", span(0, 3, "A"), span(3, 7, "B"))
    assert found == ["NewYork BB", "grows O"]
    assert tally == Tally(spans=2, left_out=1, widened=1)
    found, tally = tagged("in  York ", span(2, 9, "LOC"))
    assert (found, tally) == (["in O", "York BLOC"], Tally(spans=1)), "white space is no token"
    assert tagged("a  b", span(1, 3, "X")) == (["a O", "b O"], Tally(spans=1, left_out=1))


def test_a_file_has_a_blank_line_behind_each_text() -> None:
    rows = [
        {"text": "To Ann.", "spans": [span(3, 6, "first name")]},
        {"text": "none", "spans": []},
    ]
    page = [Labeled(Place(0, at), row, ()) for at, row in enumerate(rows)]

    file, tally = bio.spooled(["first name"], [page, []])

    with file:
        assert file.read().decode() == "To O\nAnn B-first_name\n. O\n\nnone O\n\n"
    assert tally == Tally(spans=1)


def test_labels_that_would_be_one_tag() -> None:
    with pytest.raises(Invalid, match="'a b' and 'a_b' would both be 'a_b' in CoNLL"):
        bio.spooled(["a b", "a_b"], [])
