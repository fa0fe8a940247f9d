"""Exports: what the campaign believes, all that annotators said, and the pool, streamed a shard or a page at a time."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select
from starlette.responses import Response, StreamingResponse

from service import answers, auto_labels
from service.http.api import Api
from service.http.schemas import ExportQuery
from service.pool import pool, repeats, shards
from service.records import Campaign, Place
from service.store import labels
from service.store.schema import alias, annotation, label, selection
from service.vocabulary import Vocabulary

PAGE = 5_000
UNCLEAR = "the labels have changed since, and this answer fits more than one of them"
FORMULA = "=", "+", "-", "@", "\t", "\r"
COLUMNS = {
    "labels": [
        "id",
        "ids",
        "text",
        "{answer}",
        "weight",
        "probability",
        "reason",
        "source",
        "role",
        "annotations",
        "domain",
        "meta",
        "version",
        "made_at",
    ],
    "annotations": [
        "annotation",
        "revision",
        "current",
        "kind",
        "id",
        "task",
        "annotator",
        "{answer}",
        "problem",
        "result",
        "shown",
        "lead_time",
        "made_at",
        "received_at",
    ],
    "auto-labels": [
        *(
            "id",
            "ids",
            "text",
            "{answer}",
            "confidence",
            "source",
            "round",
            "precision",
            "level",
            "domain",
            "meta",
        ),
    ],
    "pool": ["example", "id", "ids", "text", "domain", "meta", "repeats", "duplication_score"],
}
"""`{answer}` is label, labels or spans, by the campaign's problem."""


def stream(api: Api, c: str, query: ExportQuery) -> Response:
    """The labels that hold now, with every id that was sent for each text; every revision of every annotation; labels
    by the model alone; or the pool: which other `example` each one `repeats`, and its cosine to the likest before it,
    null where that is unknown.
    """
    with api.reading(c) as (_, campaign):
        pass
    rows: Iterator[list[dict[str, Any]]]
    if query.what == "auto-labels":
        rows = _auto_labels(api, campaign, query)
    else:
        rows = {"labels": _labels, "annotations": _annotations, "pool": _pool}[query.what](api, campaign)
    lines = _csv(campaign.problem, COLUMNS[query.what], rows) if query.format == "csv" else _jsonl(rows)
    name = f"{campaign.id}-{query.what}.{query.format}"
    media_type = "text/csv; charset=utf-8" if query.format == "csv" else "application/x-ndjson"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type=media_type, headers=headers)


def _labels(api: Api, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    with api.database.reading() as connection:
        every = pool.all_shards(connection, campaign.id, None)
        numbers = [row.number for row in every if row.kind in ("pool", "synthetic")]
    for number in numbers:
        with api.database.reading() as connection:
            row = pool.shard_row(connection, campaign.id, number)
            held = select(label).where(
                label.c.campaign == campaign.id, label.c.shard == number, label.c.ended.is_(None)
            )
            known = connection.execute(held.order_by(label.c.row)).all()
            if not known:
                continue
            aliases = _aliases(connection, campaign.id, number)
            staged = [] if row.state == "sealed" else pool.staged_rows(connection, campaign.id, number)
        if row.state == "sealed":
            found = shards.examples(api.files, row.content, [one.row for one in known])
            examples = [shards.with_meta(one) for one in found]
        else:
            examples = [msgspec.structs.asdict(staged[one.row]) for one in known]
        yield [
            {
                **_named(example, Place(number, one.row), aliases),
                answers.FIELDS[campaign.problem]: answers.read(campaign.problem, one.value),
                "weight": one.weight,
                "probability": one.probability,
                "reason": one.reason,
                "source": one.source,
                "role": one.role,
                "annotations": one.annotations,
                "domain": example["domain"],
                "meta": example["meta"],
                "version": one.version,
                "made_at": one.made_at,
            }
            for one, example in zip(known, examples, strict=True)
        ]
    if campaign.near_duplicates == "propagate":
        yield from _propagated(api, campaign)


def _propagated(api: Api, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    """Labels that examples have from one that they repeat."""
    with api.database.reading() as connection:
        known = labels.current(connection, campaign.id)
        compared = [row for row in pool.all_shards(connection, campaign.id) if row.near is not None]
    leaders = {row.number: repeats.leaders(api.files.path(row.near)) for row in compared}
    own = {Place(row.shard, row.row) for row in known}
    given: dict[Place, Row[Any]] = {}
    for one in sorted(known, key=lambda row: (row.shard, row.row)):
        if one.role != "hold-out" and one.shard in leaders:
            given.setdefault(Place(*leaders[one.shard][one.row].tolist()), one)
    for row in compared:
        of = [Place(*leader) for leader in leaders[row.number].tolist()]
        at = [n for n, leader in enumerate(of) if leader in given and Place(row.number, n) not in own]
        if not at:
            continue
        with api.database.reading() as connection:
            aliases = _aliases(connection, campaign.id, row.number)
        page = []
        for n, found in zip(at, shards.examples(api.files, row.content, at), strict=True):
            label_, example = given[of[n]], shards.with_meta(found)
            source = Place(label_.shard, label_.row)
            page.append(
                {
                    **_named(example, Place(row.number, n), aliases),
                    answers.FIELDS[campaign.problem]: answers.read(campaign.problem, label_.value),
                    "weight": round(repeats.PROPAGATED * label_.weight, 4),
                    "probability": None,
                    "reason": f"repeats {source}: {repeats.PROPAGATED:g} of its label's weight",
                    "source": "propagated",
                    "role": "train",
                    "annotations": 0,
                    "domain": example["domain"],
                    "meta": example["meta"],
                    "version": label_.version,
                    "made_at": label_.made_at,
                }
            )
        yield page


def _pool(api: Api, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    with api.database.reading() as connection:
        numbers = [row.number for row in pool.all_shards(connection, campaign.id)]
    for number in numbers:
        with api.database.reading() as connection:
            row = pool.shard_row(connection, campaign.id, number)
            aliases = _aliases(connection, campaign.id, number)
            staged = [] if row.state == "sealed" else pool.staged_rows(connection, campaign.id, number)
        leaders = likeness = None
        if row.near is not None:
            leaders = repeats.leaders(api.files.path(row.near))
            likeness = repeats.likeness(api.files.path(row.near))
        pages = (
            shards.pages(api.files, row.content, PAGE)
            if row.state == "sealed"
            else iter([[msgspec.structs.asdict(one) for one in staged]])
        )
        at = 0
        for page in pages:
            rows = range(at, at + len(page))
            at += len(page)
            yield [
                {
                    "example": str(place := Place(number, one)),
                    **_named(example, place, aliases),
                    "domain": example["domain"],
                    "meta": example["meta"],
                    "repeats": None if leaders is None else _other(place, Place(*leaders[one].tolist())),
                    "duplication_score": None if likeness is None else round(float(likeness[one]), 4),
                }
                for one, example in zip(rows, page, strict=True)
            ]


def _auto_labels(api: Api, campaign: Campaign, query: ExportQuery) -> Iterator[list[dict[str, Any]]]:
    """What nobody labeled, where the newest adapter is right with the precision asked for.

    Refused before a line is sent where that cannot be promised.
    """
    with api.database.reading() as connection:
        round_, found = auto_labels.promise(connection, api.files, campaign, query.precision, query.level)
        parts = list(auto_labels.of_shards(connection, api.files, campaign, round_, found.confidence))
        known = {Place(row.shard, row.row) for row in labels.current(connection, campaign.id)}
        contents = {row.number: row.content for row in pool.all_shards(connection, campaign.id)}
        aliases = {number: _aliases(connection, campaign.id, number) for number, *_ in parts}
    promised = {"source": "auto", "round": round_.number, "precision": query.precision, "level": query.level}

    def pages() -> Iterator[list[dict[str, Any]]]:
        for number, rows, classes, confidences in parts:
            free = [at for at, row in enumerate(rows.tolist()) if Place(number, row) not in known]
            examples = shards.examples(api.files, contents[number], rows[free].tolist())
            yield [
                {
                    **_named(example, Place(number, int(rows[at])), aliases[number]),
                    answers.FIELDS[campaign.problem]: campaign.labels[int(classes[at])],
                    "confidence": round(float(confidences[at]), 4),
                    **promised,
                    "domain": example["domain"],
                    "meta": shards.with_meta(example)["meta"],
                }
                for at, example in zip(free, examples, strict=True)
            ]

    return pages()


def _named(example: dict[str, Any], place: Place, aliases: dict[int, list[str]]) -> dict[str, Any]:
    """What an example is called, and its text."""
    own = example["ext_id"]
    return {
        "id": str(place) if own is None else own,
        "ids": [id_ for id_ in [own, *aliases.get(place.row, [])] if id_ is not None],
        "text": example["text"],
    }


def _other(place: Place, leader: Place) -> str | None:
    return None if leader == place else str(leader)


def _aliases(connection: Connection, campaign: str, number: int) -> dict[int, list[str]]:
    query = select(alias.c.row, alias.c.ext_id).where(
        alias.c.campaign == campaign, alias.c.kind == "pool", alias.c.shard == number
    )
    found: dict[int, list[str]] = {}
    for row, ext_id in connection.execute(query.order_by(alias.c.row, alias.c.ext_id)):
        found.setdefault(row, []).append(ext_id)
    return found


def _annotations(api: Api, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    after, words = 0, Vocabulary.of(campaign)
    while True:
        with api.database.reading() as connection:
            query = select(annotation).where(annotation.c.campaign == campaign.id, annotation.c.id > after)
            rows = connection.execute(query.order_by(annotation.c.id).limit(PAGE)).all()
            names = _names(connection, campaign.id, {row.shard for row in rows}, {row.row for row in rows})
        if not rows:
            return
        after = rows[-1].id
        yield [
            {
                "annotation": row.ls_id,
                "revision": row.revision,
                "current": row.current,
                "kind": row.kind,
                "id": None
                if row.shard is None
                else names.get(place := Place(row.shard, row.row), str(place)),
                "task": row.task,
                "annotator": row.annotator,
                answers.FIELDS[campaign.problem]: (
                    said := None if row.value is None else words.read(row.value)
                ),
                "problem": UNCLEAR if row.value is not None and said is None else row.problem,
                "result": row.result,
                "shown": None if row.shown is None else words.shown(row.shown),
                "lead_time": row.lead_time,
                "made_at": row.made_at,
                "received_at": row.received_at,
            }
            for row in rows
        ]


def _names(
    connection: Connection, campaign: str, numbers: set[int | None], rows: set[int | None]
) -> dict[Place, str]:
    """Ids that the user gave to examples that were asked."""
    query = select(selection.c.shard, selection.c.row, selection.c.ext_id).where(
        selection.c.campaign == campaign,
        selection.c.ext_id.is_not(None),
        selection.c.shard.in_(numbers - {None}),
        selection.c.row.in_(rows - {None}),
    )
    return {Place(number, row): ext_id for number, row, ext_id in connection.execute(query)}


def _jsonl(pages: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for page in pages:
        yield encoder.encode_lines(page)


def _csv(problem: str, columns: Sequence[str], pages: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    """Answers as uploads have them; other lists and objects as JSON in their cell.

    What a spreadsheet would take for a formula gets a ' in front (OWASP, CSV injection); JSON Lines has it as it is.
    """
    field = answers.FIELDS[problem]
    names = [name.format(answer=field) for name in columns]
    yield (",".join(names) + "\r\n").encode()
    for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        for row in page:
            cells = row | ({field: answers.to_cell(problem, row[field])} if field in row else {})
            writer.writerow([_cell(cells[name]) for name in names])
        yield text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
