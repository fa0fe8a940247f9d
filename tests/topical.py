"""A campaign of two topics, `a` and `b`, which a tiny encoder tells apart; its pool is read and waits for answers."""

from pathlib import Path
from typing import Any

import numpy as np

from service.records import Example
from service.rounds.advance import advance
from service.store import campaigns
from service.store.campaigns import NewCampaign
from tests.filling import fill, seal
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import door
from workers.context import Context


def begin(context: Context, folder: Path, texts: int, **values: Any) -> str:
    """Its id. Row i of its `texts` is of topic "ab"[i % 2]; it is paused, so that it asks for none of them."""
    model, rng = build_encoder(folder / "model"), np.random.default_rng(0)
    pool = [
        " ".join([*rng.choice(FILLER, 3), *rng.choice(TOPICS[at % 2], 3), f"{at}x"]) for at in range(texts)
    ]
    with context.database.transaction() as connection:
        new = NewCampaign("one", ["a", "b"], str(model), near_duplicates="keep", **values)
        campaign = campaigns.create(connection, new).id
        campaigns.change(connection, campaign, paused=True)
        fill(connection, context.files, campaign, [Example(text) for text in pool])
        seal(connection, context.files, campaign)
        advance(connection, campaign)
    while door.work(context, "gpu"):
        pass
    return campaign
