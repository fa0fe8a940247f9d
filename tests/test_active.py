"""An older adapter that is made the active one: it scores the whole pool again, orders the queue, and rounds go on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Row

from service import vocabulary
from service.predictions import PROBABILITIES, ROWS
from service.records import Campaign, Example, LabelChange
from service.rounds.advance import advance, facts
from service.rounds.decide import phase
from service.store import campaigns, events, rounds, selections
from service.store.campaigns import NewCampaign
from tests.filling import answer, fill, seal
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import door, learner, situation
from workers.context import Context
from workers.encodings import EMBEDDINGS
from workers.learner import Fitted
from workers.tokens import Tokens

ROUND = 24


@dataclass
class World:
    context: Context
    id: str
    rng: np.random.Generator
    posted: int = 0

    def post(self, count: int) -> None:
        texts = []
        for at in range(self.posted, self.posted + count):
            words = [*self.rng.choice(FILLER, 3), *self.rng.choice(TOPICS[at % 2], 3), f"{at}x"]
            texts.append(Example(" ".join(words)))
        self.posted += count
        with self.context.database.transaction() as connection:
            fill(connection, self.context.files, self.id, texts)
            seal(connection, self.context.files, self.id)

    def answer(self, first: int, wrong: bool = False) -> None:
        """A round's worth of labels, from row `first` on."""
        rows = range(first, first + ROUND)
        with self.context.database.transaction() as connection:
            answer(connection, self.id, {at: {1: "ab"[(at + wrong) % 2]} for at in rows})

    def work(self, **changes: Any) -> list[Row[Any]]:
        """Change the campaign, do all there is to do; its rounds."""
        with self.context.database.transaction() as connection:
            if changes:
                campaigns.change(connection, self.id, **changes)
            advance(connection, self.id)
        while any([door.work(self.context, "gpu"), door.work(self.context, "cpu")]):
            pass
        with self.context.database.reading() as connection:
            return rounds.all_of(connection, self.id)

    def campaign(self) -> Campaign:
        with self.context.database.reading() as connection:
            return campaigns.get(connection, self.id)


@pytest.fixture
def world(context: Context, tmp_path: Path) -> World:
    model = build_encoder(tmp_path / "model")
    with context.database.transaction() as connection:
        new = NewCampaign("one", ["a", "b"], str(model), round_size=ROUND, near_duplicates="keep")
        id_ = campaigns.create(connection, new).id
        campaigns.change(connection, id_, paused=True)
    world = World(context, id_, np.random.default_rng(0))
    world.post(160)
    world.work()
    world.answer(0)
    world.work()
    world.answer(ROUND, wrong=True)
    with context.database.transaction() as connection:
        answer(connection, id_, {at: {} for at in range(100, 150)})  # open tasks
    first, second = world.work()
    assert (first.state, second.state, second.scored_by) == ("done", "done", None)
    return world


def assert_scored_by(world: World, adapter: str, shard: int, fewest: int) -> None:
    """The newest scores of a shard are what this adapter says, of so many examples at least."""
    context, campaign = world.context, world.campaign()
    with context.database.reading() as connection:
        newest = rounds.scored(connection, world.id)
        assert newest is not None
        (score,) = [row for row in rounds.scores(connection, world.id, newest.number) if row.shard == shard]
        encoding = rounds.encodings(connection, world.id, campaign.encoder)[shard]
    encoder = context.encoder(campaign.model)
    fitted = context.fitted(encoder, adapter)
    assert isinstance(fitted, Fitted)
    folder, rows = context.files.path(encoding.path), np.load(context.files.path(score.path) / ROWS)
    base = np.load(folder / EMBEDDINGS)
    expected = learner.predict(encoder, fitted, Tokens.load(folder), base, rows.astype(np.int64))
    stored = np.load(context.files.path(score.path) / PROBABILITIES)
    assert stored == pytest.approx(expected.probabilities, abs=2e-3)
    assert len(rows) >= fewest


def test_an_older_adapter_scores_the_whole_pool_again_and_orders_the_queue(world: World) -> None:
    """Given two rounds and a shard that came since, when the adapter of round 1 is made active, then a third round has
    it score both shards and put the queue in order, and what is shown is its; training goes on, and when the newest is
    active again, that one scores the pool at once."""
    context, c = world.context, world.id
    world.post(40)
    world.work()
    with context.database.reading() as connection:
        active = rounds.active(connection, world.campaign())
        assert active is not None
        assert active.number == 2

    first, second, third = world.work(adapter=1)

    assert (third.state, third.scored_by, third.adapter, third.predictions) == ("done", 1, None, None)
    assert (third.label_version, third.labels) == (second.label_version, second.labels)
    assert third.ranked_at is not None
    assert_scored_by(world, first.adapter, 0, 60)
    assert_scored_by(world, first.adapter, 1, 25)
    with context.database.reading() as connection:
        queue = selections.in_states(connection, c, ["open", "chosen"])
        shown = [row.predictions[-1] for row in queue if row.predictions]
        assert {one["round"] for one in shown} == {1}
        told = [one for one in events.since(connection, c, 0) if one["data"].get("round") == 3]
        assert [one["kind"] for one in told] == ["round-started", "round-scored", "queue-ranked"]
        assert told[0]["data"]["by_adapter"] == 1
        now = situation.load(connection, context.files, world.campaign(), 3)
        assert now.scores is not None
        assert now.scores.round == 1
        state = facts(connection, world.campaign()).state()
        assert (state.scores, state.scorer, state.active, phase(state)) == (3, 1, 1, "paused")

    world.answer(2 * ROUND)
    fourth = world.work()[-1]
    assert (fourth.number, fourth.state, fourth.scored_by) == (4, "done", 1)
    assert None not in (fourth.adapter, fourth.predictions, fourth.ranked_at)
    assert_scored_by(world, first.adapter, 0, 60)

    fifth = world.work(adapter=None)[-1]
    assert (fifth.number, fifth.state, fifth.scored_by, fifth.adapter) == (5, "done", 4, None)
    assert_scored_by(world, fourth.adapter, 1, 25)
    assert len(world.work()) == 5

    world.answer(3 * ROUND)
    sixth = world.work()[-1]
    assert (sixth.number, sixth.state, sixth.scored_by) == (6, "done", None)


def test_an_active_adapter_that_does_not_know_todays_labels_works_as_a_round_does(world: World) -> None:
    with world.context.database.transaction() as connection:
        labels = vocabulary.changed(["a", "b"], [], ["c"])
        change = LabelChange([], ["c"], ["a", "b"], 1.0, 0, 0, 0, 0)
        campaigns.add_label_change(connection, world.id, labels, change)
    assert world.work(adapter=1)[-1].state == "done"
    with world.context.database.reading() as connection:
        now = situation.load(connection, world.context.files, world.campaign(), 3)
    assert now.scores is not None
    assert now.scores.probabilities is not None
    assert now.scores.probabilities.shape[1] == 3
    assert not now.scores.probabilities[:, 2].any()


def test_a_first_round_by_an_adapter_whose_file_is_gone_fails_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given that the adapter cannot be loaded, then its round fails with the reason, and all else stays as it was."""
    monkeypatch.setattr("service.store.jobs.RETRY_BASE_S", 0.0)
    first, _ = world.work()
    world.context.files.remove(first.adapter)
    third = world.work(adapter=1)[-1]
    assert (third.number, third.state) == (3, "failed")
    assert "holds no whole adapter" in third.error
    with world.context.database.reading() as connection:
        state = facts(connection, world.campaign()).state()
    assert (state.scores, state.scorer, state.active) == (2, 2, 1)
    assert len(world.work()) == 3
