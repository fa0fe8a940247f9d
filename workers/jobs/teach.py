"""What the campaign's teacher says of one shard, computed once for each content and teacher."""

import time

import numpy as np

from service import teachers
from service.pool import pool, shards
from service.store import campaigns, events, rounds
from workers.device import best
from workers.encodings import TEACHER
from workers.held import Held
from workers.teachers import confidences


def run(held: Held) -> None:
    number, files = held.args["shard"], held.context.files
    with held.context.database.reading() as connection:
        campaign = campaigns.get(connection, held.campaign)
        content = pool.shard_row(connection, held.campaign, number).content
        teacher = campaign.teacher
        if teachers.reads(teacher):
            known = rounds.encoding_of(connection, content, teachers.key(teacher))
        else:
            teacher = None
    if teacher is None:  # the campaign has another one since
        with held.effects():
            return
    if known is None:
        started = time.monotonic()
        texts = shards.columns(files, content, ["text"])["text"]
        words = "having the teacher read"
        held.progress(0, len(texts), words)
        prefixes = held.context.settings.generators
        found = confidences(teacher, texts, best()[0], prefixes, held.telling(words))
        name = held.folder(f"encodings/{content}/{teachers.key(teacher)}")
        with files.new(name) as folder:
            np.save(folder / TEACHER, found)
        known = {
            "content": content,
            "encoder": teachers.key(teacher),
            "path": name,
            "rows": len(texts),
            "truncated": 0,
            "unknown_share": 0.0,
            "seconds": time.monotonic() - started,
        }
    with held.effects() as connection:
        rounds.add_encoding(connection, **known)
        events.record(connection, campaign.id, "shard-taught", shard=number, rows=known["rows"])
