import uuid
from typing import Any
from xml.etree import ElementTree

import pytest

from service.errors import Invalid
from service.label_studio.annotator import Annotator
from service.label_studio.client import Client
from service.label_studio.problems import SingleLabel, problem
from service.label_studio.tasks import NewTask

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
    with pytest.raises(Invalid, match="problem 'poetry' is not one of single_label"):
        problem("poetry", ["a", "b"])


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
