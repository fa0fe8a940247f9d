"""What a campaign believes before a round trains, on a real store, real shards and a tiny encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from service import relabeling
from service.records import Example, Place, Role
from service.rounds.advance import advance
from service.store import campaigns, jobs, labels, rounds
from service.store.campaigns import NewCampaign
from tests.filling import answer, fill, seal
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import beliefs, door
from workers.context import Context
from workers.held import Held, Stopping
from workers.material import Material

LABELS = ["animals", "sums", "weather"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_encoder(tmp_path_factory.mktemp("beliefs") / "model"))


class Site:
    """A campaign of 300 encoded examples of three topics; answers are given by hand."""

    def __init__(self, context: Context, model: str, **values: Any) -> None:
        self.context = context
        rng = np.random.default_rng(0)
        texts = [
            " ".join([*rng.choice(FILLER, 3), *rng.choice(TOPICS[at % 3], 3), f"{at}x"]) for at in range(300)
        ]
        with context.database.transaction() as connection:
            new = NewCampaign("one", LABELS, model, round_size=1000, near_duplicates="keep", **values)
            self.id = campaigns.create(connection, new).id
            fill(connection, context.files, self.id, [Example(text) for text in texts])
            seal(connection, context.files, self.id)
            advance(connection, self.id)
        while door.work(context, "gpu"):
            pass

    def answer(self, rows: Sequence[int], by: int, said: Any, role: Role = "train", wanted: int = 1) -> None:
        """`said` gives a row's answer."""
        with self.context.database.transaction() as connection:
            answer(connection, self.id, {row: {by: said(row)} for row in rows}, role, wanted)

    def settle(self, number: int) -> list[dict[str, Any]]:
        """Begin a round and settle what it trains on."""
        with self.context.database.transaction() as connection:
            campaign = campaigns.get(connection, self.id)
            known = {"label_version": campaign.label_version, "labels": 0, "shards": [0]}
            rounds.start(connection, self.id, number, strategy="auto", seed=0, **known)
            new = jobs.NewJob(
                campaign=self.id,
                key=f"t{number}",
                kind="train",
                queue="test",
                args={"round": number},
                priority=0,
            )
            jobs.add(connection, new)
            claim = jobs.claim(connection, "test", "test")
            material = Material.load(connection, self.context.files, campaign)
        assert claim is not None
        with Held(self.context, claim) as held:
            return beliefs.settle(held, material, self.context.encoder(campaign.model), number)

    def labels(self) -> dict[int, Any]:
        with self.context.database.reading() as connection:
            return {row.row: row for row in labels.current(connection, self.id)}


def truth(row: int) -> str:
    return LABELS[row % 3]


def wrong(row: int) -> str:
    return LABELS[(row + 1) % 3]


def test_a_model_finds_out_who_errs_and_the_round_trains_on_that(context: Context, model: str) -> None:
    site = Site(context, model)
    site.answer(range(100), 1, truth)
    site.answer(range(100, 150), 2, lambda row: wrong(row) if row % 2 else truth(row))
    people = site.settle(1)
    assert [(one["annotator"], one["answers"]) for one in people] == [(1, 100), (2, 50)]
    assert people[0]["accuracy"] > 0.9 > 0.8 > people[1]["accuracy"]
    held = site.labels()
    bad = [held[row] for row in range(101, 150, 2)]
    good = [held[row] for row in range(100)]
    assert all(row.value == wrong(row.row) for row in bad), "nobody said anything else"
    assert np.mean([row.probability for row in bad]) < 0.6 < 0.85 < np.mean([row.probability for row in good])
    assert min(row.weight for row in bad) == beliefs.LEAST_WEIGHT
    assert bad[0].reason.startswith("one answer, right with ")
    with context.database.reading() as connection:
        round_ = rounds.get(connection, site.id, 1)
        assert round_.label_version == campaigns.get(connection, site.id).label_version
        assert round_.labels == 150
        assert labels.changes_since(connection, site.id, round_.label_version) == 0
        then = {row.row: row.weight for row in labels.snapshot(connection, site.id, round_.label_version)}
    assert then == {row: one.weight for row, one in held.items()}
    site.answer(range(101, 110, 2), 1, truth)
    assert all(site.labels()[row].annotations == 2 for row in range(101, 110, 2))
    site.settle(2)
    held = site.labels()
    assert all(held[row].value == truth(row) for row in range(101, 110, 2)), "of two the better one"
    assert held[101].reason.startswith("1 of 2 answers, right with ")


def test_before_there_is_a_model_answers_judge_each_other(context: Context, model: str) -> None:
    site = Site(context, model, overlap=3)
    for who, said in ((1, truth), (2, truth), (3, wrong)):
        site.answer(range(30), who, said, wanted=3)
    people = site.settle(1)
    assert people[0]["accuracy"] > 0.8 > 0.4 > people[2]["accuracy"]
    assert {row.value == truth(row.row) for row in site.labels().values()} == {True}
    assert "judging by who answered" in site.labels()[0].reason


def test_no_model_votes_on_what_it_is_measured_on(context: Context, model: str) -> None:
    """Given somebody who errs and is known for it, the hold-out's labels are as sure as who gave them: all alike."""
    site = Site(context, model)
    site.answer(range(120), 1, truth)
    site.answer(range(200, 230), 1, lambda row: wrong(row) if row % 2 else truth(row), "hold-out")
    site.settle(1)
    held = site.labels()
    right, bad = [np.mean([held[row].probability for row in range(200 + odd, 230, 2)]) for odd in (0, 1)]
    assert right == pytest.approx(bad, abs=0.1)


def test_the_majority_is_taken_as_it_is(context: Context, model: str) -> None:
    site = Site(context, model, consensus="majority")
    site.answer(range(110), 1, truth)
    before = site.labels()
    people = site.settle(1)
    assert site.labels() == before
    assert people[0]["accuracy"] > 0.7


def test_nobody_answered_yet(context: Context, model: str) -> None:
    site = Site(context, model)
    with context.database.transaction() as connection:
        labels.import_known(connection, site.id, {Place(0, 0): ("sums", 1)})
    assert site.settle(1) == []
    assert site.labels()[0].weight == 1


def test_a_round_that_began_with_other_labels_begins_anew(context: Context, model: str) -> None:
    """Given labels that change after the round read the campaign, then nothing is written in the names of then."""
    site = Site(context, model)
    site.answer(range(12), 1, truth)
    load = Material.load

    def meanwhile(*given: Any) -> Material:
        read = load(*given)
        relabeling.change(given[0], context.files, read.campaign, ["sums"], ["maths"])
        return read

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Material, "load", meanwhile)
        with pytest.raises(Stopping):
            site.settle(1)
    assert {row.value for row in site.labels().values()} == {"animals", "maths", "weather"}
    site.settle(2)
    assert {row.value for row in site.labels().values()} == {"animals", "maths", "weather"}
