"""Influence in a campaign, on a real store, real shards and a tiny encoder: what hurts, and who is asked about it."""

from typing import Any

import numpy as np
import pytest

from service import influence, relabeling
from service.errors import Conflict
from service.influence import Found
from service.records import Example
from service.rounds.advance import advance
from service.store import campaigns, jobs, labels, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.labels import Revision
from tests.filling import answer, fill, seal
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import adapter, door, learner
from workers.context import Context
from workers.material import Material

LABELS = ["animals", "sums", "weather"]
WRONG = (3, 10, 17)
"""Of the labels of rows 0 to 59; rows 200 to 239 measure."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_encoder(tmp_path_factory.mktemp("influence") / "model"))


class Site:
    """A campaign of 300 encoded examples of three topics."""

    def __init__(self, context: Context, model: str, **values: Any) -> None:
        self.context = context
        self.several = values.get("problem") == "multi_label"
        rng = np.random.default_rng(0)
        texts = [
            " ".join([*rng.choice(FILLER, 3), *rng.choice(TOPICS[at % 3], 4), f"{at}x"]) for at in range(300)
        ]
        with context.database.transaction() as connection:
            plain = {"round_size": 1000, "near_duplicates": "keep", "consensus": "majority"}
            new = NewCampaign("one", LABELS, model, **(plain | values))
            self.id = campaigns.create(connection, new).id
            fill(connection, context.files, self.id, [Example(text) for text in texts])
            seal(connection, context.files, self.id)
            advance(connection, self.id)
        while door.work(context, "gpu"):
            pass

    def said(self, row: int) -> str:
        label = LABELS[(row + (row in WRONG)) % 3]
        return f'["{label}"]' if self.several else label

    def answer(self, rows: range, by: int = 1, role: Any = "train") -> None:
        with self.context.database.transaction() as connection:
            answer(connection, self.id, {row: {by: self.said(row)} for row in rows}, role)

    def train(self) -> None:
        """Round 1, as its job leaves it behind, on what is labeled now."""
        with self.context.database.transaction() as connection:
            campaign = campaigns.get(connection, self.id)
            given = {"label_version": campaign.label_version, "labels": 60, "shards": [0]}
            rounds.start(connection, self.id, 1, strategy="auto", seed=0, **given)  # type: ignore[arg-type]
            material = Material.load(connection, self.context.files, campaign)
            known = labels.snapshot(connection, self.id, campaign.label_version)
        encoder = self.context.encoder(campaign.model)
        lessons = material.lessons(encoder, known)
        corpus, taught = material.corpus(encoder, lessons.places), lessons.labels
        fitted = learner.fit(
            encoder, corpus, taught.rows, taught.classes, taught.weights, 3, 0, problem=campaign.problem
        )
        name = f"adapters/{self.id}/r1"
        with self.context.files.new(name) as folder:
            adapter.save(fitted, folder, LABELS, {"base_key": encoder.key}, {})
        with self.context.database.transaction() as connection:
            rounds.change(connection, self.id, 1, state="done", adapter=name, metrics={"trained_on": 60})

    def found(self) -> Found:
        with self.context.database.transaction() as connection:
            jobs.ask(connection, self.id, "influence", "gpu")
        while door.work(self.context, "gpu"):
            pass
        with self.context.database.reading() as connection:
            newest = jobs.of_kind(connection, self.id, "influence")[-1]
            assert newest.state == "done", newest.error
            found = influence.newest(connection, campaigns.get(connection, self.id))
        assert found is not None
        return found

    def refused(self) -> str:
        with self.context.database.reading() as connection, pytest.raises(Conflict) as caught:
            influence.subject(connection, self.context.files, campaigns.get(connection, self.id))
        return str(caught.value)

    def review(self, n: int) -> influence.Reviewed:
        with self.context.database.transaction() as connection:
            return influence.review(connection, campaigns.get(connection, self.id, lock=True), n)

    def change(self, **values: Any) -> None:
        with self.context.database.transaction() as connection:
            campaigns.change(connection, self.id, **values)

    def selected(self, *states: str) -> list[int]:
        with self.context.database.reading() as connection:
            return [row.row for row in selections.in_states(connection, self.id, states)]


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_wrong_labels_hurt_most_and_somebody_else_is_asked(
    context: Context, model: str, problem: str
) -> None:
    site = Site(context, model, problem=problem)
    site.answer(range(60))
    site.answer(range(200, 240), role="hold-out")
    site.train()
    found = site.found()
    assert (found.round, found.labels, found.measured_on, found.measured) == (1, 60, "hold-out", 40)
    assert {one.row for one in found.harmful[:3]} == set(WRONG)
    harms = [one.influence for one in found.harmful]
    assert harms == sorted(harms)
    assert harms[-1] < 0 < found.helpful[-1].influence
    assert len(found.harmful) <= influence.most_harmful(60) == 5

    with context.database.reading() as connection:
        told = influence.told(connection, campaigns.get(connection, site.id), found, "http://ls/projects/7")
    worst = told.harmful[0]
    assert worst.words.endswith(" lower")
    assert worst.url == f"http://ls/projects/7/data?task={found.harmful[0].row + 1}"
    assert (worst.annotators, worst.waits, worst.changed) == ([1], False, False)
    assert told.helpful[0].words.endswith(" higher")

    with pytest.raises(Conflict, match="fewer than two annotators"):
        site.review(2)
    site.answer(range(100, 105), by=2)
    reviewed = site.review(2)
    assert (reviewed.asked, reviewed.reason) == (2, None)
    assert site.selected("chosen") == [one.row for one in found.harmful[:2]]
    with context.database.reading() as connection:
        again = selections.in_states(connection, site.id, ["chosen"])
        told = influence.told(connection, campaigns.get(connection, site.id), found, None)
    assert {row.wanted for row in again} == {2}
    assert again[0].reason.startswith("a second opinion: without it the log loss on the hold-out")
    assert [one.waits for one in told.harmful[:3]] == [True, True, False]
    assert told.harmful[0].url is None


def test_a_review_keeps_to_the_rules(context: Context, model: str) -> None:
    """Within the budget, of labels that stand as they were, and not where second opinions are off."""
    site = Site(context, model)
    site.answer(range(60))
    site.answer(range(200, 240), role="hold-out")
    with pytest.raises(Conflict, match="ask for that first"):
        site.review(1)
    site.train()
    found = site.found()
    site.answer(range(100, 105), by=2)
    for values, words in (({"second_opinions": 0.0}, "no second opinions"), ({"paused": True}, "paused")):
        site.change(**values)
        with pytest.raises(Conflict, match=words):
            site.review(1)
        site.change(second_opinions=0.2, paused=False)
    with context.database.transaction() as connection:
        first = found.harmful[0].row
        (version,) = [row.version for row in labels.current(connection, site.id) if row.row == first]
        labels.revise(connection, site.id, [Revision(version, LABELS[first % 3], 1.0, 1.0, "")])
    site.change(budget=106)  # 60, 40 and 5 are asked
    reviewed = site.review(3)
    assert (reviewed.asked, reviewed.reason) == (1, "the budget has room for 1 more answers")
    assert site.selected("chosen") == [found.harmful[1].row]
    site.change(budget=None)
    reviewed = site.review(100)
    assert reviewed.asked == len(found.harmful) - 2
    assert reviewed.reason is not None
    assert "can be asked of somebody else" in reviewed.reason
    assert site.review(1).asked == 0


def test_where_there_is_nothing_to_tell(context: Context, model: str) -> None:
    site = Site(context, model)
    assert "no adapter yet" in site.refused()
    site.answer(range(18, 78, 3))
    site.train()
    assert "0 examples measure" in site.refused()
    site.answer(range(200, 219), role="hold-out")
    assert "19 examples measure" in site.refused()
    site.answer(range(219, 240), role="hold-out")
    assert "all say the same" in site.refused()
    with context.database.transaction() as connection:
        rounds.change(connection, site.id, 1, label_version=10)
    assert "learned from 10 labels" in site.refused()
    with context.database.transaction() as connection:
        campaign = campaigns.get(connection, site.id, lock=True)
        relabeling.change(connection, context.files, campaign, [LABELS[0]], ["another name"])
    assert "labels changed since round 1" in site.refused()


def test_spans_are_refused(context: Context) -> None:
    with context.database.transaction() as connection:
        new = NewCampaign("one", LABELS, "none", problem="spans")
        campaign = campaigns.create(connection, new)
        with pytest.raises(Conflict, match="not of spans"):
            influence.subject(connection, context.files, campaign)
