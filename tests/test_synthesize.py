"""Synthetic texts on a real store, real shards and a tiny encoder: what is kept, what not, and what becomes of it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import select

from service import synthesis
from service.annotations import Given, take
from service.pool import pool, shards
from service.records import Example, Place
from service.rounds.advance import advance
from service.settings import Settings
from service.store import campaigns, events, jobs, labels, rounds, selections, syntheses
from service.store.campaigns import NewCampaign
from service.store.schema import selection
from service.synthesis import Endpoint, Generator, Perturb, Provenance
from tests.filling import answer, fill, seal
from tests.generator import away, generator
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import door, situation
from workers.context import Context
from workers.jobs.sync import _task
from workers.jobs.synthesize import _weights
from workers.material import Material, _groups
from workers.synthesis.drafts import Draft

LABELS = ["animals", "numbers", "weather"]
ROWS = 240


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_encoder(tmp_path_factory.mktemp("synthesize") / "model")


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.server.time.sleep", lambda seconds: None)


def texts(count: int, seed: int = 0) -> list[str]:
    """Of the topics in turn, all different."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        topic = TOPICS[len(found) % 3]
        words = [*rng.choice(FILLER, rng.integers(4, 9)), *rng.choice(topic, 3)]
        found[" ".join(rng.permutation(words))] = None
    return list(found)


def work(context: Context, *queues: str) -> None:
    while any(door.work(context, queue) for queue in queues or ("gpu", "cpu")):
        pass


def said(problem: str, row: int) -> Any:
    name = LABELS[row % 3]
    return name if problem == "single_label" else [name]


def trained(context: Context, model: Path, problem: str = "single_label") -> str:
    """The id of a campaign with a pool, labels of 45 texts, too few for LoRA, and one round."""
    with context.database.transaction() as connection:
        new = NewCampaign("one", LABELS, str(model), problem, seed=3, round_size=45, near_duplicates="drop")
        id_ = campaigns.create(connection, new).id
        campaigns.change(connection, id_, paused=True)
        fill(connection, context.files, id_, [Example(one) for one in texts(ROWS)])
        seal(connection, context.files, id_)
        advance(connection, id_)
    work(context)
    with context.database.transaction() as connection:
        answer(connection, id_, {row: {1: said(problem, row)} for row in range(20, 65)})
        advance(connection, id_)
    work(context)
    return id_


def synthesise(
    context: Context, id_: str, made_by: Generator, per_label: int = 10, share: float = 0.2
) -> Any:
    with context.database.transaction() as connection:
        number = syntheses.begin(connection, id_, made_by, per_label, 7, share)
        jobs.add(
            connection, jobs.NewJob(id_, f"synthesize:{number}", "synthesize", "gpu", {"synthesis": number})
        )
    assert door.work(context, "gpu")
    with context.database.reading() as connection:
        job = jobs.of_kind(connection, id_, "synthesize")[-1]
        assert job.state == "done", job.error
        return syntheses.get(connection, id_, number)


def stored(context: Context, id_: str, number: int) -> list[tuple[dict[str, Any], Provenance]]:
    with context.database.reading() as connection:
        content = pool.shard_row(connection, id_, number).content
    rows = [row for page in shards.pages(context.files, content, 1_000) for row in page]
    return [(row, msgspec.convert(row["meta"][synthesis.META], Provenance)) for row in rows]


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_perturbations_are_marked_train_and_never_measure(
    context: Context, model: Path, problem: str
) -> None:
    """Given a campaign with one round, when texts are perturbed, then all are stored with what is known of them, those
    that are kept have labels, and a share of them waits for people; the pool, draws and zones are as
    before; and the next round trains on them, beside its other labels."""
    id_ = trained(context, model, problem)
    with context.database.reading() as connection:
        before = situation.load(connection, context.files, campaigns.get(connection, id_), 1)
    row = synthesise(context, id_, Perturb())
    assert (row.state, row.error, sum(row.verdicts.values())) == ("done", None, 30)
    made = stored(context, id_, row.shard)
    assert len(made) == 30
    kept = {at for at, (_, one) in enumerate(made) if one.verdict == "kept"}
    assert len(kept) == row.verdicts["kept"] >= 10
    for at, (text, one) in enumerate(made):
        assert text["ext_id"] == f"synthetic-1-{at}"
        assert one.generator == Perturb()
        assert (one.synthesis, one.seed, len(one.sources)) == (1, 7, 1)
        assert one.probability is not None
        assert one.perplexity is not None
        assert one.distance is not None
    with context.database.reading() as connection:
        campaign = campaigns.get(connection, id_)
        given = [one for one in labels.current(connection, id_) if one.source == "synthetic"]
        assert {one.row for one in given} == kept
        assert {(one.shard, one.role) for one in given} == {(row.shard, "train")}
        sources = {one.row: one.value for one in labels.current(connection, id_) if one.shard == 0}
        assert {at: one.value for one in given for at in [one.row]} == {
            at: sources[Place.parse(made[at][1].sources[0]).row] for at in kept
        }
        assert labels.count(connection, id_)["synthetic"] == len(kept)
        asked = [one for one in selections.in_states(connection, id_, ["chosen"]) if one.shard == row.shard]
        assert len(asked) == round(0.2 * len(kept))
        assert {one.row for one in asked} <= kept
        assert {(one.role, one.strategy, one.ext_id) for one in asked} == {("train", "synthetic", None)}
        now = situation.load(connection, context.files, campaign, 1)
        assert pool.size(connection, id_) == ROWS
    assert len(now.draws) == ROWS
    assert (now.zone == before.zone).all()
    assert (now.labels == before.labels).all()
    assert (now.known == before.known).all()
    assert now.holdout_room == before.holdout_room
    assert _task(asked[0], None, "r1", campaign, context.settings).data == {
        "text": asked[0].text,
        "ext_id": f"{row.shard}-{asked[0].row}",
    }
    with context.database.transaction() as connection:
        campaigns.change(connection, id_, round_size=10)
        answer(connection, id_, {row: {1: said(problem, row)} for row in range(80, 92)})
        advance(connection, id_)
    work(context)
    with context.database.reading() as connection:
        second = rounds.get(connection, id_, 2)
        material = Material.load(connection, context.files, campaigns.get(connection, id_))
    assert second.state == "done", second.error
    assert second.metrics["synthetic"] == len(kept)
    assert second.metrics["trained_on"] + second.metrics["near_measured"] == 57
    assert second.metrics["control_labels"] == 0
    assert row.shard not in {place.shard for place in material.measuring()}


def test_what_people_say_stands_in_the_place_of_a_synthetic_label(context: Context, model: Path) -> None:
    """Given synthetic texts that people were asked about, when one agrees, one disagrees and one cannot say, then their
    answers are labels of full weight, the third has none any more, and half of those checked agreed; undone, no
    synthetic label holds, people's stay, and what nobody has begun gives way."""
    id_ = trained(context, model)
    row = synthesise(context, id_, Perturb(), share=0.3)
    with context.database.transaction() as connection:
        asked = [one for one in selections.in_states(connection, id_, ["chosen"]) if one.shard == row.shard]
        selections.opened(connection, {one.id: 900 + at for at, one in enumerate(asked)})
        meant = {one.row: one.value for one in labels.current(connection, id_) if one.shard == row.shard}
        first, second, third = asked[:3]
        other = next(name for name in LABELS if name != meant[second.row])
        given = [
            Given(
                5_000 + at,
                900 + at,
                f"{row.shard}-{one.row}",
                value,
                value is None,
                1,
                f"2026-01-0{at + 1}",
                "1",
                2.0,
            )
            for at, (one, value) in enumerate([(first, meant[first.row]), (second, other), (third, None)])
        ]
        take(connection, campaigns.get(connection, id_), given, lambda result, text: result)
    with context.database.transaction() as connection:
        now = {one.row: one for one in labels.current(connection, id_) if one.shard == row.shard}
        assert (now[first.row].value, now[first.row].source, now[first.row].weight) == (
            meant[first.row],
            "annotation",
            1.0,
        )
        assert (now[second.row].value, now[second.row].role) == (other, "train")
        assert third.row not in now
        checked = syntheses.checked(connection, id_, row.shard)
        assert (checked.asked, checked.answered) == (len(asked) - 1, 2)
        assert checked.agreed is not None
        assert checked.agreed.value == 0.5
        assert syntheses.undo(connection, id_, 1) == len(now) - 2
        left = [one for one in labels.current(connection, id_) if one.shard == row.shard]
        assert {one.row for one in left} == {first.row, second.row}
        states = {
            one.id: one.state
            for one in connection.execute(select(selection).where(selection.c.shard == row.shard))
        }
        assert {states[one.id] for one in asked[3:]} <= {"withdrawing"}
        assert states[first.id] == "answered"
        assert syntheses.undo(connection, id_, 1) == 0
        told = [one["kind"] for one in events.since(connection, id_, 0)]
        assert told.count("synthesis-undone") == 1
    assert len(stored(context, id_, row.shard)) == 30


def test_a_new_order_of_the_queue_leaves_synthetic_texts_in_it(context: Context, model: Path) -> None:
    id_ = trained(context, model)
    row = synthesise(context, id_, Perturb())
    with context.database.transaction() as connection:
        asked = [one for one in selections.in_states(connection, id_, ["chosen"]) if one.shard == row.shard]
        selections.opened(connection, {one.id: 900 + at for at, one in enumerate(asked)})
        jobs.add(connection, jobs.NewJob(id_, "rerank:again", "rerank", "cpu", {"round": 1}))
    work(context)
    with context.database.reading() as connection:
        assert jobs.of_kind(connection, id_, "rerank")[-1].state == "done"
        open_ = [one for one in selections.in_states(connection, id_, ["open"]) if one.shard == row.shard]
    assert [(one.id, one.place) for one in open_] == [(one.id, one.place) for one in asked]


def test_what_is_like_a_text_that_measures_is_refused_whoever_made_it(context: Context, model: Path) -> None:
    """Given a generator that writes a text of the test set, one of the pool, one twice and a new one, then only the new
    one may train; and when a test text like it comes later, it trains no more."""
    fresh = "the sum of root and log was prime in the old and very old"
    test, known = "a cat is the dog of a hen and of the fox", texts(ROWS)[100]
    written = json.dumps([test, known, fresh, fresh.title().lower()])

    def behaviour(body: dict[str, Any]) -> tuple[int, str]:
        return 200, written if '"numbers"' in body["messages"][0]["content"] else "[]"

    with generator(behaviour) as fake:
        context.settings = Settings(**{**vars(context.settings), "generators": fake.url})
        id_ = trained(context, model)
        with context.database.transaction() as connection:
            fill(connection, context.files, id_, [Example(test, label="animals")], "test")
            advance(connection, id_)
            seal(connection, context.files, id_)
            advance(connection, id_)
        work(context)
        row = synthesise(context, id_, Endpoint(fake.url, "m"), per_label=3)
    found = {text["text"]: one for text, one in stored(context, id_, row.shard)}
    assert found[test].verdict == "measures"
    assert found[known].verdict in ("duplicate", "near-duplicate")
    assert (found[known].like, found[known].how) == ("0-100", "few-shot")
    assert row.nonsense > 0
    assert found[fresh].verdict not in ("measures", "duplicate", "near-duplicate")
    with context.database.transaction() as connection:
        first = Place(row.shard, 0)
        labels.add_synthetic(connection, id_, {first: ("animals", 1)}, "planted", {first: 0.5})
        planted = [one for one in labels.current(connection, id_) if (one.shard, one.row) == (row.shard, 0)]
        material = Material.load(connection, context.files, campaigns.get(connection, id_))
    encoder = context.encoder(str(model))
    assert material.synthetic(encoder, planted) == ([], 1)


@pytest.mark.parametrize("written", ["I am sorry, I cannot help with that.", "RAW<html>"])
def test_a_generator_that_writes_nonsense_loses_nothing(context: Context, model: Path, written: str) -> None:
    with generator(lambda body: (200, written)) as fake:
        context.settings = Settings(**{**vars(context.settings), "generators": fake.url})
        id_ = trained(context, model)
        with context.database.reading() as connection:
            before = labels.current(connection, id_)
        row = synthesise(context, id_, Endpoint(fake.url, "m"))
    assert (row.state, row.shard, row.verdicts, row.nonsense) == ("broken", None, {}, 9)
    assert row.error == f"m at {fake.url} wrote nothing that can be read as texts"
    with context.database.reading() as connection:
        assert labels.current(connection, id_) == before


def test_what_a_generator_made_before_it_broke_down_is_kept(context: Context, model: Path) -> None:
    def behaviour(body: dict[str, Any]) -> tuple[int, str]:
        if '"animals"' in body["messages"][0]["content"]:
            return 200, json.dumps(["the cat and the old dog of a cow is very old"])
        return 404, "no such model"

    with generator(behaviour) as fake:
        context.settings = Settings(**{**vars(context.settings), "generators": fake.url})
        id_ = trained(context, model)
        row = synthesise(context, id_, Endpoint(fake.url, "m"), per_label=1)
    assert (row.state, sum(row.verdicts.values())) == ("broken", 1)
    assert row.error == f"the generator m at {fake.url} answered 404: is its URL right?"
    assert len(stored(context, id_, row.shard)) == 1


def test_a_generator_that_is_away_or_not_allowed(context: Context, model: Path) -> None:
    url = away()
    id_ = trained(context, model)
    for prefixes, words in ((url, "cannot be reached"), ("http://elsewhere", "is not below any prefix")):
        context.settings = Settings(**{**vars(context.settings), "generators": prefixes})
        row = synthesise(context, id_, Endpoint(url, "m"))
        assert (row.state, row.shard) == ("broken", None)
        assert words in row.error
        assert "\n" not in row.error


def test_copies_of_one_text_share_a_weight() -> None:
    """Two of one text, one of another, two few-shot texts of the same several."""
    a, b = Place(0, 1), Place(0, 2)
    made = [Draft("", "", sources, "") for sources in ((a,), (b,), (a,), (a, b), (a, b))]
    assert _weights(made) == [0.25, 0.5, 0.25, 0.5, 0.5]


def test_a_copy_is_of_one_group_with_its_source() -> None:
    """Labels 0 and 1 and three synthetic texts: of label 1, of a text that does not train, of several."""
    own = [Place(0, 4), Place(0, 7), Place(2, 0), Place(2, 1), Place(2, 2)]
    assert _groups(own, 2, [Place(0, 7), Place(0, 9), None]).tolist() == [0, 1, 1, 3, 4]
