"""Labels as Label Studio's own JSON: a task for each, with all that people answered, to be imported as it is."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Row

from service import answers
from service.answers import Answer
from service.export.labels import Labeled
from service.label_studio.problems import Problem, problem
from service.records import Campaign
from service.vocabulary import Vocabulary


def stream(campaign: Campaign, pages: Iterable[list[Labeled]]) -> Iterator[bytes]:
    """One JSON array, a piece a page."""
    words = Vocabulary.of(campaign)
    # In codes, as the labeling page of the campaign's own project has them.
    shown = problem(campaign.problem, words.codes)
    encoder = msgspec.json.Encoder()
    before = "["
    for page in pages:
        tasks = [encoder.encode(_task(campaign, words, shown, one)) for one in page]
        if tasks:
            yield before.encode() + b",\n".join(tasks)
            before = ",\n"
    yield b"[]\n" if before == "[" else b"]\n"


def _task(campaign: Campaign, words: Vocabulary, shown: Problem, one: Labeled) -> dict[str, Any]:
    """What the campaign believes is in `data`, beside the text; what people said in `annotations`.

    A label that nobody gave (it was imported, made or passed on) is an annotation of whoever imports the file.
    """
    text = one.row["text"]
    given = [
        _annotation(
            _result(shown, words.coded(said), text, str(row.ls_id)) if said is not None else [],
            cancelled=row.kind == "skip",
            made_at=row.made_at,
            id=row.ls_id,
            completed_by=row.annotator,
            lead_time=row.lead_time,
        )
        for row in one.said
        if (said := _said(words, row)) is not None or row.kind == "skip"
    ]
    if not one.row["annotations"]:
        believed = one.row[answers.FIELDS[campaign.problem]]
        since = one.row["made_at"]
        given.append(
            _annotation(
                _result(shown, words.coded(believed), text, str(one.place)),
                cancelled=False,
                made_at=None if since is None else datetime.fromtimestamp(since, UTC).isoformat(),
            )
        )
    return {"data": one.row, "annotations": given}


def _said(words: Vocabulary, row: Row[Any]) -> Answer | None:
    return words.read(row.value) if row.kind == "answer" else None


def _annotation(
    result: list[dict[str, Any]], cancelled: bool, made_at: str | None, **more: Any
) -> dict[str, Any]:
    # Label Studio takes an imported annotation for a ground truth where that is not denied.
    facts = {"result": result, "was_cancelled": cancelled, "ground_truth": False, "created_at": made_at}
    return facts | {name: value for name, value in more.items() if value is not None}


def _result(shown: Problem, answer: Answer, text: str, key: str) -> list[dict[str, Any]]:
    """As the editor would have saved it: every region has an id, and those of spans quote the text."""
    found = []
    for at, region in enumerate(shown.to_result(answer)):
        value = region["value"]
        if "start" in value:
            value = value | {"text": text[value["start"] : value["end"]]}
        found.append(region | {"id": f"{key}-{at}", "value": value})
    return found
