"""What the round's adapter says of one shard's examples; of a random part of them where time is short."""

import numpy as np
from numpy.typing import NDArray

from service.pool import shards
from service.store import campaigns, rounds
from strategies import registry
from workers import learner, tagger
from workers.encodings import (
    COMMITTEE,
    CONFIDENCE,
    EMBEDDINGS,
    PROBABILITIES,
    ROWS,
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
        encoding = rounds.encodings(connection, campaign.id, campaign.encoder)[shard]
    encoder = held.context.encoder(campaign.model)
    fitted = held.context.fitted(encoder, round_.adapter)
    rows = sample(encoding.rows, round_.metrics["score_share"], round_.seed, number, shard)

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


def sample(rows: int, share: float, seed: int, round_: int, shard: int) -> NDArray[np.int64]:
    """Which rows of a shard are scored: all, or a random share, the same whenever it is asked."""
    if share >= 1:
        return np.arange(rows, dtype=np.int64)
    rng = np.random.default_rng([seed, round_, shard])
    return np.sort(rng.choice(rows, size=max(1, round(rows * share)), replace=False))
