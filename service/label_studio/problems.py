"""What each kind of problem is in Label Studio: the labeling page, a prediction shown, an answer read.

A problem is an object with `label_config`, `to_result` and `from_result`; `problem` makes it by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

from service.errors import Invalid

HOTKEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
FROM_NAME = "label"
TO_NAME = "text"
LIST_AT_MOST = 10
"""More labels than this flow in lines instead of one below the other, and can be searched."""


class Problem(Protocol):
    """One campaign's problem and labels, in Label Studio's terms."""

    def label_config(self) -> str:
        """The labeling page, as Label Studio's XML."""
        ...

    def to_result(self, answer: Any, confidence: float | None = None) -> list[dict[str, Any]]:
        """A prediction's result; None shows nothing, which is a blind task."""
        ...

    def from_result(self, result: Any) -> Any:
        """The answer in an annotation's result; raises Invalid when it is none."""
        ...


@dataclass(frozen=True)
class SingleLabel:
    """Exactly one of the labels for a text. The task's `data.text` is shown as it is, never as markup."""

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise Invalid(f"single_label needs two labels or more, not {len(self.labels)}", "labels")
        for label in self.labels:
            if not label or label != label.strip():
                raise Invalid(f"label {label!r} is empty or has spaces around it", "labels")
            if not label.isprintable():
                raise Invalid(f"label {label!r} holds a character that cannot be shown", "labels")
        shown = {_shown(label) for label in self.labels}
        if len(shown) < len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise Invalid(f"labels are given twice: {', '.join(twice)}", "labels")

    def label_config(self) -> str:
        """Hotkeys for the first 36 labels; more than ten labels flow in lines under a search field."""
        many = len(self.labels) > LIST_AT_MOST
        keys = [f" hotkey={quoteattr(key)}" for key in HOTKEYS] + [""] * len(self.labels)
        choices = [
            f"    <Choice value={quoteattr(_shown(label))}{key}/>"
            for label, key in zip(self.labels, keys, strict=False)
        ]
        search = (
            '  <Filter name="find" toName="label" minlength="0" placeholder="Find a label" hotkey="shift+f"/>'
        )
        return "\n".join(
            [
                "<View>",
                # valueType: a text that is an address is shown, not fetched
                f'  <Text name="{TO_NAME}" value="${TO_NAME}" valueType="text"/>',
                *([search] if many else []),
                f'  <Choices name="{FROM_NAME}" toName="{TO_NAME}" choice="single" required="true"'
                f' requiredMessage="Choose a label, or skip." layout="{"inline" if many else "vertical"}">',
                *choices,
                "  </Choices>",
                "</View>",
            ]
        )

    def to_result(self, answer: str | None, confidence: float | None = None) -> list[dict[str, Any]]:
        """`confidence`: the label's probability, 0..1; [] for None. Raises Invalid for another label."""
        if answer is None:
            return []
        if answer not in self.labels:
            raise Invalid(f"{answer!r} is none of the campaign's labels", "label")
        region: dict[str, Any] = {
            "from_name": FROM_NAME,
            "to_name": TO_NAME,
            "type": "choices",
            "value": {"choices": [_shown(answer)]},
        }
        return [region if confidence is None else region | {"score": confidence}]

    def from_result(self, result: Any) -> str:
        """The label chosen. Label Studio checks nothing that comes through its API: all is checked here."""
        if not isinstance(result, list) or not all(isinstance(region, dict) for region in result):
            raise Invalid(f"the result is no list of regions: {_short(result)}", "result")
        if not result:
            raise Invalid("the result is empty: no label was chosen", "result")
        if len(result) > 1:
            raise Invalid(f"the result has {len(result)} regions where one label is wanted", "result")
        region = result[0]
        if (region.get("from_name"), region.get("type")) != (FROM_NAME, "choices"):
            raise Invalid(f"the result is not of the {FROM_NAME!r} choices: {_short(region)}", "result")
        value = region.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise Invalid(f"the result holds no list of choices: {_short(region)}", "result")
        if len(choices) != 1:
            raise Invalid(
                f"{len(choices)} labels were chosen where one is wanted: {_short(choices)}", "result"
            )
        chosen = _given(choices[0])
        if chosen not in self.labels:
            raise Invalid(f"{_short(chosen)} is none of the campaign's labels", "result")
        return chosen


PROBLEMS = {"single_label": SingleLabel}


def problem(name: str, labels: Sequence[str]) -> Problem:
    """The problem of that name over these labels; raises Invalid for a name that is not known."""
    if name not in PROBLEMS:
        raise Invalid(f"problem {name!r} is not one of {', '.join(PROBLEMS)}", "problem")
    return PROBLEMS[name](tuple(labels))


# The editor replaces "$name" in a choice by the task's data; an invisible joiner after the sign stops it.
_JOINER = "\u2060"


def _shown(label: str) -> str:
    return label.replace("$", "$" + _JOINER)


def _given(shown: str) -> str:
    return shown.replace("$" + _JOINER, "$")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
