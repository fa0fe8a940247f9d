"""What an answer is, for each problem."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import answers
from service.answers import Answer, Span
from service.errors import Invalid
from service.records import HEADLINES, PROBLEMS

LABELS = ["sport", "law", "art"]


def span(start: int, end: int, label: str) -> Span:
    return {"start": start, "end": end, "label": label}


def test_everything_is_said_of_every_problem() -> None:
    assert PROBLEMS == ("single_label", "multi_label", "spans")
    assert set(PROBLEMS) == set(answers.FIELDS) == set(answers.WANTED) == set(HEADLINES)


def test_labels_come_in_the_campaigns_order_and_once() -> None:
    assert answers.check("multi_label", LABELS, ["art", "sport", "art"], None) == ["sport", "art"]
    assert answers.check("multi_label", LABELS, [], None) == []


def test_spans_come_in_order_and_once_and_may_overlap() -> None:
    given = [span(4, 6, "law"), span(0, 9, "art"), span(4, 6, "sport"), span(0, 2, "art"), span(4, 6, "law")]

    assert answers.check("spans", LABELS, given, 9) == [
        span(0, 2, "art"),
        span(0, 9, "art"),
        span(4, 6, "sport"),
        span(4, 6, "law"),
    ]
    assert answers.check("spans", LABELS, [], 9) == []


@pytest.mark.parametrize(
    ("problem", "answer", "length", "reason"),
    [
        ("single_label", "ugly", None, "the label 'ugly' is not one of the campaign's"),
        ("multi_label", ["law", "ugly"], None, "the label 'ugly' is not one of the campaign's"),
        ("spans", [span(0, 1, "ugly")], None, "the label 'ugly' is not one of the campaign's"),
        ("spans", [span(-1, 1, "law")], None, "start at 0 or more, and end after the start"),
        ("spans", [span(3, 3, "law")], None, "start at 0 or more, and end after the start"),
        ("spans", [span(3, 2, "law")], None, "start at 0 or more, and end after the start"),
        ("spans", [span(0, 6, "law")], 5, "ends beyond the text, which has 5 characters"),
    ],
)
def test_what_does_not_fit_the_campaign_or_the_text(
    problem: str, answer: Answer, length: int | None, reason: str
) -> None:
    with pytest.raises(Invalid, match=reason) as error:
        answers.check(problem, LABELS, answer, length)
    assert error.value.field == answers.FIELDS[problem]


def test_a_span_may_be_written_as_a_triple() -> None:
    given = [[0, 3, "law"], {"start": 4, "end": 6, "label": "art", "text": "more"}]
    assert answers.parse("spans", given) == [span(0, 3, "law"), span(4, 6, "art")]


@pytest.mark.parametrize(
    ("problem", "given", "reason"),
    [
        ("single_label", ["law"], "'label' is \\['law'\\]: give a string"),
        ("single_label", 3, "'label' is 3: give a string"),
        ("multi_label", "law", "'labels' is 'law': give a list of the campaign's labels"),
        ("multi_label", ["law", 3], "'labels' holds 3: give a list"),
        ("spans", {"start": 0}, "'spans' is {'start': 0}: give a list of objects {start, end, label}"),
        ("spans", [[0, 3]], "'spans' holds \\[0, 3\\]: give {start, end, label} or \\[start, end, label\\]"),
        ("spans", [{"start": 0, "end": 3}], "'spans' holds"),
        ("spans", [[0.0, 3, "law"]], "'spans' holds"),
        ("spans", [[False, True, "law"]], "'spans' holds"),
        ("spans", ["law"], "'spans' holds 'law'"),
    ],
)
def test_what_has_another_shape(problem: str, given: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        answers.parse(problem, given)


def test_how_an_answer_is_stored() -> None:
    assert answers.store("law") == "law"
    assert answers.store(["sport", "naïve"]) == '["sport","naïve"]'
    assert answers.store([]) == "[]"
    assert answers.store([span(0, 3, "law")]) == '[{"start":0,"end":3,"label":"law"}]'


def test_class_numbers() -> None:
    assert answers.coder("single_label", LABELS)("law") == 1
    assert answers.coder("multi_label", LABELS)('["sport","art"]') == (0, 2)
    assert answers.coder("multi_label", LABELS)("[]") == ()
    stored = answers.store([span(0, 3, "art"), span(2, 4, "law")])
    assert answers.coder("spans", LABELS)(stored) == ((0, 3, 2), (2, 4, 1))


def test_cells() -> None:
    assert answers.from_cell("multi_label", "sport|art") == ["sport", "art"]
    assert answers.from_cell("multi_label", "") == answers.from_cell("spans", "") == []
    assert answers.to_cell("multi_label", []) == answers.to_cell("single_label", None) == ""
    assert answers.to_cell("spans", []) == "[]"
    with pytest.raises(Invalid, match="'spans' is no JSON"):
        answers.from_cell("spans", "0-3 law")


labels = st.sampled_from(LABELS)
several = st.lists(labels)
stretches = st.lists(
    st.builds(
        lambda start, width, label: span(start, start + width, label),
        st.integers(0, 50),
        st.integers(1, 50),
        labels,
    )
)
pairs = (
    st.tuples(st.just("single_label"), labels)
    | st.tuples(st.just("multi_label"), several)
    | st.tuples(st.just("spans"), stretches)
)


@given(pairs)
def test_what_is_stored_is_read_and_what_was_checked_stays(given_: tuple[str, Answer]) -> None:
    problem, answer = given_
    checked = answers.check(problem, LABELS, answer, 100)

    assert answers.check(problem, LABELS, checked, 100) == checked
    assert answers.read(problem, answers.store(checked)) == checked
    cell = answers.to_cell(problem, checked)
    assert answers.parse(problem, answers.from_cell(problem, cell)) == checked
