"""A round's training job: what of the campaign's settings reaches the learner."""

import json
from pathlib import Path

import msgspec
import numpy as np

from service.files import Files
from service.rounds.advance import advance
from service.store import campaigns, rounds
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests import topical
from tests.filling import answer
from tests.test_stopping import sitting
from workers import door
from workers.context import Context
from workers.jobs.train import advised


def test_rare_classes_weigh_more_where_the_campaign_says_so(context: Context, tmp_path: Path) -> None:
    c = topical.begin(context, tmp_path, 80, round_size=24, class_balance=0.5)
    with context.database.transaction() as connection:
        answer(connection, c, {at: {1: "ab"[at % 2]} for at in range(24)})
        advance(connection, c)
    while door.work(context, "gpu"):
        pass
    with context.database.reading() as connection:
        (round_,) = rounds.all_of(connection, c)
    manifest = json.loads((context.files.path(round_.adapter) / "postil.json").read_text())
    assert manifest["recipe"]["balance"] == 0.5


def test_what_a_round_found_of_lora_holds_in_the_next_one(context: Context, tmp_path: Path) -> None:
    """Given rounds of 60, 80, and 100 labels, then LoRA is measured in the first alone, and again in the third if the
    second one's adapter is lost."""
    c = topical.begin(context, tmp_path, 140, round_size=20)

    def trained(labels: range, context: Context) -> tuple[Path, int]:
        """(the next round's adapter, of how many labels what it knows of LoRA is)"""
        with context.database.transaction() as connection:
            answer(connection, c, {at: {1: "ab"[at % 2]} for at in labels})
            advance(connection, c)
        while door.work(context, "gpu") or door.work(context, "cpu"):
            pass
        with context.database.reading() as connection:
            *_, newest = rounds.all_of(connection, c)
        folder = context.files.path(newest.adapter)
        manifest = json.loads((folder / "postil.json").read_text())
        return folder, manifest["metrics"]["training"]["lora"]["labels"]

    assert trained(range(60), context)[1] == 60
    folder, labels = trained(range(60, 80), context)
    assert labels == 60
    (folder / "postil.json").unlink()
    later = Context(context.settings)  # another worker: the adapter is not in its memory
    assert trained(range(80, 100), later)[1] == 100
    later.database.close()
    later.doorbell.redis.close()


def test_a_round_is_asked_for_advice_where_the_campaign_heeds_it(database: Database, tmp_path: Path) -> None:
    files = Files(tmp_path / "files")
    with database.transaction() as connection:
        made = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none", stop_at_advice=True))
    said = np.eye(2)[np.arange(200) % 2]
    sat = [sitting(files, made, number, said) for number in range(1, 5)]
    words = "predictions have settled: more labels hardly change what the model says"
    assert [advised(database, made, sat[:number]) for number in range(1, 5)] == [None, None, None, words]
    assert advised(database, msgspec.structs.replace(made, stop_at_advice=False), sat) is None
