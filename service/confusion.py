"""What a round's adapter takes for what: confusions of labels, and the examples behind each of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from service import curve
from service.answers import Answer, Span
from service.errors import Invalid, NotFound
from service.exam import Exam
from service.files import Files
from service.measure.confusion import Case, Kind
from service.pool import pool, shards
from service.predictions import ADAPTER
from service.records import Campaign, Place
from service.store import rounds, selections

CAVEAT = (
    "These texts measure. Looking at them costs nothing, but whoever changes labels, names or settings because of them "
    "fits the campaign to its own measurement: scores on these texts are too good from then on, and a new test set "
    "would tell how much."
)


class Cell(msgspec.Struct, frozen=True):
    """So many times what is true was taken for what was said. Null for `truth`: nothing is; for `said`: nothing was."""

    kind: Kind
    truth: str | None
    said: str | None
    n: int


class Confusion(msgspec.Struct, frozen=True):
    """Of one label per text a text is one case; else each label, or span, that is true or was said."""

    round: int | None
    """None where no round was trained yet."""
    problem: str
    measured_on: str
    n: int
    """Examples that measure."""
    labels: list[str]
    cells: list[Cell]
    """The most frequent ones first; only such as occur."""
    caveat: str


class Example(msgspec.Struct, frozen=True):
    """One case, and the text it is of. `answer` and `prediction` are all that is true and was said of it."""

    id: str
    text: str
    domain: str | None
    kind: Kind
    truth: str | None
    said: str | None
    confidence: float | None
    """Of what was said, or of a label that was missed its probability."""
    true_span: tuple[int, int] | None
    said_span: tuple[int, int] | None
    answer: Any
    prediction: Any
    task: int | None
    url: str | None


class Examples(msgspec.Struct, frozen=True):
    """`total` there are; what the adapter was surest of first."""

    round: int
    total: int
    examples: list[Example]
    caveat: str


def confusion(connection: Connection, files: Files, campaign: Campaign, number: int | None) -> Confusion:
    """Of the round `number`, None: the newest that was trained. Raises NotFound."""
    row = _round(connection, campaign, number)
    known = curve.truth(connection, files, campaign)
    cells: list[Cell] = []
    n = 0
    if row is not None:
        sat = curve.sittings(files, campaign, [row], known)[0].exam
        n, name = len(sat.at), _names(campaign)
        counted = Counter((one.kind, one.truth, one.said) for one in _cases(sat))
        cells = [
            Cell(kind, name[truth], name[said], times) for (kind, truth, said), times in counted.most_common()
        ]
    found = None if row is None else row.number
    return Confusion(found, campaign.problem, known.source, n, campaign.labels, cells, CAVEAT)


def examples(
    connection: Connection,
    files: Files,
    campaign: Campaign,
    page: str | None,
    *,
    number: int | None,
    kind: Kind | None,
    truth: str | None,
    said: str | None,
    limit: int,
) -> Examples:
    """Cases of this kind, of what is truly `truth` and was taken for `said`; None: whatever.

    `page` is the address of the campaign's project in Label Studio. Raises NotFound, and Invalid for labels that the
    campaign does not have.
    """
    for field, label in (("truth", truth), ("said", said)):
        if label is not None and label not in campaign.labels:
            raise Invalid(
                f"there is no label {label!r}: the campaign has {', '.join(campaign.labels)}", field
            )
    row = _round(connection, campaign, number)
    if row is None:
        raise NotFound(f"{campaign.name!r} has no round that was trained yet")
    known = curve.truth(connection, files, campaign)
    sat = curve.sittings(files, campaign, [row], known)[0].exam
    name, cases = _names(campaign), _cases(sat)
    found = [
        one
        for one in cases
        if (kind is None or one.kind == kind)
        and (truth is None or name[one.truth] == truth)
        and (said is None or name[one.said] == said)
    ]
    found.sort(key=lambda one: (-(one.confidence or 0.0), one.example))
    shown = found[:limit]
    asked = {one.example for one in shown}
    all_of: dict[int, list[Case]] = {at: [] for at in asked}
    for one in cases:
        if one.example in asked:
            all_of[one.example].append(one)
    texts = _texts(connection, files, campaign, [sat.places[at] for at in asked], known.source)
    return Examples(
        row.number,
        len(found),
        [
            _example(campaign, one, all_of[one.example], place, texts[place], page)
            for one in shown
            if (place := sat.places[one.example]) in texts
        ],
        CAVEAT,
    )


def _round(connection: Connection, campaign: Campaign, number: int | None) -> Row[Any] | None:
    if number is not None:
        row = rounds.get(connection, campaign.id, number)
        if not row.predictions:
            raise NotFound(f"round {number} of {campaign.name!r} was not measured: it is {row.state}")
        return row
    return rounds.measured(connection, campaign.id)


@lru_cache(maxsize=32)
def _cases(sat: Exam) -> list[Case]:
    return sat.cases(ADAPTER) if sat.has(ADAPTER) else []


def _names(campaign: Campaign) -> Mapping[int | None, str | None]:
    return {None: None} | dict(enumerate(campaign.labels))


def _texts(
    connection: Connection, files: Files, campaign: Campaign, places: Sequence[Place], source: str
) -> dict[Place, dict[str, Any]]:
    """{text, ext_id, domain, task} of each."""
    if source == "hold-out":
        return {
            place: dict(row._mapping) for place, row in selections.at(connection, campaign.id, places).items()
        }
    found = {}
    for number in {place.shard for place in places}:
        rows = [place.row for place in places if place.shard == number]
        content = pool.shard_row(connection, campaign.id, number).content
        for row, one in zip(rows, shards.examples(files, content, rows), strict=True):
            found[Place(number, row)] = one | {"task": None}
    return found


def _example(
    campaign: Campaign,
    case: Case,
    cases: Sequence[Case],
    place: Place,
    of: Mapping[str, Any],
    page: str | None,
) -> Example:
    name = _names(campaign)
    return Example(
        id=of["ext_id"] if of["ext_id"] is not None else str(place),
        text=of["text"],
        domain=of["domain"],
        kind=case.kind,
        truth=name[case.truth],
        said=name[case.said],
        confidence=None if case.confidence is None else round(case.confidence, 4),
        true_span=case.true_span,
        said_span=case.said_span,
        answer=_answer(campaign, [(one.truth, one.true_span) for one in cases]),
        prediction=_answer(campaign, [(one.said, one.said_span) for one in cases]),
        task=of["task"],
        url=None if page is None or of["task"] is None else f"{page}/data?task={of['task']}",
    )


def _answer(campaign: Campaign, parts: Sequence[tuple[int | None, tuple[int, int] | None]]) -> Answer:
    labels = [(campaign.labels[label], span) for label, span in parts if label is not None]
    if campaign.problem == "single_label":
        return labels[0][0]
    if campaign.problem == "multi_label":
        return [label for label, _ in labels]
    found = [Span(start=span[0], end=span[1], label=label) for label, span in labels if span is not None]
    return sorted(found, key=lambda one: (one["start"], one["end"]))
