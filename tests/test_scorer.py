"""The resident scorer on a real store and a real Redis: what it says is what the adapter says."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from service import doorbell, relabeling, scorer
from service.errors import ScorerUnavailable
from service.scorer import Request, Said
from service.store import campaigns, rounds
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.adapters import LABELS, TEXTS, leave, trained
from tests.learner.conftest import build_encoder
from workers import learner, tagger
from workers.context import Context
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.scorer import SLICE, Scorer
from workers.tagger import Tagger


@pytest.fixture
def redis(valkey: str) -> Iterator[Redis]:
    redis = doorbell.connect(valkey, patient=True)
    redis.delete("postil-predict")
    yield redis
    redis.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_encoder(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def encoder(model: str) -> Encoder:
    return Encoder.load(model)


@dataclass
class World:
    context: Context
    redis: Redis
    encoder: Encoder

    def campaign(self, problem: str = "single_label", rounds_: int = 1, frozen: bool = False) -> str:
        """A campaign with so many rounds, whose adapters are of random numbers."""
        files = self.context.files
        with self.context.database.transaction() as connection:
            name = f"{problem}-{len(campaigns.all_of(connection))}"
            id_ = campaigns.create(connection, NewCampaign(name, LABELS, self.encoder.name, problem)).id
            for number in range(1, rounds_ + 1):
                leave(connection, files, id_, number, trained(self.encoder, problem, number, frozen))
        return id_

    def scorer(self, few: int = 4) -> Scorer:
        return Scorer(self.context, self.redis, few)


@pytest.fixture
def world(context: Context, redis: Redis, encoder: Encoder) -> World:
    return World(context, redis, encoder)


def asked(world: World, work: Callable[[], Said], scorer_: Scorer) -> Said:
    """What `work`, which asks in a thread, is told by the scorer."""
    told: list[Said | BaseException] = []

    def run() -> None:
        try:
            told.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            told.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        scorer_.turn(wait_s=0.05)
        thread.join(0)
    if isinstance(told[0], BaseException):
        raise told[0]
    return told[0]


@pytest.mark.parametrize("frozen", [False, True])
def test_one_label_a_text(world: World, encoder: Encoder, frozen: bool) -> None:
    """Given an adapter, then probabilities are those of `learner.predict`, which merges it anew each time."""
    id_ = world.campaign(frozen=frozen)
    fitted = trained(encoder, "single_label", 1, frozen)
    assert isinstance(fitted, Fitted)
    expected = learner.predict(encoder, fitted, encoder.tokenize(TEXTS)).probabilities

    said = asked(world, lambda: scorer.ask(world.redis, id_, 1, TEXTS), world.scorer())

    found = np.array([[one["probabilities"][label] for label in LABELS] for one in said.predictions])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert [one["label"] for one in said.predictions] == [LABELS[at] for at in expected.argmax(axis=1)]
    assert [one["confidence"] for one in said.predictions] == pytest.approx(expected.max(axis=1), abs=1e-4)
    assert said.unsure == []


def test_several_labels_and_none(world: World, encoder: Encoder) -> None:
    id_ = world.campaign("multi_label")
    fitted = trained(encoder, "multi_label", 1)
    assert isinstance(fitted, Fitted)
    expected = learner.predict(encoder, fitted, encoder.tokenize(TEXTS)).probabilities

    said = asked(world, lambda: scorer.ask(world.redis, id_, 1, TEXTS), world.scorer()).predictions

    decided = expected >= np.array([0.4, 0.5, 0.6])
    assert [one["labels"] for one in said] == [
        [label for label, yes in zip(LABELS, row, strict=True) if yes] for row in decided
    ]
    assert decided.any()
    assert not decided.all()


def test_spans(world: World, encoder: Encoder) -> None:
    id_ = world.campaign("spans")
    fitted = trained(encoder, "spans", 1)
    assert isinstance(fitted, Tagger)
    expected = tagger.predict(encoder, fitted, TEXTS).spans

    said = asked(world, lambda: scorer.ask(world.redis, id_, 1, TEXTS), world.scorer()).predictions

    found = [
        (at, span["start"], span["end"], LABELS.index(span["label"]))
        for at, one in enumerate(said)
        for span in one["spans"]
    ]
    assert found == [tuple(row) for row in expected.rows.tolist()]
    assert found


def test_labels_are_those_of_today(world: World, encoder: Encoder) -> None:
    """Given labels that were merged and split since the round, then probabilities are added up, and a part is no more
    sure than the whole."""
    id_ = world.campaign()
    fitted = trained(encoder, "single_label", 1)
    assert isinstance(fitted, Fitted)
    expected = learner.predict(encoder, fitted, encoder.tokenize(TEXTS)).probabilities
    for old, new in ((["animals", "numbers"], ["both"]), (["weather"], ["rain", "sun"])):
        with world.context.database.transaction() as connection:
            relabeling.change(connection, world.context.files, campaigns.get(connection, id_), old, new)

    said = asked(world, lambda: scorer.ask(world.redis, id_, 1, TEXTS), world.scorer())

    merged = [one["probabilities"]["both"] for one in said.predictions]
    assert merged == pytest.approx(expected[:, :2].sum(axis=1), abs=1e-4)
    assert [one["probabilities"]["sun"] for one in said.predictions] == [0.0] * len(TEXTS)
    assert said.unsure == ["rain", "sun"]


def test_the_last_few_adapters_are_kept_and_base_models_shared(world: World) -> None:
    id_ = world.campaign(rounds_=3)
    scorer_ = world.scorer(few=2)
    for number in (1, 2, 1, 3):
        asked(world, lambda number=number: scorer.ask(world.redis, id_, number, ["fog"]), scorer_)  # type: ignore[misc]

    assert list(scorer_.held) == [f"adapters/{id_}/r1", f"adapters/{id_}/r3"]
    first, second = scorer_.held.values()
    assert first.encoder is second.encoder
    assert first.base is second.base


def test_who_asks_for_little_does_not_wait_for_who_asks_for_much(world: World) -> None:
    id_ = world.campaign()
    scorer_ = world.scorer()
    ends: list[int] = []

    def ask(count: int) -> None:
        assert len(scorer.ask(world.redis, id_, 1, ["fog"] * count).predictions) == count
        ends.append(count)

    long = threading.Thread(target=ask, args=(10 * SLICE,))
    long.start()
    while not scorer_.works:
        scorer_.turn(wait_s=0.05)
    short = threading.Thread(target=ask, args=(2,))
    short.start()
    while world.redis.llen("postil-predict") == 0 and short.is_alive():
        pass
    while short.is_alive() or long.is_alive():
        scorer_.turn(wait_s=0.05)
    assert ends == [2, 10 * SLICE]


def test_without_a_scorer_a_request_is_withdrawn(redis: Redis) -> None:
    with pytest.raises(ScorerUnavailable, match="postil worker predict"):
        scorer.ask(redis, "c0", 1, ["fog"], taken_s=0.2)
    assert redis.llen("postil-predict") == 0
    assert list(redis.scan_iter("postil-predict:*")) == []


def test_a_scorer_that_has_no_answer_in_time(redis: Redis) -> None:
    taker = threading.Thread(target=lambda: scorer.take(redis, 5))
    taker.start()
    with pytest.raises(ScorerUnavailable, match="no answer within"):
        scorer.ask(redis, "c0", 1, ["fog"], taken_s=0.1, done_s=0.5)
    taker.join()


def test_what_cannot_be_answered_is_told_and_the_next_request_is_another(
    world: World, database: Database
) -> None:
    id_ = world.campaign()
    scorer_ = world.scorer()
    with world.context.database.transaction() as connection:
        rounds.start(connection, id_, 2, label_version=0, labels=0, shards=[], strategy="auto", seed=0)

    for campaign, number, told in (
        ("nobody", 1, "no campaign 'nobody'"),
        (id_, 2, "has no adapter"),
        (id_, 7, "no round 7"),
    ):
        with pytest.raises(ScorerUnavailable, match=told):
            asked(world, lambda c=campaign, n=number: scorer.ask(world.redis, c, n, ["fog"]), scorer_)  # type: ignore[misc]
    assert len(asked(world, lambda: scorer.ask(world.redis, id_, 1, ["fog"]), scorer_).predictions) == 1


def test_what_is_no_request_and_what_nobody_waits_for_is_passed_over(redis: Redis) -> None:
    redis.rpush("postil-predict", "late", "odd", "good")
    redis.set("postil-predict:odd", b'{"texts": 1}', ex=60)
    redis.set("postil-predict:good", b'{"campaign": "c0", "round": 1, "texts": ["fog"]}', ex=60)

    assert scorer.take(redis, 1) == ("good", Request("c0", 1, ["fog"]))
    assert scorer.take(redis, 0) is None
    assert b"this is no request" in redis.lpop("postil-predicted:odd")  # type: ignore[operator]


def test_a_scorer_that_is_stopped_sends_back_who_waits(world: World) -> None:
    id_ = world.campaign()
    scorer_ = world.scorer()
    world.redis.set("postil-predict:one", b'{"campaign": "%s", "round": 1, "texts": %s}' % (
        id_.encode(), str(["fog"] * (3 * SLICE)).replace("'", '"').encode()
    ), ex=60)  # fmt: skip
    world.redis.rpush("postil-predict", "one")
    scorer_.turn()
    assert [work.left for work in scorer_.works] == [2 * SLICE]

    scorer_.run(lambda: True)

    assert b"try again" in world.redis.lpop("postil-predicted:one")  # type: ignore[operator]


def test_an_idle_scorer_has_loaded_no_torch(tmp_path: Path) -> None:
    code = "import sys, workers.scorer, workers.context; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
