"""The pool: send examples, send known labels, look what is there."""

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Invalid
from service.http.adopting import FOREIGN
from service.http.api import Api
from service.http.schemas import ImportBody, ImportView, LabelsQuery, PoolView, ShardView, UploadView
from service.http.uploading import Store, upload
from service.pool import forms, known_labels, pool, sources
from service.pool.batch import Batch
from service.pool.pool import Receipt
from service.records import Campaign
from service.store import adoptions, jobs, rounds, uploads


async def add(api: Api, c: str, request: Request) -> Response:
    """Add examples to the pool, as JSON Lines, CSV or Parquet.

    Each has text and, where there are, id, domain, meta, and what is known; other columns of a table go into `meta`.
    The body may be compressed, as Content-Encoding says: gzip or zstd.

    What is known is, by the campaign's problem, a `label` (string), `labels` (list of strings; in CSV with | between
    them) or `spans` (list of {start, end, label} or [start, end, label], in characters; in CSV as JSON). An empty list
    or cell of the last two says that there is none.
    """
    return await upload(api, c, request, "pool", _into(api, "pool"))


async def add_labels(api: Api, c: str, query: LabelsQuery, request: Request) -> Response:
    """Known labels for examples of the pool, by id or text, which train; with set=test a test set, which measures.

    The fields are those of the pool.
    """
    if query.set == "test":
        return await upload(api, c, request, "test", _into(api, "test"))

    def store(connection: Connection, campaign: Campaign, batch: Batch, receipt: Receipt) -> None:
        known_labels.add(connection, api.files, campaign, batch, receipt)

    return await upload(api, c, request, "labels", store, text_required=False)


def import_(api: Api, c: str, body: ImportBody) -> ImportView:
    """Add examples out of a file or object, which a worker reads: JSON Lines, CSV or Parquet by its name, plain or
    compressed (.gz, .zst).

    It has to be below a prefix that the operator allows (POSTIL_SOURCES). How far it came is among the pool's uploads.
    """
    url = sources.allowed(body.url, api.settings.sources)
    if forms.form_of(url) is None:
        raise Invalid(f"{body.url}: its name ends with neither .jsonl, .ndjson, .csv nor .parquet", "url")
    with api.changing(c) as (connection, campaign):
        adoptions.refuse(connection, campaign.id, FOREIGN)
        begun = uploads.begin(connection, campaign.id, "pool", None, "waiting")
        args = {"upload": begun.id, "url": body.url}
        jobs.add(
            connection, jobs.NewJob(campaign.id, f"ingest:{begun.id}", "ingest", "cpu", args, priority=4)
        )
    return ImportView(begun.id)


def show(api: Api, c: str) -> PoolView:
    """Shards and uploads."""
    with api.reading(c) as (connection, campaign):
        encoded = rounds.encodings(connection, campaign.id, campaign.encoder)
        rows = pool.all_shards(connection, campaign.id) + pool.all_shards(connection, campaign.id, "test")
        return PoolView(
            examples=pool.size(connection, campaign.id),
            shards=[
                ShardView(row.number, row.kind, row.state, row.rows, row.number in encoded, row.repeats)
                for row in rows
            ],
            uploads=[
                UploadView(
                    id=row.id,
                    key=row.key,
                    kind=row.kind,
                    state=row.state,
                    seen_at=row.seen_at,
                    receipt=None if row.receipt is None else msgspec.convert(row.receipt, Receipt),
                )
                for row in uploads.all_of(connection, campaign.id)
            ],
        )


def _into(api: Api, kind: pool.Kind) -> Store:
    def store(connection: Connection, campaign: Campaign, batch: Batch, receipt: Receipt) -> None:
        pool.add(connection, api.files, campaign, kind, batch, receipt)

    return store
