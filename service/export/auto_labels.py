"""Auto-labels as they are taken away: what nobody labeled, where the newest adapter is as often right as asked for."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from service import answers, auto_labels
from service.export import examples
from service.files import Files
from service.pool import pool
from service.records import Campaign
from service.store import rounds
from service.store.database import Database
from service.store.schema import label


def pages(
    database: Database, files: Files, campaign: Campaign, precision: float, level: float
) -> Iterator[list[dict[str, Any]]]:
    """A page at a time. Raises what `auto_labels.promise` does, before the first one."""
    with database.reading() as connection:
        round_, found = auto_labels.promise(connection, files, campaign, precision, level)
        scored = rounds.scored(connection, campaign.id)
        scores = [] if scored is None else rounds.scores(connection, campaign.id, scored.number)
    promised = {"source": "auto", "round": round_.number, "precision": precision, "level": level}

    def stream() -> Iterator[list[dict[str, Any]]]:
        for score in scores:
            rows, classes, sure = auto_labels.of_shard(files, score, found.confidence)
            with database.reading() as connection:
                mine = select(label.c.row).where(
                    label.c.campaign == campaign.id, label.c.shard == score.shard, label.c.ended.is_(None)
                )
                known = set(connection.execute(mine).scalars())
                others = examples.aliases(connection, campaign.id, "pool", score.shard)
            free = [at for at, row in enumerate(rows.tolist()) if row not in known]
            for start in range(0, len(free), examples.PAGE):
                page = free[start : start + examples.PAGE]
                with database.reading() as connection:
                    shard = pool.shard_row(connection, campaign.id, score.shard)
                    part = examples.look(connection, campaign.id, shard, rows[page].tolist(), others)
                yield [
                    {
                        "id": one.id,
                        "ids": one.ids,
                        "text": one.text,
                        answers.FIELDS[campaign.problem]: campaign.labels[int(classes[at])],
                        "confidence": round(float(sure[at]), 4),
                        **promised,
                        "domain": one.domain,
                        "meta": one.meta,
                    }
                    for at, one in zip(page, examples.read(files, part), strict=True)
                ]

    return stream()
