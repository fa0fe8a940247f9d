"""A project that people made: what its labeling page asks, and the settings that serving a queue in it changes.

The labeling page is read as XML, by Python's own parser: Label Studio's SDK leaves out what decides here, such as how
many choices one may make.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec

from service.errors import Invalid
from service.label_studio import problems
from service.label_studio.client import SERVING, instructing
from service.label_studio.problems import FROM_NAME, TO_NAME, Problem, Region

OPTIONS = {"Choices": "Choice", "Labels": "Label"}
"""Controls that can be served, and the tag of their labels."""
HELPERS = ("Filter",)
"""They name a control or an object, and give no answer."""
SET = {name: value for name, value in SERVING.items() if name != "show_skip_button"} | {
    "show_overlap_first": False,
    "annotator_evaluation_enabled": False,  # tasks with a ground truth would come first
}
"""What an adopted project is set to while it is served, beside its model version."""
KEPT = (*SET, "expert_instruction", "show_instruction", "model_version")
"""Settings that are written down before any is changed."""
_FIELD = re.compile(r"\$(\w+)")
_VARIABLE = re.compile(r"\$\w")


class Control(msgspec.Struct, frozen=True):
    """What a labeling page asks, as far as one campaign can serve it."""

    config: str
    problem: str
    field: str
    """Of the task's data: the text."""
    from_name: str
    to_name: str
    names: dict[str, str]
    """Of each label, in order, what stands for it in answers: its alias, else itself."""


def read(config: str) -> Control:
    """What the labeling page asks; raises Invalid, with the control's name, where that cannot be served."""
    try:
        page = ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise Invalid(f"the project's labeling page is no XML ({error})", "adopt") from None
    controls = [one for one in page.iter() if one.get("toName") and one.tag not in HELPERS]
    controls += page.findall(".//Relations")
    if not controls:
        raise Invalid("the project's labeling page has no control: it asks nothing", "adopt")
    told = ", ".join(_named(one) for one in controls)
    if len(controls) > 1:
        raise Invalid(
            f"the project's labeling page has {len(controls)} controls ({told}), and a campaign asks one thing: "
            "adopt a project whose page has one Choices, or one Labels, on a Text",
            "adopt",
        )
    control = controls[0]

    def refuse(why: str) -> Invalid:
        return Invalid(
            f"the control {told} {why}: a campaign serves Choices, or Labels, on a plain Text", "adopt"
        )

    if control.tag not in OPTIONS:
        raise refuse("cannot be served")
    for attribute in ("perRegion", "perItem"):
        if control.get(attribute, "false").lower() == "true":
            raise refuse(f"has {attribute}")
    if control.get("value"):
        raise refuse(f"takes its labels out of each task ({control.get('value')})")
    target = control.get("toName", "")
    objects = [one for one in page.iter() if one.get("name") == target]
    if len(objects) != 1:
        raise refuse(f"asks about {target!r}, which is not one object of the page")
    text = objects[0]
    field = _FIELD.fullmatch(text.get("value", ""))
    if text.tag != "Text" or field is None:
        raise refuse(f"asks about {_named(text)} with the value {text.get('value')!r}")
    if text.get("valueType", "text") != "text" or text.get("encoding", "none") != "none":
        raise refuse(f"asks about {_named(text)}, whose text is fetched or decoded")
    many = control.get("choice", "single") == "multiple"
    problem = "spans" if control.tag == "Labels" else "multi_label" if many else "single_label"
    return Control(config, problem, field[1], control.get("name", ""), target, _names(control, refuse))


def _names(control: Element, refuse: Callable[[str], Invalid]) -> dict[str, str]:
    tag = OPTIONS[control.tag]
    names: dict[str, str] = {}
    for option in control.iter(tag):
        label = option.get("value", "")
        if option.find(f".//{tag}") is not None:
            raise refuse(f"has choices within its choice {label!r}")
        if not label or _VARIABLE.search(label):
            raise refuse(f"has a label {label!r}, which is not the same in every task")
        if label in names:
            raise refuse(f"has the label {label!r} twice")
        names[label] = option.get("alias") or label
    return names


def _named(tag: Element) -> str:
    return f"{tag.get('name')!r} ({tag.tag})" if tag.get("name") else str(tag.tag)


@dataclass(frozen=True)
class Page:
    """A `Problem` in the project's own terms: its names for the control and the text, and its aliases."""

    control: Control
    inner: Problem

    @classmethod
    def of(cls, control: Control) -> "Page":
        return cls(control, problems.problem(control.problem, list(control.names)))

    def label_config(self) -> str:
        return self.control.config

    def to_result(self, answer: Any, confidence: Any = None) -> list[Region]:
        return [self._out(region) for region in self.inner.to_result(answer, confidence)]

    def show(self, prediction: Mapping[str, Any]) -> list[Region]:
        return [self._out(region) for region in self.inner.show(prediction)]

    def from_result(self, result: Any, text: str | None = None) -> Any:
        """A label may be said by its alias, or, as before it had one, by itself."""
        regions = result if isinstance(result, list) else []
        for region in regions:
            if isinstance(region, dict) and region.get("from_name") != self.control.from_name:
                raise Invalid(
                    f"the result is not of the control {self.control.from_name!r}: {region.get('from_name')!r}",
                    "result",
                )
        return self.inner.from_result([self._in(one) for one in regions] if regions else result, text)

    def _out(self, region: Region) -> Region:
        names = {problems.escaped(label): token for label, token in self.control.names.items()}
        own = {"from_name": self.control.from_name, "to_name": self.control.to_name}
        return _renamed(region, names) | own

    def _in(self, region: Any) -> Any:
        if not isinstance(region, dict):
            return region
        names = {token: problems.escaped(label) for label, token in self.control.names.items()}
        return _renamed(region, names) | {"from_name": FROM_NAME, "to_name": TO_NAME}


def _renamed(region: Region, names: Mapping[str, str]) -> Region:
    value = region.get("value")
    if not isinstance(value, dict):
        return region

    def each(labels: Any) -> Iterator[Any]:
        return (names.get(label, label) if isinstance(label, str) else label for label in labels)

    new = {key: [*each(value[key])] for key in ("choices", "labels") if isinstance(value.get(key), list)}
    return {**region, "value": {**value, **new}}


def kept(project: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a project that may be changed, as they are; an older Label Studio lacks the one or other."""
    return {name: project[name] for name in KEPT if name in project}


def wanted(before: Mapping[str, Any], words: str) -> dict[str, Any]:
    """The settings that serving needs; with an instruction of the campaign's own where it has `words`."""
    values = {name: value for name, value in SET.items() if name in before}
    return values | asked(before, words)


def asked(before: Mapping[str, Any], words: str) -> dict[str, Any]:
    """What annotators read: the campaign's instruction, else the project's own."""
    if words:
        return instructing(words)
    return {name: before[name] for name in ("expert_instruction", "show_instruction") if name in before}


def restored(
    before: Mapping[str, Any], changed: Mapping[str, Any], now: Mapping[str, Any], versions: str
) -> dict[str, Any]:
    """What is to be set so that the project is as `before`: what somebody changed since stays as they have it.

    `changed`: as they were set. `versions`: what names of our model versions begin with.
    """
    values = {
        name: before[name]
        for name in changed
        if name in before and now.get(name) == changed[name] and now.get(name) != before[name]
    }
    if str(now.get("model_version") or "").startswith(versions):
        values["model_version"] = before.get("model_version") or ""
    return values
