"""What a round scores that trains nothing, since the adapter of an earlier round was made the active one."""

import numpy as np

from service.store import campaigns, rounds
from workers import scoring
from workers.held import Held
from workers.material import Material
from workers.turn import probe


def run(held: Held) -> None:
    number = held.args["round"]
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        material = Material.load(connection, held.context.files, campaign)
        round_ = rounds.get(connection, campaign.id, number)
        by = rounds.scorer(connection, campaign.id, number)
    held.progress(0, 1, f"round {number}: loading the adapter of round {by.number}")
    encoder = held.context.encoder(campaign.model)
    fitted = held.context.fitted(encoder, by.adapter)
    corpus = material.corpus(encoder, [])
    held.progress(0, 1, f"round {number}: choosing what to score")
    rng = np.random.default_rng(round_.seed)
    plan, shards, planned = scoring.plan(
        held,
        campaign,
        round_,
        round(campaign.score_seconds * by.metrics["rate"] * scoring.hands(held, material)),
        lambda: probe(campaign.problem, encoder, fitted, corpus, np.arange(len(corpus)), rng),
    )
    with held.effects() as connection:
        rounds.change(
            connection,
            campaign.id,
            number,
            state="scoring",
            shards=shards,
            candidates=plan,
            metrics={"score_share": planned / max(1, material.pool_rows)},
        )
