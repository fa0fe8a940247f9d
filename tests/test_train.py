"""A round's training job: what of the campaign's settings reaches the learner."""

import json
from pathlib import Path

import numpy as np

from service.records import Example
from service.rounds.advance import advance
from service.store import campaigns, rounds
from service.store.campaigns import NewCampaign
from tests.filling import answer, fill, seal
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import door
from workers.context import Context


def test_rare_classes_weigh_more_where_the_campaign_says_so(context: Context, tmp_path: Path) -> None:
    model, rng = build_encoder(tmp_path / "model"), np.random.default_rng(0)
    texts = [" ".join([*rng.choice(FILLER, 3), *rng.choice(TOPICS[at % 2], 3), f"{at}x"]) for at in range(80)]
    with context.database.transaction() as connection:
        new = NewCampaign(
            "one", ["a", "b"], str(model), round_size=24, class_balance=0.5, near_duplicates="keep"
        )
        c = campaigns.create(connection, new).id
        campaigns.change(connection, c, paused=True)
        fill(connection, context.files, c, [Example(text) for text in texts])
        seal(connection, context.files, c)
        advance(connection, c)
    while door.work(context, "gpu"):
        pass
    with context.database.transaction() as connection:
        answer(connection, c, {at: {1: "ab"[at % 2]} for at in range(24)})
        advance(connection, c)
    while door.work(context, "gpu"):
        pass
    with context.database.reading() as connection:
        (round_,) = rounds.all_of(connection, c)
    manifest = json.loads((context.files.path(round_.adapter) / "postil.json").read_text())
    assert manifest["recipe"]["balance"] == 0.5
