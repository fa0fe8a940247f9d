"""What the round's adapter says of one shard's candidates."""

import numpy as np

from service.pool import shards
from service.predictions import PROBABILITIES, ROWS
from service.store import campaigns, rounds
from strategies import registry
from workers import learner, scoring, tagger
from workers.encodings import (
    COMMITTEE,
    CONFIDENCE,
    EMBEDDINGS,
    SPANS,
    TOKEN_UNCERTAINTY,
)
from workers.held import Held
from workers.tagger import Tagger
from workers.tokens import Tokens


def run(held: Held) -> None:
    number, shard = held.args["round"], held.args["shard"]
    files = held.context.files
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        round_ = rounds.get(connection, campaign.id, number)
        by = rounds.scorer(connection, campaign.id, number)
        encoding = rounds.encodings(connection, campaign.id, campaign.encoder)[shard]
    encoder = held.context.encoder(campaign.model)
    fitted = held.context.fitted(encoder, by.adapter)
    rows = scoring.rows(files, round_.candidates, shard)

    def telling(done: int, total: int) -> None:
        held.progress(done, total, f"round {number}: scoring the pool")

    name = held.folder(f"scores/{campaign.id}/{number}/{shard}")
    with files.new(name) as folder:
        np.save(folder / ROWS, rows.astype(np.int32))
        if isinstance(fitted, Tagger):
            texts = [one["text"] for one in shards.examples(files, encoding.content, rows.tolist())]
            tagged = tagger.predict(encoder, fitted, texts, progress=telling)
            np.save(folder / SPANS, tagged.spans.rows)
            np.save(folder / CONFIDENCE, tagged.spans.confidence)
            np.save(folder / TOKEN_UNCERTAINTY, tagged.token_uncertainty)
            seconds = tagged.seconds
        else:
            wanted = registry.get(campaign.strategy)
            predictions = learner.predict(
                encoder,
                fitted,
                Tokens.load(files.path(encoding.path)),
                np.load(files.path(encoding.path) / EMBEDDINGS, mmap_mode="r"),
                rows,
                committee="committee" in wanted.needs | wanted.optional,
                progress=telling,
            )
            np.save(folder / PROBABILITIES, predictions.probabilities.astype(np.float16))
            if predictions.committee is not None:
                np.save(folder / COMMITTEE, predictions.committee)
            seconds = predictions.seconds
    with held.effects() as connection:
        rounds.add_score(connection, campaign.id, number, shard, name, len(rows), seconds)
