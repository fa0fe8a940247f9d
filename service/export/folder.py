"""Labels as a folder that Hugging Face's `datasets` loads as it is: Parquet by split, and a card that says what it is.

The folder comes in a ZIP file, which can be streamed before anybody knows how long it will be.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from service.errors import Conflict
from service.export import card, columns, labels, parquet
from service.export.card import Split
from service.export.labels import Labeled
from service.files import Files
from service.records import Campaign
from service.store.database import Database

PATH = "data/{}-00000.parquet"


def stream(database: Database, files: Files, campaign: Campaign) -> Iterator[bytes]:
    """The ZIP file, in pieces: `train`, `test` where anything measures, README.md.

    Raises Conflict before the first piece where there is no label yet.
    """
    trained = chain(
        labels.own(database, files, campaign, False), labels.propagated(database, files, campaign)
    )
    measured = chain(labels.tests(database, files, campaign), labels.own(database, files, campaign, True))
    splits = {"train": _begun(trained), "test": _begun(measured)}
    there = {name: pages for name, pages in splits.items() if pages is not None}
    if not there:
        raise Conflict(f"campaign {campaign.name!r} has no labels yet: nothing to make a dataset of")
    return _zip(database, campaign, there)


def _begun(pages: Iterator[list[Labeled]]) -> Iterator[list[Labeled]] | None:
    """None where there is nothing."""
    first = next((page for page in pages if page), None)
    return None if first is None else chain([first], pages)


def _zip(
    database: Database, campaign: Campaign, splits: dict[str, Iterator[list[Labeled]]]
) -> Iterator[bytes]:
    sink, made = parquet.Sink(), []
    of = columns.of("labels", campaign.problem)
    folder, now = f"{campaign.id}-labels", time.gmtime()[:6]
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for name, pages in splits.items():
            split = Split(name)
            member = _member(f"{folder}/{PATH.format(name)}", now)
            with archive.open(member, "w", force_zip64=True) as entry:
                rows = _counted(campaign.problem, pages, split)
                for size in parquet.write(entry, campaign.problem, of, rows):
                    split.memory_bytes += size
                    yield sink.take()
            split.file_bytes = member.file_size
            made.append(split)
        text = card.text(database, campaign, made, PATH)
        archive.writestr(_member(f"{folder}/README.md", now), text)
    yield sink.take()


def _member(name: str, now: Any) -> ZipInfo:
    member = ZipInfo(name, now)
    member.external_attr = 0o644 << 16
    return member


def _counted(problem: str, pages: Iterable[list[Labeled]], split: Split) -> Iterator[list[dict[str, Any]]]:
    for page in pages:
        rows = [one.row for one in page]
        split.count(problem, rows)
        yield rows
