"""Answers through changes of labels: what each means today, or that it may mean any of several labels."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from service import answers, vocabulary
from service.answers import Answer
from service.errors import Conflict, Invalid
from service.records import LabelChange
from service.vocabulary import MARK, Vocabulary, changed

Change = tuple[list[str], list[str]]
ADD, RENAME, MERGE, SPLIT = ([], ["d"]), (["a"], ["x"]), (["a", "b"], ["b"]), (["a"], ["a", "e"])


def after(problem: str, *changes: Change, labels: str = "abc") -> Vocabulary:
    """A campaign's labels a, b and c after changes."""
    before, made = list(labels), []
    for old, new in changes:
        made.append(LabelChange(old, new, before, 0.0, 0, 0, 0, 0))
        before = changed(before, old, new)
    return Vocabulary(problem, tuple(before), tuple(made))


def span(start: int, label: str) -> Any:
    return {"start": start, "end": start + 2, "label": label}


@pytest.mark.parametrize(
    ("change", "labels"),
    [(ADD, "abcd"), (RENAME, "xbc"), (MERGE, "bc"), (SPLIT, "aebc"), ((["c", "b"], ["m"]), "am")],
)
def test_new_labels_stand_where_the_first_of_the_old_ones_was(change: Change, labels: str) -> None:
    assert changed("abc", *change) == list(labels)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (["z"], ["y"], "no label 'z'"),
        (["a"], ["b"], "a label 'b' already"),
        ([], ["a"], "a label 'a' already"),
        (["a"], ["a"], "would stay"),
        (["a", "a"], ["d"], "named twice"),
        (["a"], ["d", "d"], "named twice"),
        (["a", "b"], ["d", "e"], "one is split"),
        ([], ["d", "e"], "one is split"),
        (["a"], [], "one is split"),
        (["a", "b"], ["c"], "a label 'c' already"),
    ],
)
def test_what_is_no_change(old: list[str], new: list[str], words: str) -> None:
    with pytest.raises((Invalid, Conflict), match=words):
        changed(["a", "b", "c"], old, new)


@pytest.mark.parametrize(
    ("problem", "answer", "change", "today"),
    [
        ("single_label", "a", ADD, "a"),
        ("single_label", "a", RENAME, "x"),
        ("single_label", "a", MERGE, "b"),
        ("single_label", "a", SPLIT, None),
        ("single_label", "c", SPLIT, "c"),
        ("multi_label", ["a", "c"], ADD, ["a", "c"]),
        ("multi_label", ["a", "c"], RENAME, ["x", "c"]),
        ("multi_label", ["a", "b"], MERGE, ["b"]),
        ("multi_label", ["a", "c"], SPLIT, None),
        ("multi_label", [], SPLIT, []),
        ("multi_label", ["a", "c"], (["b", "c"], ["b"]), ["a", "b"]),
        ("spans", [span(0, "a"), span(3, "b")], RENAME, [span(0, "x"), span(3, "b")]),
        ("spans", [span(0, "a"), span(0, "b")], MERGE, [span(0, "b")]),
        ("spans", [span(0, "a")], SPLIT, None),
        ("spans", [span(3, "c")], SPLIT, [span(3, "c")]),
        ("spans", [], SPLIT, []),
    ],
)
def test_an_answer_through_one_change(
    problem: str, answer: Answer, change: Change, today: Answer | None
) -> None:
    assert after(problem, change).read(answers.store(answer)) == today


def test_changes_are_composed() -> None:
    words = after("single_label", RENAME, (["x", "b"], ["m"]), (["c"], ["c", "d"]), (["d"], ["e"]))
    assert words.labels == ("m", "c", "e")
    assert [words.read(one) for one in ("a", "b", "x", "m", "c", "d", "e")] == ["m"] * 4 + [None, "e", "e"]


def test_a_name_that_comes_again_has_a_code_of_its_own() -> None:
    """Given a split of which one part keeps the name, and a name that is given back, then an answer says which label of
    that name it means; what others are merged into is what it was."""
    words = after("single_label", SPLIT, RENAME, (["x"], ["a"]), (["b", "c"], ["b"]))
    assert words.labels == ("a", "e", "b")
    assert words.codes == ("a" + 2 * MARK, "e", "b")
    assert {code: words.read(code) for code in words.ever} == {
        "a": None,
        "b": "b",
        "c": "b",
        "a" + MARK: "a",
        "e": "e",
        "x": "a",
        "a" + 2 * MARK: "a",
    }
    assert words.coded("a") == words.codes[0]


def test_answers_go_into_codes_and_back() -> None:
    for problem, answer in (("multi_label", ["a", "b"]), ("spans", [span(0, "a"), span(0, "b")])):
        words = after(problem, SPLIT)
        coded = words.coded(answer)  # type: ignore[arg-type]
        assert coded != answer
        assert words.read(answers.store(coded)) == answer


def test_pre_annotations_name_no_label_that_is_gone() -> None:
    one = after("single_label", MERGE, (["c"], ["e", "f"]))
    assert one.shown({"round": 1, "label": "a", "confidence": 0.9}) == {
        "round": 1,
        "label": "b",
        "confidence": 0.9,
    }
    assert one.shown({"round": 1, "label": "c", "confidence": 0.9}) is None
    several = after("multi_label", MERGE, (["c"], ["c", "f"]))
    shown = {"round": 1, "labels": ["a", "b", "c"], "confidences": {"a": 0.6, "b": 0.8, "c": 0.9}}
    assert several.shown(shown) == {"round": 1, "labels": ["b"], "confidences": {"b": 0.8}}
    spans = after("spans", (["b"], ["b", "f"]), RENAME)
    found = {"spans": [span(0, "a") | {"confidence": 0.5}, span(4, "b") | {"confidence": 0.6}]}
    assert spans.shown(found) == {"spans": [span(0, "x") | {"confidence": 0.5}]}
    new = {"label": "b" + MARK}
    assert after("single_label", (["b"], ["b", "f"])).current(new) == new


def test_columns_of_an_earlier_model() -> None:
    """Given .5, .3 and .2 of a, b and c: an added label has none, merged ones their sum or the greatest, and all that
    was said of a split one goes to its first part."""
    said = np.array([[0.5, 0.3, 0.2]])
    for change, single, several in [
        (ADD, [0.5, 0.3, 0.2, 0.0], [0.5, 0.3, 0.2, 0.0]),
        (RENAME, [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]),
        (MERGE, [0.8, 0.2], [0.5, 0.2]),
        ((["c"], ["e", "f"]), [0.5, 0.3, 0.2, 0.0], [0.5, 0.3, 0.2, 0.0]),
    ]:
        columns = after("single_label", change).columns(0)
        assert columns.shares("single_label", said).tolist() == [pytest.approx(single)]
        assert columns.shares("multi_label", said).tolist() == [pytest.approx(several)]
    split = after("single_label", ([], ["d"]), (["a"], ["e", "a"]), (["c", "d"], ["c"]))
    columns = split.columns(0)
    assert (split.labels, columns.to, columns.unsure) == (("e", "a", "b", "c"), (0, 2, 3), {0, 1})
    assert columns.thresholds([0.4, 0.5, 0.6]) == (0.4, 1.0, 0.5, 0.6)
    assert columns.classes(np.array([2, 0])).tolist() == [3, 0]
    assert split.columns(1).to == (0, 2, 3, 3)
    assert split.columns(2).unsure == frozenset()
    assert split.columns(3).to == (0, 1, 2, 3)


def test_columns_follow_one_after_the_other() -> None:
    """Given any changes, then columns through all of them are those through one after the other."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        changes: list[Change] = []
        for number in range(6):
            labels = after("single_label", *changes).labels
            old = rng.choice(labels, size=min(len(labels), int(rng.integers(3))), replace=False).tolist()
            new = [f"n{number}"] + ([f"m{number}", old[0]] if len(old) == 1 and rng.random() < 0.5 else [])
            changes.append((old, new))
        words = after("single_label", *changes)
        said = rng.dirichlet(np.ones(3), size=4)
        step = said
        for at, _ in enumerate(changes):
            step = after("single_label", *changes[: at + 1]).columns(at).shares("single_label", step)
        assert np.allclose(words.columns(0).shares("single_label", said), step)
        assert np.allclose(step.sum(axis=1), 1)
        assert len(set(words.ever)) == len(words.ever)
        starts = [len(after("single_label", *changes[:at]).ever) for at in range(len(changes) + 1)]
        assert all(more >= fewer for fewer, more in pairwise(starts))
        for label, code in zip(words.labels, words.codes, strict=True):
            assert words.read(code) == label


def test_a_campaign_without_changes_has_its_labels_for_codes() -> None:
    words = vocabulary.Vocabulary("single_label", ("a", "b"))
    assert (words.codes, words.ever, words.read("a")) == (("a", "b"), ("a", "b"), "a")
    assert words.columns(0).to == (0, 1)
