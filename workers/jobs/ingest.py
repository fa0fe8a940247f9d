"""Read a file or object into the pool: an upload that nobody sends.

Repeated after a crash it reads from the beginning; what is in the pool already is a duplicate then.
"""

from collections.abc import Iterator

import msgspec

from service.errors import Invalid
from service.pool import compression, forms, pool, sources
from service.pool.batch import Batch
from service.pool.lines import read_many
from service.pool.pool import Receipt, ingest
from service.store import campaigns, uploads
from workers.held import Held


def run(held: Held) -> None:
    receipt = Receipt()
    try:
        _read(held, receipt)
    except Invalid as error:  # it would be the same again
        with held.effects(result={"error": str(error)}) as connection:
            uploads.end_told(connection, held.campaign, held.args["upload"], "broken", error=str(error))
        return
    with held.effects() as connection:
        uploads.end_told(connection, held.campaign, held.args["upload"], "done", msgspec.to_builtins(receipt))


def _read(held: Held, receipt: Receipt) -> None:
    url = sources.allowed(held.args["url"], held.context.settings.sources)
    size, raw = sources.chunks(url)
    with held.step() as connection:
        campaign = campaigns.get(connection, held.campaign)
        uploads.touch(connection, held.args["upload"])

    def chunks() -> Iterator[bytes]:
        done = 0
        for chunk in raw:
            held.progress(done, size or 0, f"reading {url}")
            yield chunk
            done += len(chunk)

    def store(batch: Batch) -> None:
        with held.step() as connection:
            current = campaigns.get(connection, held.campaign)
            pool.add(connection, held.context.files, current, "pool", batch, receipt)
            uploads.touch(connection, held.args["upload"], msgspec.to_builtins(receipt))

    unpacked = compression.unpacked(chunks(), forms.encoding_of(url))
    form = forms.form_of(url) or "jsonl"
    ingest(read_many(unpacked, form, campaign.text_field, problem=campaign.problem), receipt, store)
