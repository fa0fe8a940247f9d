"""Near-duplicates of one shard: among its own examples, and of those of the shards that were compared before."""

import numpy as np

from service.pool import pool, repeats, shards
from service.store import campaigns, events, rounds
from workers import encodings, near
from workers.held import Held
from workers.near import Bags, Part


def run(held: Held) -> None:
    number, files = held.args["shard"], held.context.files
    with held.context.database.reading() as connection:
        campaign = campaigns.get(connection, held.campaign)
        every = pool.all_shards(connection, campaign.id)
        encoded = rounds.encodings(connection, campaign.id, campaign.encoder)
    (own,) = [row for row in every if row.number == number]
    before = [row for row in every if row.near is not None and row.number != number]
    numbers, starts = [row.number for row in [*before, own]], np.cumsum([0, *(row.rows for row in before)])
    parts: list[Part] = []
    for row in [*before, own]:
        held.progress(len(parts), len(numbers), "reading words")
        texts = shards.columns(files, row.content, ["text"])["text"]
        embeddings = np.load(files.path(encoded[row.number].path) / encodings.EMBEDDINGS, mmap_mode="r")
        known = None if row is own else repeats.positions(files.path(row.near), numbers[:-1], starts)
        parts.append(Part(Bags.of(texts), embeddings, known))
    rng = np.random.default_rng([campaign.seed, number])
    leaders, likeness = near.leaders(
        parts, rng, lambda done, total: held.progress(done, total, "looking for near-duplicates")
    )
    places = np.concatenate(
        [
            np.stack([np.full(row.rows, row.number), np.arange(row.rows)], axis=1, dtype=np.int32)
            for row in [*before, own]
        ]
    )
    table = places[leaders]
    found = int((table != places[-own.rows :]).any(axis=1).sum())
    name = held.folder(f"near/{campaign.id}/{number}")
    with files.new(name) as folder:
        repeats.write(folder, table, likeness)
    with held.effects() as connection:
        pool.compared(connection, campaign.id, number, name, found)
        events.record(connection, campaign.id, "shard-compared", shard=number, near_duplicates=found)
