import uuid
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import answers
from service.answers import Answer, Span
from service.errors import Invalid
from service.label_studio.annotator import Annotator
from service.label_studio.client import Client
from service.label_studio.problems import KINDS, MultiLabel, SingleLabel, Spans, colour, problem
from service.label_studio.tasks import NewTask
from service.records import PROBLEMS
from service.vocabulary import changed

STRANGE = (
    "pos & <neg>",
    "\"double\" 'single'",
    "$text",
    "US$ 5 for A$AP",
    "Ünï → 5 €",
    "{{x}}",
    "-->",
    "100 %",
)


def region(**changes: Any) -> dict[str, Any]:
    return {
        "from_name": "label",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["good"]},
    } | changes


def test_a_few_labels_are_listed_with_hotkeys(moods: SingleLabel) -> None:
    view = ElementTree.fromstring(moods.label_config())

    text, choices = view
    assert text.attrib == {"name": "text", "value": "$text", "valueType": "text"}
    assert (choices.attrib["choice"], choices.attrib["required"], choices.attrib["layout"]) == (
        "single",
        "true",
        "vertical",
    )
    assert [choice.attrib for choice in choices] == [
        {"value": "good", "hotkey": "1"},
        {"value": "bad", "hotkey": "2"},
    ]


def test_many_labels_flow_and_can_be_searched() -> None:
    view = ElementTree.fromstring(SingleLabel(tuple(f"label {i}" for i in range(77))).label_config())

    _, search, choices = view
    assert (search.tag, search.attrib["toName"]) == ("Filter", "label")
    assert choices.attrib["layout"] == "inline"
    keys = [choice.attrib.get("hotkey") for choice in choices]
    assert "".join(key for key in keys if key) == "1234567890abcdefghijklmnopqrstuvwxyz"
    assert keys[36:] == [None] * 41


@pytest.mark.parametrize("kind", PROBLEMS)
def test_hotkeys_stay_where_they_are_when_a_label_is_added(kind: str) -> None:
    """Digits, then letters; whoever has learned a key by heart finds the same label there."""

    def keys(labels: list[str]) -> dict[str, str]:
        page = ElementTree.fromstring(problem(kind, labels).label_config())
        options = [one.attrib for one in page.iter() if one.tag in ("Choice", "Label")]
        return {one["value"]: one["hotkey"] for one in options}

    labels = [f"label {at}" for at in range(10)]
    before, after = keys(labels), keys(changed(labels, [], ["one more"]))

    assert "".join(before.values()) == "1234567890"
    assert after == before | {"one more": "a"}


def test_a_prediction_carries_the_label_and_its_probability(moods: SingleLabel) -> None:
    assert moods.to_result("good", 0.75) == [region(score=0.75)]
    assert moods.to_result("good") == [region()]


def test_a_blind_task_shows_nothing(moods: SingleLabel) -> None:
    assert moods.to_result(None) == []


def test_another_label_cannot_be_predicted(moods: SingleLabel) -> None:
    with pytest.raises(Invalid, match="'ugly' is none of the campaign's labels"):
        moods.to_result("ugly", 0.5)


@pytest.mark.parametrize("label", STRANGE)
def test_what_is_predicted_is_read_back(label: str) -> None:
    strange = problem("single_label", STRANGE)

    assert strange.from_result(strange.to_result(label, 0.5)) == label


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "no list of regions: None"),
        ({}, "no list of regions: {}"),
        ("good", "no list of regions: 'good'"),
        (["good"], "no list of regions"),
        ([], "empty: no label was chosen"),
        ([region(), region()], "2 regions"),
        ([{"foo": 1}], "not of the 'label' choices: {'foo': 1}"),
        ([region(from_name="other")], "not of the 'label' choices"),
        ([region(type="labels")], "not of the 'label' choices"),
        ([region(value=None)], "no list of choices"),
        ([region(value={"choices": "good"})], "no list of choices"),
        ([region(value={"choices": [1]})], "no list of choices"),
        ([region(value={"choices": []})], "0 labels were chosen where one is wanted"),
        (
            [region(value={"choices": ["good", "bad"]})],
            "2 labels were chosen where one is wanted: \\['good', 'bad'\\]",
        ),
        ([region(value={"choices": ["ugly"]})], "'ugly' is none of the campaign's labels"),
    ],
)
def test_what_is_no_answer_is_refused_with_the_reason(moods: SingleLabel, result: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        moods.from_result(result)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (("one",), "two labels or more, not 1"),
        (("a", "b", "a"), "given twice: a"),
        (("a", ""), "'' is empty"),
        (("a", " b"), "' b' is empty or has spaces around it"),
        (("a", "b\nc"), "cannot be shown"),
    ],
)
def test_labels_that_cannot_work_are_refused(labels: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as error:
        SingleLabel(labels)
    assert error.value.field == "labels"


def test_a_problem_that_is_not_known_is_refused() -> None:
    with pytest.raises(Invalid, match="problem 'poetry' is not one of single_label, multi_label, spans"):
        problem("poetry", ["a", "b"])


TOPICS = MultiLabel(("sport", "law", "$art & <co>"))
ENTITIES = Spans(("PER", "LOC", "$x"))


def marked(start: Any, end: Any, *labels: Any, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": list(labels)} | more
    return {"from_name": "label", "to_name": "text", "type": "labels", "value": value}


def span(start: int, end: int, label: str) -> Span:
    return {"start": start, "end": end, "label": label}


def test_every_problem_has_its_kind() -> None:
    assert tuple(KINDS) == PROBLEMS


def test_several_labels_can_be_chosen_or_none() -> None:
    view = ElementTree.fromstring(TOPICS.label_config())

    text, choices = view
    assert text.attrib["valueType"] == "text"
    assert (choices.attrib["choice"], choices.attrib.get("required")) == ("multiple", None)
    assert [choice.attrib["hotkey"] for choice in choices] == ["1", "2", "3"]


def test_labels_to_mark_a_text_with_stand_above_it_in_colours() -> None:
    view = ElementTree.fromstring(ENTITIES.label_config())

    labels, text = view
    assert (labels.tag, labels.attrib) == ("Labels", {"name": "label", "toName": "text"})
    assert text.attrib == {"name": "text", "value": "$text", "valueType": "text", "showLabels": "true"}
    assert [label.attrib["hotkey"] for label in labels] == ["1", "2", "3"]
    assert [label.attrib["background"] for label in labels] == [colour(at) for at in range(3)]
    many = ElementTree.fromstring(Spans(tuple(f"kind {i}" for i in range(40))).label_config())
    assert [part.tag for part in many] == ["Filter", "Labels", "Text"]
    assert [label.attrib.get("hotkey") for label in many[1]][35:37] == ["z", None]


def test_colours_can_be_told_apart() -> None:
    def rgb(at: int) -> list[int]:
        return [int(colour(at)[place : place + 2], 16) for place in (1, 3, 5)]

    for a, b in combinations(range(20), 2):
        assert sum(abs(x - y) for x, y in zip(rgb(a), rgb(b), strict=True)) > 50, (a, b)


def test_a_prediction_of_several_labels_carries_its_lowest_probability() -> None:
    shown = TOPICS.show({"round": 3, "labels": ["law", "sport"], "confidences": {"sport": 0.9, "law": 0.6}})

    assert shown == [region(value={"choices": ["sport", "law"]}, score=0.6)]
    assert TOPICS.show({"round": 3, "labels": [], "confidences": {"sport": 0.1}}) == []
    assert TOPICS.to_result(None) == []


def test_a_prediction_of_spans_carries_the_confidence_of_each() -> None:
    spans = [span(2, 5, "PER") | {"confidence": 0.9}, span(2, 9, "$x") | {"confidence": 0.4}]

    assert ENTITIES.show({"round": 3, "spans": spans}) == [
        marked(2, 5, "PER") | {"score": 0.9},
        marked(2, 9, "$\u2060x") | {"score": 0.4},
    ]
    assert ENTITIES.show({"round": 3, "spans": []}) == ENTITIES.to_result(None) == []


def test_a_prediction_of_one_label() -> None:
    moods = SingleLabel(("good", "bad"))
    assert moods.show({"round": 3, "label": "good", "confidence": 0.75}) == [region(score=0.75)]


def test_what_cannot_be_predicted() -> None:
    with pytest.raises(Invalid, match="the label 'ugly' is not one of the campaign's"):
        TOPICS.to_result(["ugly"])
    with pytest.raises(Invalid, match="end after the start"):
        ENTITIES.to_result([span(3, 3, "PER")])


def test_nothing_chosen_is_an_answer_where_none_may_hold() -> None:
    assert TOPICS.from_result([]) == TOPICS.from_result([region(value={"choices": []})]) == []
    assert ENTITIES.from_result([], "text") == []


def test_a_region_with_several_labels_is_a_span_for_each() -> None:
    result = [marked(4, 9, "LOC", "PER"), marked(0, 2, "PER", text="an")]
    assert ENTITIES.from_result(result, "an older text") == [
        span(0, 2, "PER"),
        span(4, 8, "PER"),  # "lder ", less the space
        span(4, 8, "LOC"),
    ]


def test_white_space_at_the_ends_is_left_out() -> None:
    text = " a\n \U0001f600 b  "
    assert ENTITIES.from_result([marked(0, 8, "PER"), marked(2, 4, "LOC")], text) == [
        span(1, 7, "PER"),
        span(2, 4, "LOC"),  # nothing else: it stays
    ]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "no list of regions: None"),
        ([region(), region()], "2 regions where one is wanted"),
        ([marked(0, 1, "law")], "not of the 'label' choices"),
        ([region(value={})], "no list of choices"),
        ([region(value={"choices": ["sport", "ugly"]})], "'ugly' is none of the campaign's labels"),
    ],
)
def test_what_is_no_answer_of_labels(result: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        TOPICS.from_result(result, "text")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("Bob", "no list of regions"),
        ([{"type": "relation", "from_id": "a", "to_id": "b"}], "not of the 'label' labels"),
        ([region()], "not of the 'label' labels"),
        ([marked(0, 1)], "whole start and end, and a label"),
        ([marked(0, 1) | {"value": None}], "whole start and end, and a label"),
        ([marked(0, 1, "ugly")], "'ugly' is none of the campaign's labels"),
        ([marked(0, 1, 7)], "7 is none of the campaign's labels"),
        ([marked("0", 1, "PER")], "whole start and end"),
        ([marked(0.0, 1, "PER")], "whole start and end"),
        ([marked(False, True, "PER")], "whole start and end"),
        ([marked(1, 1, "PER")], "end after the start"),
        ([marked(-1, 1, "PER")], "start at 0 or more"),
        ([marked(0, 6, "PER")], "beyond the text, which has 5 characters"),
        # somebody who counts UTF-16: the emoji as two
        ([marked(3, 6, "PER", text="Bob")], "quotes 'Bob', but characters 3 to 6 are 'ob'"),
    ],
)
def test_what_is_no_answer_of_spans(result: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        ENTITIES.from_result(result, "\U0001f600 Bob")


def test_labels_of_the_other_problems() -> None:
    assert MultiLabel(("spam",)).labels == Spans(("spam",)).labels == ("spam",)
    with pytest.raises(Invalid, match="multi_label needs a label or more, not 0"):
        MultiLabel(())
    with pytest.raises(Invalid, match="spans needs a label or more, not 0"):
        Spans(())
    with pytest.raises(Invalid, match=r"'a\|b' holds '\|', which stands between labels in CSV"):
        MultiLabel(("a|b",))


spans = st.builds(
    lambda start, width, label: span(start, start + width, label),
    st.integers(0, 30),
    st.integers(1, 9),
    st.sampled_from(ENTITIES.labels),
)


@given(st.lists(spans), st.text("a\u0301\U0001f600", min_size=40))
def test_spans_that_are_shown_come_back(given_: list[Span], text: str) -> None:
    assert ENTITIES.from_result(ENTITIES.to_result(given_), text) == answers.check(
        "spans", ENTITIES.labels, given_, len(text)
    )


@given(st.lists(st.sampled_from(TOPICS.labels)))
def test_labels_that_are_shown_come_back(given_: list[str]) -> None:
    assert TOPICS.from_result(TOPICS.to_result(given_)) == [one for one in TOPICS.labels if one in given_]


TEXT = "\U0001f600 Cafe\u0301 Bob,\r\nin \U0001f468\u200d\U0001f469\u200d\U0001f467 Paris"
BOB, PARIS = TEXT.index("Bob"), TEXT.index("Paris")


@pytest.mark.parametrize(
    ("kind", "prediction", "given_"),
    [
        (
            TOPICS,
            {
                "labels": ["sport", "$art & <co>"],
                "confidences": {"sport": 0.9, "$art & <co>": 0.6, "law": 0.1},
            },
            ["law", "$art & <co>"],
        ),
        (
            ENTITIES,
            {"spans": [span(BOB, BOB + 3, "PER") | {"confidence": 0.9}]},
            [span(2, 7, "$x"), span(BOB, BOB + 3, "PER"), span(PARIS, PARIS + 5, "LOC")],
        ),
    ],
)
def test_answers_go_through_label_studio(
    client: Client, ann: Annotator, kind: Any, prediction: dict[str, Any], given_: Answer
) -> None:
    """Label Studio's strict check takes what is shown; what is answered comes back, and so does nothing at all."""
    project = client.ensure_project("Kind", kind.label_config(), "", f"postil:{uuid.uuid4()}")
    shown = kind.show(prediction)
    client.import_tasks(
        project,
        [
            NewTask({"text": TEXT, "ext_id": "accepted"}, "r0", 0.1, shown),
            NewTask({"text": TEXT, "ext_id": "changed"}, "r0", 0.2, shown),
            NewTask({"text": TEXT, "ext_id": "blind"}, "r0", 0.3, []),
            NewTask({"text": TEXT, "ext_id": "skipped"}, "r0", 0.4, shown),
        ],
    )
    for answer in (None, kind.to_result(given_), [], "skip"):
        task = ann.next(project)
        assert task is not None
        assert task.shown is not None
        if answer == "skip":
            ann.skip(task)
        else:
            ann.submit(task, task.shown.result if answer is None else answer, 1.0)

    found = {
        task.ext_id: task.annotations[0] for page in client.changed_tasks(project, None) for task in page
    }
    accepted = kind.from_result(shown, TEXT)
    assert kind.from_result(found["accepted"].result, TEXT) == accepted
    assert kind.from_result(found["changed"].result, TEXT) == given_
    assert kind.from_result(found["blind"].result, TEXT) == []
    assert found["skipped"].was_cancelled
    assert [one["score"] for one in found["accepted"].result] == [one["score"] for one in shown]


def test_strange_labels_round_trip_through_label_studio(client: Client, ann: Annotator) -> None:
    """The strict check takes each label in a prediction, and an answer comes back as given."""
    strange = SingleLabel(STRANGE)
    project = client.ensure_project("Strange", strange.label_config(), "", f"postil:{uuid.uuid4()}")
    client.import_tasks(
        project,
        [
            NewTask({"text": label, "ext_id": label}, "r0", i / 10, strange.to_result(label, 0.5))
            for i, label in enumerate(STRANGE)
        ],
    )

    while task := ann.next(project):
        assert task.shown is not None
        ann.submit(task, task.shown.result, 1.0)

    answers = {
        task.ext_id: strange.from_result(task.annotations[0].result)
        for page in client.changed_tasks(project, None)
        for task in page
    }
    assert answers == {label: label for label in STRANGE}
    assert set(client.find_tasks(project, STRANGE)) == set(STRANGE)


def test_what_label_studio_lets_through_is_caught_on_the_way_in(
    client: Client, project: int, ann: Annotator, moods: SingleLabel
) -> None:
    client.import_tasks(
        project, [NewTask({"text": str(i), "ext_id": str(i)}, "r0", i / 10, []) for i in range(3)]
    )
    bogus: list[list[dict[str, Any]]] = [[], [{"foo": 1}], [region(value={"choices": ["ugly"]})]]
    for result in bogus:
        task = ann.next(project)
        assert task is not None
        ann.submit(task, result, 1.0)

    results = {
        task.ext_id: task.annotations[0].result
        for page in client.changed_tasks(project, None)
        for task in page
    }

    assert results == {"0": bogus[0], "1": bogus[1], "2": bogus[2]}
    for result in results.values():
        with pytest.raises(Invalid):
            moods.from_result(result)
