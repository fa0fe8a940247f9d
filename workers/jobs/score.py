"""Probabilities of one shard's examples by the round's adapter; a random part of them where time is short."""

import numpy as np
from numpy.typing import NDArray

from service.store import campaigns, rounds
from strategies import registry
from workers import learner
from workers.encodings import COMMITTEE, EMBEDDINGS, PROBABILITIES, ROWS
from workers.held import Held
from workers.tokens import Tokens


def run(held: Held) -> None:
    number, shard = held.args["round"], held.args["shard"]
    files = held.context.files
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        round_ = rounds.get(connection, campaign.id, number)
        encoding = rounds.encodings(connection, campaign.id, campaign.encoder)[shard]
    encoder = held.context.encoder(campaign.model)
    wanted = registry.get(campaign.strategy)
    fitted = held.context.fitted(encoder, round_.adapter)
    rows = sample(encoding.rows, round_.metrics["score_share"], round_.seed, number, shard)
    predictions = learner.predict(
        encoder,
        fitted,
        Tokens.load(files.path(encoding.path)),
        np.load(files.path(encoding.path) / EMBEDDINGS, mmap_mode="r"),
        rows,
        committee="committee" in wanted.needs | wanted.optional,
        progress=lambda done, total: held.progress(done, total, f"round {number}: scoring the pool"),
    )
    name = held.folder(f"scores/{campaign.id}/{number}/{shard}")
    with files.new(name) as folder:
        np.save(folder / ROWS, rows.astype(np.int32))
        np.save(folder / PROBABILITIES, predictions.probabilities.astype(np.float16))
        if predictions.committee is not None:
            np.save(folder / COMMITTEE, predictions.committee)
    with held.effects() as connection:
        rounds.add_score(connection, campaign.id, number, shard, name, len(rows), predictions.seconds)


def sample(rows: int, share: float, seed: int, round_: int, shard: int) -> NDArray[np.int64]:
    """Which rows of a shard are scored: all, or a random share, the same whenever it is asked."""
    if share >= 1:
        return np.arange(rows, dtype=np.int64)
    rng = np.random.default_rng([seed, round_, shard])
    return np.sort(rng.choice(rows, size=max(1, round(rows * share)), replace=False))
