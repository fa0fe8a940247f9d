"""Tokens and base embeddings of one shard, computed once for each content and base model."""

import time

import numpy as np

from service.pool import pool, shards
from service.store import campaigns, events, rounds
from workers import encodings
from workers.held import Held

UNKNOWN_SHARE = 0.05


def run(held: Held) -> None:
    number = held.args["shard"]
    files = held.context.files
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        shard = pool.shard_row(connection, held.campaign, number)
    held.progress(0, shard.rows, f"loading the model {campaign.model}")
    encoder = held.context.encoder(campaign.model)
    with held.context.database.transaction() as connection:
        known = rounds.encoding_of(connection, shard.content, encoder.key)
    if known is None:
        started = time.monotonic()
        texts = shards.columns(files, shard.content, ["text"])["text"]
        tokens = encoder.tokenize(texts)
        embeddings = encoder.embed(
            tokens,
            progress=lambda done, total: held.progress(done, total, "reading the pool for the first time"),
        )
        name = held.folder(f"encodings/{shard.content}/{encoder.key}")
        with files.new(name) as folder:
            tokens.save(folder)
            np.save(folder / encodings.EMBEDDINGS, embeddings.astype(np.float16))
        known = {
            "content": shard.content,
            "encoder": encoder.key,
            "path": name,
            "rows": len(texts),
            "truncated": tokens.truncated,
            "unknown_share": tokens.unknown_share,
            "seconds": time.monotonic() - started,
        }
    encodings.name(files, campaign, encoder)
    with held.effects() as connection:
        rounds.add_encoding(connection, **known)
        campaigns.change(connection, campaign.id, encoder=encoder.key)
        events.record(
            connection,
            campaign.id,
            "shard-encoded",
            shard=number,
            rows=known["rows"],
            truncated=known["truncated"],
            seconds=round(known["seconds"], 1),
        )
        if known["unknown_share"] > UNKNOWN_SHARE:
            events.record(
                connection,
                campaign.id,
                "warning",
                text=f"{known['unknown_share']:.0%} of the words are unknown to {campaign.model}: "
                "is it a model for another language? Choose one that knows the language of the pool",
            )
