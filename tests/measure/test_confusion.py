import numpy as np

from service.measure import confusion
from service.measure.confusion import Case


def rows(*spans: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(spans, dtype=np.int64).reshape(-1, 4)


def test_each_text_is_a_case_where_it_has_one_label() -> None:
    said = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])
    assert confusion.single_label(said, np.array([0, 1, 1])) == [
        Case(0, "right", 0, 0, 0.75),
        Case(1, "wrong label", 1, 0, 0.5),  # of equals the first
        Case(2, "right", 1, 1, 0.75),
    ]
    assert confusion.single_label(np.empty((0, 2)), np.empty(0, np.int64)) == []


def test_each_label_that_holds_or_was_decided_is_a_case() -> None:
    said = np.array([[0.75, 0.25], [0.5, 0.125]])
    true = np.array([[True, True], [False, False]])
    assert confusion.multi_label(said, said >= 0.5, true) == [
        Case(0, "right", 0, 0, 0.75),
        Case(0, "missed", 1, None, 0.25),
        Case(1, "spurious", None, 0, 0.5),
    ]


def test_spans_by_what_is_wrong_with_them() -> None:
    """A text for each: right, a character too long, of the other class, both, made up, missed."""
    truth = rows((0, 0, 3, 0), (1, 5, 9, 1), (2, 2, 4, 0), (3, 2, 6, 0), (5, 1, 2, 1))
    said = rows((0, 0, 3, 0), (1, 5, 10, 1), (2, 2, 4, 1), (3, 4, 8, 1), (4, 0, 1, 1))
    assert confusion.spans(said, np.array([0.5, 0.25, 0.75, 0.5, 1.0]), truth) == [
        Case(0, "right", 0, 0, 0.5, (0, 3), (0, 3)),
        Case(1, "wrong boundary", 1, 1, 0.25, (5, 9), (5, 10)),
        Case(2, "wrong label", 0, 1, 0.75, (2, 4), (2, 4)),
        Case(3, "wrong label and boundary", 0, 1, 0.5, (2, 6), (4, 8)),
        Case(4, "spurious", None, 1, 1.0, None, (0, 1)),
        Case(5, "missed", 1, None, None, (1, 2), None),
    ]


def test_a_span_goes_with_one_and_with_the_one_most_like_it() -> None:
    """Said 0–4 and 0–10 where 0–5 and 0–10 are true: 0–10 is right, and 0–4 takes what is left. A second one over what
    is taken is made up; a stretch that only touches has nothing in common; twice the same counts once."""
    truth = rows((0, 0, 5, 0), (0, 0, 10, 0), (1, 0, 4, 0), (2, 4, 8, 0))
    said = rows((0, 0, 4, 0), (0, 0, 10, 0), (1, 0, 3, 0), (1, 3, 4, 0), (2, 0, 4, 0), (2, 0, 4, 0))
    found = confusion.spans(said, np.full(6, 0.5), truth)
    assert [(one.example, one.kind, one.true_span, one.said_span) for one in found] == [
        (0, "wrong boundary", (0, 5), (0, 4)),
        (0, "right", (0, 10), (0, 10)),
        (1, "wrong boundary", (0, 4), (0, 3)),
        (1, "spurious", None, (3, 4)),
        (2, "spurious", None, (0, 4)),
        (2, "missed", (4, 8), None),
    ]
