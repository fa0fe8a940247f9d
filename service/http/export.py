"""Exports: what the campaign believes, all that annotators said, and the pool, in the form that is asked for."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from starlette.responses import Response, StreamingResponse

from service.export import (
    annotations,
    auto_labels,
    bio,
    columns,
    folder,
    forms,
    labels,
    lines,
    parquet,
    pool,
    spacy,
    tasks,
)
from service.export.lines import Pages
from service.http.api import Api
from service.http.schemas import ExportQuery
from service.records import Campaign

CHUNK_BYTES = 1 << 18
MEDIA_TYPES = [form.media_type.partition(";")[0] for form in forms.FORMS.values()]


def stream(api: Api, c: str, query: ExportQuery) -> Response:
    """The labels that hold now, with every id that was sent for each text; every revision of every annotation; labels
    by the model alone; or the pool: which other `example` each one `repeats`, and its cosine to the likest before it,
    null where that is unknown.

    As lines (jsonl, csv) or Parquet; labels also as a zipped folder for Hugging Face's datasets (hf), as Label Studio's
    JSON (label-studio), and of spans as CoNLL's tags (conll) and spaCy's JSON Lines (spacy). With conll the headers
    X-Postil-Spans, -Left-Out and -Widened tell how many spans there are, met a longer one, and cut a token.
    """
    with api.reading(c) as (_, campaign):
        form = forms.check(campaign.problem, query.what, query.format)
    headers = {
        "Content-Disposition": f'attachment; filename="{campaign.id}-{query.what}{form.ending}"',
        "Cache-Control": "no-store",
    }
    body: Iterator[bytes]
    if query.format == "conll":
        # What was left out is told before the first line.
        file, tally = bio.spooled(campaign.labels, labels.every(api.database, api.files, campaign))
        told = {"Spans": tally.spans, "Left-Out": tally.left_out, "Widened": tally.widened}
        headers |= {f"X-Postil-{name}": str(number) for name, number in told.items()}
        body = _chunks(file)
    elif query.format == "hf":
        body = folder.stream(api.database, api.files, campaign)
    elif query.format == "label-studio":
        body = tasks.stream(campaign, labels.every(api.database, api.files, campaign))
    elif query.format == "spacy":
        body = spacy.stream(labels.every(api.database, api.files, campaign))
    else:
        of, pages = columns.of(query.what, campaign.problem), _pages(api, campaign, query)
        if query.format == "parquet":
            body = parquet.stream(campaign.problem, of, pages)
        elif query.format == "csv":
            body = lines.comma_separated(campaign.problem, of, pages)
        else:
            body = lines.jsonl(pages)
    return StreamingResponse(body, media_type=form.media_type, headers=headers)


def _pages(api: Api, campaign: Campaign, query: ExportQuery) -> Pages:
    if query.what == "annotations":
        return annotations.pages(api.database, campaign)
    if query.what == "pool":
        return pool.pages(api.database, api.files, campaign)
    if query.what == "auto-labels":
        return auto_labels.pages(api.database, api.files, campaign, query.precision, query.level)
    return _rows(api, campaign)


def _rows(api: Api, campaign: Campaign) -> Iterator[list[dict[str, Any]]]:
    for page in labels.every(api.database, api.files, campaign):
        yield [one.row for one in page]


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
