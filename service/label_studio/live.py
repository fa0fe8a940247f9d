"""Predictions on demand in Label Studio's terms: what its ML backend protocol asks for and is given."""

from collections.abc import Sequence
from typing import Any

import msgspec

from service.label_studio.problems import problem
from service.records import Campaign
from service.scorer import Said
from service.vocabulary import Vocabulary


class Prediction(msgspec.Struct, frozen=True):
    """Of one task. `result` is empty for a blind one, and where the model finds nothing."""

    result: list[dict[str, Any]]
    score: float
    """How sure the model is of the least sure part of it, 0..1; 0 without any."""
    model_version: str


def version(round_: int, changes: int) -> str:
    """Of predictions on demand: never that of a version which orders the queue, whose scores are of another kind."""
    return f"live-r{round_}-{changes}" if changes else f"live-r{round_}"


def predictions(campaign: Campaign, said: Said, round_: int) -> list[Prediction]:
    """What an adapter says of texts as results for the project's labeling page.

    As in the queue, labels that the adapter cannot tell from others are not shown.
    """
    words = Vocabulary.of(campaign)
    codes = dict(zip(words.labels, words.codes, strict=True))
    asks, name = problem(campaign.problem, words.codes), version(round_, len(campaign.label_changes))
    made = []
    for one in said.predictions:
        shown = _shown(one, codes, set(said.unsure))
        result = [] if shown is None else asks.show(shown)
        made.append(Prediction(result, min((region["score"] for region in result), default=0.0), name))
    return made


def touching(result: Sequence[dict[str, Any]], context: Any) -> list[dict[str, Any]]:
    """The regions that share a character with one of those in an interactive request's `context`; all of them where it
    holds no stretch of the text."""
    given = context.get("result") if isinstance(context, dict) else None
    marked = [stretch for region in given if (stretch := _stretch(region))] if isinstance(given, list) else []
    if not marked:
        return list(result)
    return [
        region
        for region in result
        if (own := _stretch(region)) and any(own[0] < end and start < own[1] for start, end in marked)
    ]


def _stretch(region: Any) -> tuple[int, int] | None:
    value = region.get("value") if isinstance(region, dict) else None
    if not isinstance(value, dict):
        return None
    start, end = value.get("start"), value.get("end")
    return (start, end) if type(start) is int and type(end) is int else None


def _shown(one: dict[str, Any], codes: dict[str, str], unsure: set[str]) -> dict[str, Any] | None:
    """A prediction in codes, as `service.store.selections.Chosen` has it."""
    if "label" in one:
        label = one["label"]
        return None if label in unsure else {"label": codes[label], "confidence": one["confidence"]}
    if "labels" in one:
        labels = [label for label in one["labels"] if label not in unsure]
        sure = {codes[label]: one["probabilities"][label] for label in labels}
        return {"labels": list(sure), "confidences": sure}
    spans = [{**span, "label": codes[span["label"]]} for span in one["spans"] if span["label"] not in unsure]
    return {"spans": spans}
