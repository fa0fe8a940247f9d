"""Reading the labeling page and the settings of a project that people made."""

from typing import Any

import pytest

from service.errors import Invalid
from service.label_studio import adopted
from service.label_studio.adopted import Control, Page

CHOICES = """
<View>
  <Header value="What is it about?"/>
  <Text name="doc" value="$body"/>
  <Choices name="topic" toName="doc" choice="single" showInline="true">
    <Choice value="Sport" alias="sp" hotkey="1"/>
    <Choice value="Law &amp; order"/>
  </Choices>
</View>
"""
LABELS = """
<View>
  <Filter name="find" toName="ner"/>
  <Labels name="ner" toName="text"><Label value="Person" alias="PER" background="red"/><Label value="Place"/></Labels>
  <Text name="text" value="$text" granularity="word"/>
</View>
"""


def one(control: str, text: str = '<Text name="text" value="$text"/>') -> str:
    return f"<View>{text}{control}</View>"


def test_choices_are_one_label() -> None:
    assert adopted.read(CHOICES) == Control(
        CHOICES, "single_label", "body", "topic", "doc", {"Sport": "sp", "Law & order": "Law & order"}
    )


def test_multiple_choices_are_several_labels() -> None:
    page = CHOICES.replace('choice="single"', 'choice="multiple"')
    assert adopted.read(page).problem == "multi_label"


def test_labels_on_a_text_are_spans() -> None:
    assert adopted.read(LABELS) == Control(
        LABELS, "spans", "text", "ner", "text", {"Person": "PER", "Place": "Place"}
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("<View>", "is no XML"),
        ("<View/>", "has no control"),
        (one('<Taxonomy name="tree" toName="text"/>'), "'tree' (Taxonomy) cannot be served"),
        (
            one('<Rating name="stars" toName="text"/><TextArea name="why" toName="text"/>'),
            "has 2 controls ('stars' (Rating), 'why' (TextArea))",
        ),
        (
            one('<Relations/><Labels name="ner" toName="text"><Label value="a"/></Labels>'),
            "has 2 controls ('ner' (Labels), Relations)",
        ),
        (
            one('<Choices name="kind" toName="img"/>', '<Image name="img" value="$image"/>'),
            "'kind' (Choices) asks about 'img' (Image)",
        ),
        (one('<Choices name="kind" toName="other"/>'), "'kind' (Choices) asks about 'other', which is not"),
        (one('<Choices name="kind" toName="text" perRegion="true"/>'), "'kind' (Choices) has perRegion"),
        (
            one('<Choices name="kind" toName="text" value="$options"/>'),
            "takes its labels out of each task ($options)",
        ),
        (
            one(
                '<Choices name="kind" toName="text"><Choice value="a"><Choice value="b"/></Choice></Choices>'
            ),
            "has choices within its choice 'a'",
        ),
        (
            one('<Choices name="kind" toName="text"><Choice value="$name"/></Choices>'),
            "has a label '$name', which is not the same in every task",
        ),
        (
            one('<Choices name="kind" toName="text"><Choice value="a"/><Choice value="a"/></Choices>'),
            "has the label 'a' twice",
        ),
        (
            one('<Choices name="kind" toName="text"/>', '<Text name="text" value="$url" valueType="url"/>'),
            "whose text is fetched or decoded",
        ),
        (
            one('<Choices name="kind" toName="text"/>', '<Text name="text" value="$texts[0]"/>'),
            "asks about 'text' (Text) with the value '$texts[0]'",
        ),
    ],
)
def test_what_cannot_be_served_is_named(config: str, words: str) -> None:
    with pytest.raises(Invalid) as error:
        adopted.read(config)
    assert words in str(error.value)
    assert error.value.field == "adopt"


def test_answers_go_out_and_come_in_by_the_projects_own_names() -> None:
    page = Page.of(adopted.read(CHOICES))
    region = {"from_name": "topic", "to_name": "doc", "type": "choices", "value": {"choices": ["sp"]}}
    assert page.to_result("Sport") == [region]
    assert page.show({"label": "Sport", "confidence": 0.5}) == [region | {"score": 0.5}]
    assert page.from_result([region]) == "Sport"
    assert page.from_result([region | {"value": {"choices": ["Sport"]}}]) == "Sport"
    for wrong in (
        [region | {"from_name": "label"}],
        [region | {"value": {"choices": [["sp"]]}}],
        [region | {"value": None}],
        ["sp"],
        "sp",
        [],
    ):
        with pytest.raises(Invalid):
            page.from_result(wrong)


def test_spans_have_their_aliases_too() -> None:
    page = Page.of(adopted.read(LABELS))
    value = {"start": 0, "end": 3, "labels": ["PER"]}
    region = {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}
    span = {"start": 0, "end": 3, "label": "Person"}
    assert page.to_result([span]) == [region]
    assert page.from_result([region], "Ann lives in Rome") == [span]


def test_a_dollar_within_a_label_is_the_projects_own() -> None:
    config = one('<Choices name="c" toName="text"><Choice value="US$"/><Choice value="EUR"/></Choices>')
    page = Page.of(adopted.read(config))
    (region,) = page.to_result("US$")
    assert region["value"] == {"choices": ["US$"]}
    assert page.from_result([region]) == "US$"


BEFORE: dict[str, Any] = {
    "sampling": "Sequential sampling",
    "skip_queue": "REQUEUE_FOR_ME",
    "expert_instruction": "<b>Read</b>",
    "show_instruction": True,
    "model_version": "theirs",
}


def test_only_settings_that_the_project_has_are_changed() -> None:
    project = BEFORE | {"title": "Mine", "id": 3}
    assert adopted.kept(project) == BEFORE
    assert adopted.wanted(BEFORE, "") == {
        "sampling": "Uncertainty sampling",
        "skip_queue": "IGNORE_SKIPPED",
        "expert_instruction": "<b>Read</b>",
        "show_instruction": True,
    }
    assert adopted.wanted(BEFORE, "a < b")["expert_instruction"] == "a &lt; b"


def test_what_somebody_changed_meanwhile_stays() -> None:
    changed = adopted.wanted(BEFORE, "Think")
    now = BEFORE | changed | {"model_version": "postil-c1-7", "show_instruction": False}
    assert adopted.restored(BEFORE, changed, now, "postil-c1-") == {
        "sampling": "Sequential sampling",
        "skip_queue": "REQUEUE_FOR_ME",
        "expert_instruction": "<b>Read</b>",
        "model_version": "theirs",
    }
    assert "model_version" not in adopted.restored(
        BEFORE, changed, now | {"model_version": "v2"}, "postil-c1-"
    )
