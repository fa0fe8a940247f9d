"""Maps of a pool, on a real store and real shards: who is on them, where, and as what."""

import numpy as np
import pytest

from service import maps, orphans, predictions
from service.maps import Drawn, Map
from service.records import Campaign, Example
from service.store import campaigns, jobs, rounds
from service.store.campaigns import NewCampaign
from tests.filling import answer, encode, fill, seal
from workers import door, projection
from workers.context import Context
from workers.jobs import map as job

N = 60


def embeddings(rows: int) -> np.ndarray:
    """Three clouds, far from each other."""
    rng = np.random.default_rng(7)
    return np.eye(8)[np.arange(rows) % 3] + rng.normal(size=(rows, 8)) * 0.05


def made(context: Context, rows: int = N, **values: object) -> Campaign:
    with context.database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", ["a", "b", "c"], "none", seed=3)).id
        campaigns.change(connection, id_, paused=True, encoder="tiny", project=7)
        texts = [Example(f"text  {at}\nof a cloud", id=f"doc-{at}", domain="web") for at in range(rows)]
        fill(connection, context.files, id_, texts)
        seal(connection, context.files, id_)
        encode(connection, context.files, id_, 0, embeddings(rows))
        return campaigns.get(connection, id_)


def draw(context: Context, id_: str) -> Drawn:
    with context.database.transaction() as connection:
        jobs.ask(connection, id_, maps.KIND, maps.QUEUE)
    while door.work(context, "cpu"):
        pass
    with context.database.reading() as connection:
        newest = jobs.of_kind(connection, id_, maps.KIND)[-1]
        assert newest.state == "done", newest.error
        found = maps.newest(connection, id_)
    assert found is not None
    return found


def look(context: Context, id_: str) -> Map:
    with context.database.reading() as connection:
        drawn = maps.newest(connection, id_)
        assert drawn is not None
        campaign = campaigns.get(connection, id_)
        return maps.shown(connection, context.files, campaign, drawn, "http://studio/projects/7")


def test_what_is_alike_is_near_and_stays_where_it_is(context: Context) -> None:
    """Given three clouds of texts, then each is a cloud on the map. Given more texts, then all that was there stays,
    and a new one is among its own."""
    id_ = made(context).id
    first = draw(context, id_)
    assert (first.points, first.examples, first.laid_out, first.round) == (N, N, N, None)
    shown = look(context, id_)
    assert {one.state for one in shown.points} == {"other"}
    assert shown.points[0].text == "text 0 of a cloud"
    xy = {one.id: (one.x, one.y) for one in shown.points}
    clouds = [np.array([xy[f"doc-{at}"] for at in range(start, N, 3)]) for start in range(3)]
    middles = [cloud.mean(axis=0) for cloud in clouds]
    for cloud, middle in zip(clouds, middles, strict=True):
        others = [np.linalg.norm(middle - other) for other in middles if other is not middle]
        assert np.linalg.norm(cloud - middle, axis=1).max() < min(others)

    with context.database.transaction() as connection:
        more = [Example(f"one more {at}", id=f"new-{at}") for at in range(9)]
        fill(connection, context.files, id_, more)
        seal(connection, context.files, id_)
        encode(connection, context.files, id_, 1, embeddings(9))
    second = draw(context, id_)
    assert (second.points, second.laid_out) == (N + 9, N)
    again = {one.id: (one.x, one.y) for one in look(context, id_).points}
    assert {name: again[name] for name in xy} == xy
    for at in range(9):
        distances = [np.linalg.norm(np.array(again[f"new-{at}"]) - middle) for middle in middles]
        assert int(np.argmin(distances)) == at % 3


def test_a_pool_that_has_doubled_is_laid_out_anew(context: Context) -> None:
    id_ = made(context, 12).id
    draw(context, id_)
    with context.database.transaction() as connection:
        fill(connection, context.files, id_, [Example(f"one more {at}") for at in range(12)])
        seal(connection, context.files, id_)
        encode(connection, context.files, id_, 1, embeddings(12))
    assert draw(context, id_).laid_out == 24


def test_labels_queue_and_what_the_adapter_is_unsure_of(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given room for 20 of 60 texts, of which 6 have a label and one more is asked, then these are on the map; of the
    others that the round scored, the least sure ones are uncertain."""
    monkeypatch.setattr(job, "MOST", 20)
    id_ = made(context).id
    with context.database.transaction() as connection:
        answer(connection, id_, {row: {1: "a"} for row in range(6)})
        answer(connection, id_, {6: {}})
        known = {"label_version": 6, "labels": 6, "shards": [0]}
        rounds.start(connection, id_, 1, strategy="auto", seed=0, **known)  # type: ignore[arg-type]
        rounds.change(connection, id_, 1, state="done", ranked_at=1.0, metrics={})
        with context.files.new("scores/1") as folder:
            np.save(folder / predictions.ROWS, np.arange(N, dtype=np.int32))
            sure = np.linspace(0.4, 0.98, N)
            said = np.stack([sure, 1 - sure, np.zeros(N)], axis=1).astype(np.float16)
            np.save(folder / predictions.PROBABILITIES, said)
        rounds.add_score(connection, id_, 1, 0, "scores/1", N, 1.0)
    drawn = draw(context, id_)
    assert (drawn.points, drawn.round) == (20, 1)
    shown = {one.id: one for one in look(context, id_).points}
    assert {name for name, one in shown.items() if one.state == "labeled"} == {f"doc-{at}" for at in range(6)}
    assert shown["doc-6"].state == "queued"
    assert (shown["doc-0"].label, shown["doc-0"].url) == ("a", "http://studio/projects/7/data?task=1")
    unsure = sorted(
        (one for one in shown.values() if one.state in ("uncertain", "other")),
        key=lambda one: -(one.uncertainty or 0),
    )
    assert [one.state for one in unsure].count("uncertain") == 2
    assert {one.state for one in unsure[:2]} == {"uncertain"}

    with context.database.transaction() as connection:
        answer(connection, id_, {59: {1: "b"}})
    assert look(context, id_).missing == (0 if "doc-59" in shown else 1)


def test_a_map_is_drawn_again_where_there_is_one_and_only_the_newest_is_kept(context: Context) -> None:
    id_ = made(context, 12).id
    with context.database.transaction() as connection:
        maps.keep_up(connection, id_)
        assert jobs.of_kind(connection, id_, maps.KIND) == []
    first = draw(context, id_)
    with context.database.transaction() as connection:
        maps.keep_up(connection, id_)
    while door.work(context, "cpu"):
        pass
    with context.database.reading() as connection:
        second = maps.newest(connection, id_)
        named = orphans.named(connection)
    assert second is not None
    assert (second.path in named, first.path in named) == (True, False)


def test_few_texts_or_none(context: Context) -> None:
    assert draw(context, made(context, 2).id).points == 2
    assert projection.lay_out(np.empty((0, 8)), 0).shape == (0, 2)


def test_placed_by_hand() -> None:
    """At distance 1 of one landmark and 2 of the other, (1/1, 1/4) / (5/4) are the weights; on a landmark: there."""
    landmarks, at = np.array([[0.0], [3.0]]), np.array([[0.0, 0.0], [1.0, 5.0]])
    found = projection.place(np.array([[1.0], [3.0]]), landmarks, at)
    assert found[0] == pytest.approx([0.2, 1.0], abs=1e-4)
    assert found[1] == pytest.approx([1.0, 5.0], abs=1e-4)
