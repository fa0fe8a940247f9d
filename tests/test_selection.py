"""What comes into the queue: shares, roles and places, on a real store and real shards."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service import predictions
from service.files import Files
from service.pool import pool, repeats
from service.pool.pool import Kind
from service.pool.text import draws, role_key
from service.predictions import Spans
from service.quotas import Quota
from service.records import Example, Place
from service.store import campaigns, labels, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.database import Database
from service.store.labels import Revision
from service.store.selections import Chosen
from service.vocabulary import Columns
from tests.filling import answer, fill, seal
from workers import selection, situation
from workers.selection import Pick
from workers.situation import TRAIN, Scores, Situation


@dataclass
class World:
    database: Database
    files: Files
    campaign: str

    def add(self, texts: list[str], kind: Kind = "pool", label: str | None = None) -> None:
        """Post and seal these texts."""
        with self.database.transaction() as connection:
            examples = [Example(text, label=label) for text in texts]
            fill(connection, self.files, self.campaign, examples, kind)
            seal(connection, self.files, self.campaign)

    def compare(self, number: int, leaders: dict[int, tuple[int, int]]) -> None:
        """Say of a shard's rows which example (shard, row) each repeats."""
        with self.database.transaction() as connection:
            rows = pool.shard_row(connection, self.campaign, number).rows
            table = np.stack([np.full(rows, number), np.arange(rows)], axis=1).astype(np.int32)
            for row, leader in leaders.items():
                table[row] = leader
            with self.files.new(f"near/{self.campaign}/{number}") as folder:
                repeats.write(folder, table, np.zeros(rows))
            pool.compared(connection, self.campaign, number, f"near/{self.campaign}/{number}", len(leaders))

    def look(self) -> Situation:
        with self.database.transaction() as connection:
            campaign = campaigns.get(connection, self.campaign)
            return situation.load(connection, self.files, campaign, 0)

    def select(self, count: int, seed: int = 0) -> tuple[Situation, list[Pick]]:
        """Choose a batch at random and write it down."""
        now = self.look()
        picks = selection.batch(now, count, "random", np.random.default_rng(seed))
        chosen = selection.describe(
            self.files, now, picks, range(now.campaign.place, now.campaign.place + len(picks))
        )
        with self.database.transaction() as connection:
            selections.choose(connection, self.campaign, now.campaign.batches + 1, 0, chosen)
            campaigns.change(connection, self.campaign, batches=now.campaign.batches + 1)
            campaigns.count_up(connection, self.campaign, "place", len(picks))
        return now, picks


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    with database.transaction() as connection:
        new = NewCampaign(name="one", labels=["a", "b"], model="m", seed=5, holdout_size=20)
        campaign = campaigns.create(connection, new).id
    return World(database, Files(tmp_path / "files"), campaign)


def texts(count: int, word: str = "text") -> list[str]:
    """Texts that differ in a word, not in a number alone."""
    return [
        f"{word} {chr(97 + at // 676 % 26)}{chr(97 + at // 26 % 26)}{chr(97 + at % 26)}"
        for at in range(count)
    ]


def test_a_fifth_is_drawn_half_control_half_hold_out_evenly_spread(world: World) -> None:
    world.add(texts(1000))
    _, picks = world.select(50)
    roles = [pick.role for pick in picks]
    assert Counter(roles) == {"train": 40, "control": 5, "hold-out": 5}
    assert [at for at, role in enumerate(roles) if role != "train"] == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47]


def test_shares_hold_over_many_small_batches(world: World) -> None:
    world.add(texts(1000))
    roles: Counter[str] = Counter()
    for seed in range(15):
        roles.update(pick.role for pick in world.select(7, seed)[1])
    assert roles["train"] + roles["control"] + roles["hold-out"] == 105
    assert (roles["control"], roles["hold-out"]) == (10, 10)


def test_the_text_decides_the_role_before_any_label(world: World) -> None:
    world.add(texts(1000))
    now, picks = world.select(100)
    for pick in picks:
        draw = now.draws[pick.position]
        assert pick.role == ("hold-out" if draw < 0.1 else "control" if draw < 0.2 else "train")


def test_draws_go_by_the_draw_so_that_late_texts_catch_up(world: World) -> None:
    """Given a second pool after ten draws for the hold-out, then the next ones are those that a sample of the
    whole would hold: all draws below one threshold."""
    world.add(texts(500, "early"))
    world.select(100)
    world.add(texts(500, "late"))
    world.select(100, seed=1)
    now = world.look()
    with world.database.transaction() as connection:
        held = [
            Place(row.shard, row.row)
            for row in selections.taken(connection, world.campaign)
            if row.role == "hold-out"
        ]
    drawn = set(now.pool.positions(held).tolist())
    assert len(drawn) == 20
    late = {at for at in drawn if now.pool.numbers[at] == 1}
    lowest_late = set(
        np.flatnonzero(now.pool.numbers == 1)[np.argsort(now.draws[now.pool.numbers == 1])[: len(late)]]
    )
    assert late == lowest_late
    assert len(late) >= 8


def test_a_full_hold_out_gives_its_slots_and_its_texts_to_training(world: World) -> None:
    world.add(texts(1000))
    for seed in range(5):
        world.select(60, seed)
    now, picks = world.select(100, seed=9)
    assert now.holdout_room == 0
    assert Counter(pick.role for pick in picks)["hold-out"] == 0
    assert any(now.draws[pick.position] < 0.1 for pick in picks if pick.role == "train")


def test_a_test_set_measures_instead_and_what_is_like_it_never_trains(world: World) -> None:
    world.add(["Text AAB!", "text aac."], kind="test", label="a")
    world.add(texts(60))
    now, picks = world.select(60)
    assert now.short
    chosen = {now.pool.places(np.array([pick.position]))[0].row for pick in picks}
    assert chosen == set(range(60)) - {1, 2}
    assert "hold-out" not in {pick.role for pick in picks}


def test_what_is_like_a_hold_out_text_never_trains(world: World) -> None:
    originals = texts(300)
    world.add(originals + [one.upper() + "!" for one in originals])
    seen: dict[int, set[str]] = {}
    for seed in range(10):
        now, picks = world.select(40, seed)
        for pick in picks:
            seen.setdefault(int(now.pool.role_keys[pick.position]), set()).add(pick.role)
    assert all(roles == {"hold-out"} for roles in seen.values() if "hold-out" in roles)


def test_nothing_is_chosen_twice_and_known_labels_are_not_asked_for(world: World) -> None:
    world.add(texts(50, "known"), label="a")
    world.add(texts(50))
    picked: list[int] = []
    for seed in range(3):
        now, picks = world.select(30, seed)
        picked += [pick.position for pick in picks]
    assert now.short
    assert sorted(picked) == list(range(50, 100))
    with world.database.transaction() as connection:
        assert labels.count(connection, world.campaign) == {"import": 50}


def test_the_same_seed_draws_the_same(world: World) -> None:
    world.add(texts(200))
    now = world.look()
    again = world.look()
    one = selection.batch(now, 40, "random", np.random.default_rng(3))
    two = selection.batch(again, 40, "random", np.random.default_rng(3))
    assert one == two


def test_draws_are_uniform_and_of_the_seed() -> None:
    keys = [role_key(text) for text in texts(5000)]
    first, second = draws(keys, 1), draws(keys, 2)
    assert np.histogram(first, 10, (0, 1))[0].min() > 420
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_the_reason_says_what_the_model_wavers_between(world: World) -> None:
    world.add(texts(3))
    now = world.look()
    probabilities = np.array([[0.3, 0.7], [0.5, 0.5]], np.float32)
    now.scores = Scores(4, np.array([0, 2]), probabilities)
    asked = [
        Pick(0, "train", "margin", 0.4),
        Pick(1, "train", "margin", 0.0),
        Pick(2, "control", "random", 0.0),
    ]
    assert [one.reason for one in selection.describe(world.files, now, asked, range(3))] == [
        "b 70% or a 30%? Chosen by margin after round 4",
        "The examples that waver most between their two likeliest labels.",
        "random draw",
    ]


def test_scores_from_before_a_change_of_labels(world: World) -> None:
    """Given a round that knew three labels, of which two are a today, then its scores are of a and b; and where a is a
    part of a label that was split, it is not shown."""
    world.add(texts(3))
    now = world.look()
    before = Scores(4, np.array([0, 2]), np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]], np.float32))

    now.scores = before.renamed("single_label", Columns((1, 0, 0), 2, frozenset({0})))

    assert now.scores.probabilities is not None
    assert now.scores.probabilities.tolist() == [pytest.approx([0.8, 0.2]), pytest.approx([0.5, 0.5])]
    assert selection.predictions(now, np.arange(3)) == [None, None, None]
    now.scores = before.renamed("single_label", Columns((1, 0, 0), 2, frozenset()))
    assert selection.predictions(now, np.arange(1)) == [{"round": 4, "label": "a", "confidence": 0.8}]
    spans = Spans(np.array([[0, 0, 4, 1], [0, 5, 6, 0]], np.int32), np.array([0.9, 0.4], np.float32))
    now.scores = Scores(5, np.array([0, 2]), spans=spans).renamed("spans", Columns((1, 0), 2, frozenset({0})))
    assert selection.predictions(now, np.arange(1)) == [
        {"round": 5, "spans": [{"start": 5, "end": 6, "label": "b", "confidence": 0.4}]}
    ]


def test_what_is_shown_and_doubted_of_several_labels_and_of_spans(world: World) -> None:
    world.add(texts(3))
    now = world.look()
    probabilities = np.array([[0.3, 0.7], [0.1, 0.2]], np.float32)
    now.scores = Scores(4, np.array([0, 2]), probabilities, thresholds=(0.25, 0.6))
    assert selection.predictions(now, np.arange(3)) == [
        {"round": 4, "labels": ["a", "b"], "confidences": {"a": 0.3, "b": 0.7}},
        None,
        {"round": 4, "labels": [], "confidences": {}},
    ]
    picks = [Pick(0, "train", "margin", 0.4), Pick(2, "train", "margin", 0.1)]
    assert [one.reason for one in selection.describe(world.files, now, picks, range(2))] == [
        "a 30%, b 70%? Chosen by margin after round 4",
        "b 20%, a 10%? Chosen by margin after round 4",
    ]
    rows = np.array([[0, 0, 4, 1], [0, 5, 6, 0]], np.int32)
    now.scores = Scores(5, np.array([0, 2]), spans=Spans(rows, np.array([0.9, 0.4], np.float32)))
    assert selection.predictions(now, np.arange(3)) == [
        {
            "round": 5,
            "spans": [
                {"start": 0, "end": 4, "label": "b", "confidence": 0.9},
                {"start": 5, "end": 6, "label": "a", "confidence": 0.4},
            ],
        },
        None,
        {"round": 5, "spans": []},
    ]
    assert [one.reason for one in selection.describe(world.files, now, picks, range(2))] == [
        "2 spans, the least sure a 40%? Chosen by margin after round 5",
        "No span? Chosen by margin after round 5",
    ]


def test_places_that_come_free_one_by_one_are_filled_one_by_one(world: World) -> None:
    """Given that control and hold-out owe a draw at the same moment, then one place still gets one example."""
    world.add(texts(200))
    for _ in range(60):
        now, picks = world.select(1)
        assert len(picks) == 1
        assert not now.short
    asked = world.look().asked
    assert (asked["control"], asked["hold-out"]) == (6, 6)


def test_a_strategy_is_not_asked_where_it_has_nothing_to_choose_from(world: World) -> None:
    world.add(texts(30))
    now = world.look()
    now.zone[:] = 1
    picks = selection.batch(now, 10, "coverage", np.random.default_rng(0))
    assert {pick.role for pick in picks} == {"control"}
    assert len(picks) == 10


def test_a_view_tells_labels_from_open_questions(world: World) -> None:
    world.add(texts(40, "known"), label="b")
    world.add(texts(200))
    world.select(30)
    now = world.look()
    now.encoded[:] = True

    view = selection._view(now, np.arange(3), frozenset({"labels"}))

    out_of_reach = np.flatnonzero(~now.free & (now.zone != 0))
    assert view.labels is not None
    assert view.labels.tolist() == [1 if at < 40 else -1 for at in out_of_reach]
    assert set(view.labels.tolist()) == {1, -1}
    assert (view.size, view.classes, view.problem) == (3, 2, "single_label")


@pytest.mark.parametrize("told", [{"behind": True}, {"behind": False}, {}])
def test_a_round_says_whether_random_labels_taught_more(world: World, told: dict[str, bool]) -> None:
    """Rounds of before it was written down say nothing, and so no."""
    world.add(texts(30))
    with world.database.transaction() as connection:
        rounds.start(
            connection, world.campaign, 1, label_version=0, labels=0, shards=[], strategy="auto", seed=0
        )
        rounds.change(connection, world.campaign, 1, metrics={"trained_on": 9} | told)
        campaign = campaigns.get(connection, world.campaign)
        now = situation.load(connection, world.files, campaign, 1)
    assert now.behind is told.get("behind", False)


def test_of_near_duplicates_one_is_asked_and_the_others_share_its_role(world: World) -> None:
    world.add(texts(300, "one"))
    world.add(texts(300, "two"))
    world.compare(0, dict.fromkeys(range(1, 50), (0, 0)) | {51: (0, 50)})
    world.compare(1, dict.fromkeys(range(100), (0, 0)) | {200: (1, 199)})
    now = world.look()
    assert now.pool.leading.sum() == 600 - 50 - 101
    assert np.unique(now.zone[[0, *range(1, 50), *range(300, 400)]]).size == 1
    assert now.zone[500] == now.zone[499]
    later, picks = world.select(600)
    trains = [pick.position for pick in picks if pick.role == "train"]
    assert len(set(now.pool.leaders[trains])) == len(trains) > 300
    assert later.short
    measures = np.sort(now.draws[[pick.position for pick in picks if pick.role == "hold-out"]])
    assert measures.tolist() == np.sort(now.draws)[: len(measures)].tolist(), "near-duplicates measure, too"


def test_a_strategy_that_picks_near_duplicates_chooses_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(texts(100))
    first = int(np.flatnonzero(world.look().zone == TRAIN)[0])
    world.compare(0, dict.fromkeys(range(first + 1, 40), (0, first)))
    shown = []

    def first_ones(now: Situation, free: NDArray[np.bool_], count: int, *_: object) -> list[Pick]:
        shown.append(free.copy())
        return [Pick(int(at), "train", "margin", 0.5) for at in np.flatnonzero(free)[:count]]

    monkeypatch.setattr(selection, "_chosen", first_ones)
    now = world.look()
    picks = selection.train(now, 20, "strategy", np.random.default_rng(0))
    at = [pick.position for pick in picks]
    assert (len(at), len(set(now.pool.leaders[at])), at) == (20, 20, sorted(at))
    assert shown[0][:40].sum() > 20, "near-duplicates tell how common a text is"
    assert not shown[1][:40].any()
    assert first in at
    assert {pick.strategy for pick in picks} == {"margin"}


def test_what_was_asked_before_it_was_compared_stands_for_its_likes(world: World) -> None:
    world.add(texts(100))
    _, picks = world.select(10)
    taken = {pick.position: pick.role for pick in picks}
    trains, measures = (
        next(at for at, its in taken.items() if its == role) for role in ("train", "hold-out")
    )
    first, second = [at for at in range(100) if at not in taken][:2]
    assert world.look().free[[first, second]].all()
    world.compare(0, {trains: (0, first), measures: (0, second)})
    now = world.look()
    assert not now.free[[first, second, trains, measures]].any()
    assert now.known[[first, second, trains, measures]].tolist() == [False, False, True, True]
    assert now.near[[second, measures]].all()
    assert not now.near[[first, trains]].any()


def test_near_duplicates_may_be_kept(world: World) -> None:
    world.add(texts(100))
    world.compare(0, dict.fromkeys(range(1, 100), (0, 0)))
    assert world.look().pool.leading.sum() == 1
    assert len(world.select(10)[1]) == 1
    with world.database.transaction() as connection:
        campaigns.change(connection, world.campaign, near_duplicates="keep")
    now = world.look()
    assert (now.pool.leading.sum(), now.free.sum()) == (100, 99)


def test_labels_in_doubt_take_the_places_of_what_the_model_is_surest_of(world: World) -> None:
    """Given picks that are guessed right with .9 and .6 and labels wrong with .95, .35 and .05, then of two second
    opinions one is asked, in the surer pick's place: the next label is less in doubt than what it would replace."""
    world.add(texts(40))
    now = world.look()
    now.scores = Scores(1, np.arange(40), np.tile(np.float32([[0.9, 0.1]]), (40, 1)))
    now.scores.probabilities[7] = [0.4, 0.6]
    now.doubt[[20, 21, 22]] = [0.95, 0.35, 0.05]
    picks = [Pick(7, "train", "margin", 1.0), Pick(6, "train", "margin", 0.9)]
    found = selection._reconsidered(now, picks, 2)
    assert [(one.position, one.strategy) for one in found] == [(7, "margin"), (20, "second opinion")]
    assert found[1].score == 0.95
    assert selection._reconsidered(now, picks, 0) == picks
    now.doubt[21] = 0.5
    assert [one.position for one in selection._reconsidered(now, picks, 2)] == [21, 20]
    now.scores = None
    assert selection._reconsidered(now, picks, 2) == picks, "what was never scored is new"


def test_who_may_be_asked_again(world: World) -> None:
    """A label that trains, answered by fewer people than are at work, of known doubt, and not waiting already."""
    world.add(texts(10))
    with world.database.transaction() as connection:
        answer(connection, world.campaign, {row: {1: "a"} for row in range(4)})
        answer(connection, world.campaign, {4: {1: "a"}}, "hold-out")
        answer(connection, world.campaign, {5: {1: "a", 2: "b"}})
        known = {row.row: row.version for row in labels.current(connection, world.campaign)}
        revised = [Revision(known[row], "a", 0.3, 0.25, "") for row in (0, 1, 4, 5)]
        labels.revise(connection, world.campaign, revised)
        selections.ask_again(connection, world.campaign, Place(0, 1), 9, "")
    assert world.look().doubt.tolist() == [0.75] + [0] * 9
    with world.database.transaction() as connection:
        campaigns.change(connection, world.campaign, second_opinions=0.0)
    assert not world.look().doubt.any()


def test_a_formula_reads_numbers_of_the_pool(world: World) -> None:
    """A text without the number has the others' median."""
    metas = [{"stars": 5}, None, {"stars": 1}, {"stars": "many"}, {"stars": 2, "age": 1e39}]
    with world.database.transaction() as connection:
        campaigns.change(
            connection,
            world.campaign,
            formula="meta.stars - meta.age",
            strategy="weighted",
            random_share=0.0,
        )
        pool_ = [Example(text, meta=meta) for text, meta in zip(texts(5), metas, strict=True)]
        fill(connection, world.files, world.campaign, pool_)
        seal(connection, world.files, world.campaign)
    now = world.look()
    assert now.fields is not None
    assert now.fields(np.arange(5)).tolist() == [[5, 0], [2, 0], [1, 0], [2, 0], [2, 0]]
    picks = selection.batch(world.look(), 1, "strategy", np.random.default_rng(0))
    assert (picks[0].position, picks[0].strategy) == (0, "weighted")


def test_a_teachers_confidence_and_what_repeats_come_from_the_pool(world: World) -> None:
    """A text without a number has the mean of the others; what reaches beyond 0 and 1 is cut; of shards that were not
    compared nothing repeats."""
    metas = [{"sure": 0.4}, None, {"sure": 3}, {"sure": "very"}, {"sure": -1.0}]
    with world.database.transaction() as connection:
        campaigns.change(connection, world.campaign, teacher="sure", strategy="signal", random_share=0.0)
        pool_ = [Example(text, meta=meta) for text, meta in zip(texts(5), metas, strict=True)]
        fill(connection, world.files, world.campaign, pool_)
        seal(connection, world.files, world.campaign)
    now = world.look()
    at = np.arange(5)
    assert now.teacher is not None
    assert now.teacher(at).tolist() == pytest.approx([0.4, 1.4 / 3, 1.0, 1.4 / 3, 0.0])
    assert now.duplication(at).tolist() == [0] * 5
    world.compare(0, {})
    assert world.look().duplication(at[2:]).tolist() == [0] * 3
    picks = selection.batch(world.look(), 2, "strategy", np.random.default_rng(0))
    assert (picks[0].position, picks[0].strategy) == (2, "signal")
    assert picks[0].score == pytest.approx(1.0)


DOMAINS = ["law", "web", None]
"""Of every third text."""


def with_domains(world: World, count: int, **settings: object) -> None:
    with world.database.transaction() as connection:
        campaigns.change(connection, world.campaign, **settings)
        examples = [Example(text, domain=DOMAINS[at % 3]) for at, text in enumerate(texts(count))]
        fill(connection, world.files, world.campaign, examples)
        seal(connection, world.files, world.campaign)


def in_words(world: World, now: Situation, picks: list[Pick]) -> Counter[tuple[str | None, str]]:
    """How many there are of each domain with each beginning of a reason, of those that a strategy chose."""
    chosen = selection.describe(world.files, now, picks, range(len(picks)))
    return Counter((one.domain, one.reason.partition(":")[0]) for one in chosen if one.role == "train")


def test_a_quota_keeps_its_share_of_what_is_chosen_spread_over_the_queue(world: World) -> None:
    with_domains(world, 900, quotas={"law": 0.5}, random_share=0.2)
    now, picks = world.select(50)
    assert Counter(pick.role for pick in picks) == {"train": 40, "control": 5, "hold-out": 5}
    found = in_words(world, now, picks)
    assert found["law", "Quota of domain 'law'"] == 20
    assert sum(number for (_, words), number in found.items() if words == "random draw") == 20
    kept = [at for at, pick in enumerate(pick for pick in picks if pick.role == "train") if pick.quota]
    assert max(np.diff(kept)) == 2
    assert len({pick.position for pick in picks}) == 50


def test_a_domain_that_ends_or_never_was_holds_no_batch_up(world: World) -> None:
    with_domains(world, 60, quotas={"law": 0.6, "nobody's": 0.2}, random_share=0.0, holdout_size=0)
    now, picks = world.select(30)
    assert [quota.among.sum() for quota in now.quotas] == [20, 0]
    assert sum(bool(pick.quota) for pick in picks) == 18
    now, picks = world.select(30)
    assert len(picks) == 30, "all that is left, two of the domain at the most"
    assert sum(bool(pick.quota) for pick in picks) <= 2
    assert not now.short
    assert world.select(5)[1] == []


def test_one_domain_alone(world: World) -> None:
    with_domains(world, 90, quotas={"law": 1.0}, random_share=0.0)
    now, picks = world.select(40)
    assert in_words(world, now, picks) >= Counter({("law", "Quota of domain 'law'"): 30})
    assert len(picks) == 40


def test_without_quotas_nothing_is_chosen_otherwise(world: World) -> None:
    world.add(texts(200))
    now = world.look()
    assert now.quotas == []
    one = selection.train(now, 20, "random", np.random.default_rng(3))
    now.quotas = [Quota("nothing", 0.5, np.zeros(200, np.bool_))]
    assert len(selection.train(now, 20, "random", np.random.default_rng(3))) == len(one) == 20


def test_a_strategy_chooses_within_the_quota_its_best_first(world: World) -> None:
    """Given probabilities by which later texts are less sure, then margin takes the last ones of the domain."""
    with_domains(world, 90, strategy="margin", random_share=0.0)
    now = world.look()
    sure = np.linspace(0.99, 0.5, 90, dtype=np.float32)
    now.scores = Scores(1, np.arange(90), np.stack([sure, 1 - sure], axis=1))
    now.quotas = [Quota("weakest domain 'law'", 0.25, now.pool.of_domain(world.files, "law"))]
    picks = selection.train(now, 8, "strategy", np.random.default_rng(0))
    assert [pick.position for pick in picks if pick.quota] == [87, 84]
    assert [pick.position for pick in picks if not pick.quota] == [89, 88, 86, 85, 83, 82]
    assert selection.describe(world.files, now, [picks[2]], [0])[0].reason == (
        "Weakest domain 'law': a 51% or b 49%? Chosen by margin after round 1"
    )


def test_the_weakest_of_the_newest_round_gets_its_share(world: World) -> None:
    """Given a hold-out on which law goes wrong, then a quota is law's; without a hold-out there is none; and without
    domains it is for what the adapter takes for the weaker class."""
    with_domains(world, 90, weak_share=0.4)
    with world.database.transaction() as connection:
        drawn = [
            Chosen(Place(0, row), row, "hold-out", "random", 0.0, "", "", None, DOMAINS[row % 3], row, None)
            for row in range(36)
        ]
        selections.choose(connection, world.campaign, 1, 0, drawn)
        said = np.array([[0.2, 0.8] if row % 3 == 0 and row % 2 else [0.8, 0.2] for row in range(36)])
        with world.files.new("predictions/1") as folder:
            predictions.write(folder, [one.place for one in drawn], {predictions.ADAPTER: said})
        rounds.start(
            connection, world.campaign, 1, label_version=0, labels=0, shards=[0], strategy="auto", seed=0
        )
        rounds.change(connection, world.campaign, 1, predictions="predictions/1", metrics={"trained_on": 9})

    def look() -> Situation:
        with world.database.transaction() as connection:
            return situation.load(connection, world.files, campaigns.get(connection, world.campaign), 1)

    assert look().quotas == [], "nothing measures yet"
    with world.database.transaction() as connection:
        answer(connection, world.campaign, {row: {1: "a"} for row in range(36)}, "hold-out")
    (quota,) = look().quotas
    assert (quota.why, quota.share) == ("weakest domain 'law'", 0.4)
    assert np.flatnonzero(quota.among).tolist() == list(range(0, 90, 3))
    assert world.look().quotas == [], "before the first round"


def test_what_an_adapter_takes_for_a_class() -> None:
    p = np.array([[0.3, 0.7], [0.9, 0.1], [0.4, 0.35]], np.float32)
    at = np.array([1, 2, 4])
    assert np.flatnonzero(Scores(1, at, p).of_class(1, 6)).tolist() == [1]
    assert np.flatnonzero(Scores(1, at, p, thresholds=(0.35, 0.3)).of_class(1, 6)).tolist() == [1, 4]
    rows = np.array([[0, 0, 4, 1], [2, 5, 6, 0], [2, 7, 9, 1]], np.int32)
    found = Scores(1, at, spans=Spans(rows, np.ones(3, np.float32)))
    assert np.flatnonzero(found.of_class(1, 6)).tolist() == [1, 4]
