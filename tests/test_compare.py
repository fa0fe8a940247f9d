"""Near-duplicates of a pool's shards, one after the other, on a real store and real shards."""

import numpy as np

from service.orphans import named
from service.pool import pool, repeats
from service.records import Example, Place
from service.rounds.advance import advance
from service.store import campaigns, jobs, labels
from service.store.campaigns import NewCampaign
from tests.filling import encode, fill, seal
from workers import door
from workers.context import Context
from workers.material import _repeats
from workers.situation import Pool

LONG = "please tell me when the train to the north of the country leaves"


def campaign(context: Context, **values: str) -> str:
    with context.database.transaction() as connection:
        new = NewCampaign("one", ["a", "b"], "none", seed=4, **values)  # type: ignore[arg-type]
        id_ = campaigns.create(connection, new).id
        campaigns.change(connection, id_, encoder="tiny", paused=True)
        return id_


def add(context: Context, id_: str, texts: list[str]) -> None:
    """Post, seal and encode them; embeddings of different texts are as good as orthogonal."""
    with context.database.transaction() as connection:
        fill(connection, context.files, id_, [Example(text) for text in texts])
        for number in seal(connection, context.files, id_):
            row = pool.shard_row(connection, id_, number)
            points = np.random.default_rng(number).normal(size=(row.rows, 64))
            points /= np.linalg.norm(points, axis=1, keepdims=True)
            encode(connection, context.files, id_, number, points)
        advance(connection, id_)


def compare(context: Context, id_: str) -> int:
    """Do what there is to compare; how many jobs that were."""
    done = 0
    while True:
        with context.database.reading() as connection:
            if "compare" not in {row.kind for row in jobs.unfinished(connection, id_)}:
                return done
        done += door.work(context, "cpu")


def test_shards_are_compared_one_after_the_other_with_all_before(context: Context) -> None:
    id_ = campaign(context)
    add(context, id_, ["where is my card", "nothing like it", f"{LONG} today", "My card: where is (it)?"])
    add(context, id_, [f"{LONG} now", "is my card where?", "something else altogether"])
    assert compare(context, id_) == 2
    with context.database.reading() as connection:
        first, second = pool.all_shards(connection, id_)
        whole = Pool.load(connection, context.files, campaigns.get(connection, id_))
        assert {first.near, second.near} <= named(connection)
    assert (first.repeats, second.repeats) == (0, 2)
    assert repeats.leaders(context.files.path(second.near)).tolist() == [[0, 2], [0, 0], [1, 2]]
    assert repeats.likeness(context.files.path(second.near)).shape == (3,)
    assert whole.leaders.tolist() == [0, 1, 2, 3, 2, 0, 6]
    add(context, id_, ["Where is my card?!", "where, my card is", f"{LONG} then"])
    assert compare(context, id_) == 1
    with context.database.reading() as connection:
        whole = Pool.load(connection, context.files, campaigns.get(connection, id_))
    assert whole.leaders.tolist() == [0, 1, 2, 3, 2, 0, 6, 0, 0, 2], "followers lead nobody"


def test_nothing_is_compared_where_near_duplicates_are_kept(context: Context) -> None:
    id_ = campaign(context, near_duplicates="keep")
    add(context, id_, ["where is my card", "is my card where"])
    assert compare(context, id_) == 0


def test_a_label_goes_to_its_repetitions_that_have_none(context: Context) -> None:
    id_ = campaign(context, near_duplicates="propagate")
    add(
        context,
        id_,
        ["where is my card", "where my card is", "card where is my", "is where my card", "other"],
    )
    compare(context, id_)
    with context.database.transaction() as connection:
        given = {Place(0, 1): ("a", 1), Place(0, 3): ("b", 2), Place(0, 4): ("b", 3)}
        labels.import_known(connection, id_, given)
        known = labels.snapshot(connection, id_, 3)
        whole = Pool.load(connection, context.files, campaigns.get(connection, id_))
    fine = np.ones(5, np.bool_)
    assert [(place, row.value) for place, row in _repeats(whole, known, fine)] == [
        (Place(0, 0), "a"),
        (Place(0, 2), "a"),
    ]
    fine[0] = False
    assert [place for place, _ in _repeats(whole, known, fine)] == [Place(0, 2)]
