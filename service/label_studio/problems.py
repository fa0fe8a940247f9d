"""What each kind of problem is in Label Studio: the labeling page, a prediction shown, an answer read.

A problem is an object with `label_config`, `to_result`, `show` and `from_result`; `problem` makes it by name. Offsets
go in and out as they are: the editor counts code points, as Python does, also behind an emoji, a combining character
or a line's end (tests/label_studio/test_editor.py looks at it in a browser).
"""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from xml.sax.saxutils import quoteattr

from service import answers
from service.answers import SEPARATOR, Span
from service.errors import Invalid
from service.vocabulary import MARK

HOTKEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
FROM_NAME = "label"
TO_NAME = "text"
LIST_AT_MOST = 10
"""More labels than this flow in lines instead of one below the other, and can be searched."""
GOLDEN = 0.6180339887498949
"""Steps of this around the circle of hues keep every next one far from all before (the golden angle)."""

Region = dict[str, Any]


class Problem(Protocol):
    """One campaign's problem and labels, in Label Studio's terms."""

    def label_config(self) -> str:
        """The labeling page, as Label Studio's XML."""
        ...

    def to_result(self, answer: Any, confidence: Any = None) -> list[Region]:
        """The result that says `answer`; raises Invalid where it is none. None gives [], which is a blind task."""
        ...

    def show(self, prediction: Mapping[str, Any]) -> list[Region]:
        """The result that shows a prediction as it is stored with a selection."""
        ...

    def from_result(self, result: Any, text: str | None = None) -> Any:
        """The answer in an annotation's result, given to `text`; raises Invalid when it is none.

        Label Studio checks nothing that comes through its API: all is checked here.
        """
        ...


@dataclass(frozen=True)
class _Labeled:
    """The campaign's labels in codes (`service.vocabulary`), and what the problems share of them."""

    labels: tuple[str, ...]
    name: ClassVar[str]
    at_least: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if len(self.labels) < self.at_least:
            words = {1: "a label", 2: "two labels"}[self.at_least]
            raise Invalid(f"{self.name} needs {words} or more, not {len(self.labels)}", "labels")
        for label in self.labels:
            if not label or label != label.strip():
                raise Invalid(f"label {label!r} is empty or has spaces around it", "labels")
            if not label.rstrip(MARK).isprintable():
                raise Invalid(f"label {label!r} holds a character that cannot be shown", "labels")
        shown = {escaped(label) for label in self.labels}
        if len(shown) < len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise Invalid(f"labels are given twice: {', '.join(twice)}", "labels")

    def _page(self, control: str, options: Sequence[str]) -> str:
        """`control`: the opening tag of the labels; more labels than ten get a search field."""
        many = len(self.labels) > LIST_AT_MOST
        search = (
            '  <Filter name="find" toName="label" minlength="0" placeholder="Find a label" hotkey="shift+f"/>'
        )
        tag = control.split()[0].removeprefix("<")
        marks = tag == "Labels"
        # valueType: a text that is an address is shown, not fetched
        names = ' showLabels="true"' if marks else ""
        text = f'  <Text name="{TO_NAME}" value="${TO_NAME}" valueType="text"{names}/>'
        labels = [*([search] if many else []), f"  {control}", *options, f"  </{tag}>"]
        # Labels to mark a text with stand above it, where they do not move.
        parts = [*labels, text] if marks else [text, *labels]
        return "\n".join(["<View>", *parts, "</View>"])

    def _choices(self, attributes: str) -> str:
        """Hotkeys for the first 36 labels; more than ten labels flow in lines."""
        layout = "inline" if len(self.labels) > LIST_AT_MOST else "vertical"
        keys = [f" hotkey={quoteattr(key)}" for key in HOTKEYS] + [""] * len(self.labels)
        options = [
            f"    <Choice value={quoteattr(escaped(label))}{key}/>"
            for label, key in zip(self.labels, keys, strict=False)
        ]
        control = f'<Choices name="{FROM_NAME}" toName="{TO_NAME}" {attributes} layout="{layout}">'
        return self._page(control, options)

    def _known(self, shown: Any) -> str:
        label = _given(shown) if isinstance(shown, str) else None
        if label not in self.labels:
            raise Invalid(f"{_short(label or shown)} is none of the campaign's labels", "result")
        return label


@dataclass(frozen=True)
class SingleLabel(_Labeled):
    """Exactly one of the labels for a text. The task's `data.text` is shown as it is, never as markup."""

    name = "single_label"
    at_least = 2

    def label_config(self) -> str:
        return self._choices('choice="single" required="true" requiredMessage="Choose a label, or skip."')

    def to_result(self, answer: str | None, confidence: float | None = None) -> list[Region]:
        """`confidence`: the label's probability, 0..1; [] for None. Raises Invalid for another label."""
        if answer is None:
            return []
        if answer not in self.labels:
            raise Invalid(f"{answer!r} is none of the campaign's labels", "label")
        return [_region("choices", {"choices": [escaped(answer)]}, confidence)]

    def show(self, prediction: Mapping[str, Any]) -> list[Region]:
        """Of {label, confidence}."""
        return self.to_result(prediction["label"], prediction["confidence"])

    def from_result(self, result: Any, text: str | None = None) -> str:
        """The label chosen."""
        regions = _regions(result, "choices")
        if not regions:
            raise Invalid("the result is empty: no label was chosen", "result")
        choices = _chosen(regions)
        if len(choices) != 1:
            raise Invalid(
                f"{len(choices)} labels were chosen where one is wanted: {_short(choices)}", "result"
            )
        return self._known(choices[0])


@dataclass(frozen=True)
class MultiLabel(_Labeled):
    """Any of the labels for a text, or none."""

    name = "multi_label"

    def __post_init__(self) -> None:
        super().__post_init__()
        for label in self.labels:
            if SEPARATOR in label:
                raise Invalid(
                    f"label {label!r} holds {SEPARATOR!r}, which stands between labels in CSV", "labels"
                )

    def label_config(self) -> str:
        return self._choices('choice="multiple"')

    def to_result(
        self, answer: Sequence[str] | None, confidence: Mapping[str, float] | None = None
    ) -> list[Region]:
        """`confidence`: probabilities by label; the lowest among those of `answer` goes along. [] for no label."""
        chosen = answers.check(self.name, self.labels, list(answer or []), None)
        if not chosen:
            return []
        lowest = None if confidence is None else min(confidence[str(label)] for label in chosen)
        return [_region("choices", {"choices": [escaped(str(label)) for label in chosen]}, lowest)]

    def show(self, prediction: Mapping[str, Any]) -> list[Region]:
        """Of {labels, confidences: {label: probability}}."""
        return self.to_result(prediction["labels"], prediction["confidences"])

    def from_result(self, result: Any, text: str | None = None) -> list[str]:
        """The labels chosen, in the campaign's order."""
        regions = _regions(result, "choices")
        chosen = {self._known(one) for one in _chosen(regions)} if regions else set()
        return [label for label in self.labels if label in chosen]


@dataclass(frozen=True)
class Spans(_Labeled):
    """Any number of labeled stretches of a text; they may overlap."""

    name = "spans"

    def label_config(self) -> str:
        """Any stretch of characters can be marked; a double click marks a word."""
        keys = [f" hotkey={quoteattr(key)}" for key in HOTKEYS] + [""] * len(self.labels)
        options = [
            f'    <Label value={quoteattr(escaped(label))} background="{colour(at)}"{keys[at]}/>'
            for at, label in enumerate(self.labels)
        ]
        return self._page(f'<Labels name="{FROM_NAME}" toName="{TO_NAME}">', options)

    def to_result(
        self, answer: Sequence[Span] | None, confidence: Sequence[float] | None = None
    ) -> list[Region]:
        """A region a span. `confidence`: of each span, aligned with `answer`."""
        scores: Sequence[float | None] = confidence or [None] * len(answer or [])
        spans = list(answer or [])
        answers.check(self.name, self.labels, spans, None)
        return [
            _region(
                "labels", {"start": one["start"], "end": one["end"], "labels": [escaped(one["label"])]}, score
            )
            for one, score in zip(spans, scores, strict=True)
        ]

    def show(self, prediction: Mapping[str, Any]) -> list[Region]:
        """Of {spans: [{start, end, label, confidence}]}."""
        return self.to_result(prediction["spans"], [one["confidence"] for one in prediction["spans"]])

    def from_result(self, result: Any, text: str | None = None) -> list[Span]:
        """The spans, in order, less white space at their ends; a region with several labels is a span for each.

        A region that quotes another text than stands at its offsets is refused: who made it counted otherwise.
        """
        spans: list[Span] = []
        for region in _regions(result, "labels"):
            value = region.get("value")
            value = value if isinstance(value, dict) else {}
            start, end, labels = value.get("start"), value.get("end"), value.get("labels")
            if type(start) is not int or type(end) is not int or not isinstance(labels, list) or not labels:
                raise Invalid(f"a region needs whole start and end, and a label: {_short(region)}", "result")
            spans += [{"start": start, "end": end, "label": self._known(label)} for label in labels]
            quoted = value.get("text")
            if text is not None and isinstance(quoted, str) and _bare(quoted) != _bare(text[start:end]):
                raise Invalid(
                    f"a region quotes {_short(quoted)}, but characters {start} to {end} are "
                    f"{_short(text[start:end])}: its offsets count something else than characters",
                    "result",
                )
        answers.check(self.name, self.labels, spans, None if text is None else len(text))
        if text is not None:
            spans = [_trimmed(one, text) for one in spans]
        return answers.spans(answers.check(self.name, self.labels, spans, None))


KINDS: dict[str, type[SingleLabel] | type[MultiLabel] | type[Spans]] = {
    kind.name: kind for kind in (SingleLabel, MultiLabel, Spans)
}


def problem(name: str, labels: Sequence[str]) -> Problem:
    """The problem of that name over these labels; raises Invalid for a name that is not known."""
    if name not in KINDS:
        raise Invalid(f"problem {name!r} is not one of {', '.join(KINDS)}", "problem")
    return KINDS[name](tuple(labels))


def colour(at: int) -> str:
    """A colour for the label at this position, as #rrggbb."""
    red, green, blue = colorsys.hls_to_rgb(at * GOLDEN % 1, (0.45, 0.6, 0.35)[at % 3], 0.75)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _region(kind: str, value: dict[str, Any], score: float | None) -> Region:
    region = {"from_name": FROM_NAME, "to_name": TO_NAME, "type": kind, "value": value}
    return region if score is None else region | {"score": score}


def _regions(result: Any, kind: str) -> list[Region]:
    """The regions of a result, all of this kind."""
    if not isinstance(result, list) or not all(isinstance(region, dict) for region in result):
        raise Invalid(f"the result is no list of regions: {_short(result)}", "result")
    for region in result:
        if (region.get("from_name"), region.get("type")) != (FROM_NAME, kind):
            raise Invalid(f"the result is not of the {FROM_NAME!r} {kind}: {_short(region)}", "result")
    return result


def _chosen(regions: list[Region]) -> list[str]:
    """The choices of the one region that there is."""
    if len(regions) > 1:
        raise Invalid(f"the result has {len(regions)} regions where one is wanted", "result")
    value = regions[0].get("value")
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise Invalid(f"the result holds no list of choices: {_short(regions[0])}", "result")
    return choices


# The editor replaces "$name" in a label by the task's data; an invisible joiner after the sign stops it.
_JOINER = "\u2060"


def escaped(label: str) -> str:
    """The label as the editor is to get it, so that it shows it as it is."""
    return label.replace("$", "$" + _JOINER)


def _given(shown: str) -> str:
    return shown.replace("$" + _JOINER, "$")


def _trimmed(span: Span, text: str) -> Span:
    """Without white space at its ends, where there is anything else: a hand is not that steady."""
    part = text[span["start"] : span["end"]]
    start = span["start"] + len(part) - len(part.lstrip())
    return {**span, "start": start, "end": start + len(part.strip())} if part.strip() else span


def _bare(text: str) -> str:
    """Without white space: the editor quotes it changed, and a line's end as a backslash and an n."""
    return "".join(text.replace("\\n", " ").split())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
