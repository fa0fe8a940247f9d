"""Simulated campaigns on a tiny encoder: the same ones again, resumed, with wrong answers, by every strategy."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import registry
from tests.learner.conftest import FILLER, TOPICS, build_encoder
from workers import candidates, selection
from workers.coding import classes
from workers.corpus import Corpus
from workers.simulation import simulation
from workers.simulation.labeled import Labeled
from workers.simulation.plan import Plan, Run
from workers.simulation.replay import SUSPECTS, Stage, replay
from workers.simulation.simulation import Inputs
from workers.situation import Situation

PLAN = Plan("", "", "", start=10, batch=10, labels=40, noise=(0.0,), random_share=0.2, problem="single_label")


def texts(path: Path, n: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    rows = []
    for at in range(n):
        topic = TOPICS[at % 3]
        said = [*rng.choice(FILLER, rng.integers(2, 6)), *rng.choice(topic, 3)]
        rows.append(
            {"text": " ".join(rng.permutation(said)), "label": ["animals", "sums", "weather"][at % 3]}
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("simulation")
    model = build_encoder(folder / "model")
    return Inputs(
        texts(folder / "a.jsonl", 300, 0),
        texts(folder / "b.jsonl", 90, 1),
        str(model),
        "text",
        "single_label",
        folder / "out",
    )


@pytest.fixture(scope="module")
def prepared(inputs: Inputs) -> tuple[Stage, Any]:
    return simulation.prepare(inputs)


def lasting(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in point.items() if not name.endswith("_s")} for point in points]


def test_a_campaign_again_is_the_same(prepared: tuple[Stage, Any]) -> None:
    stage, encoder = prepared
    one = list(replay(stage, PLAN, Run("auto", 0), encoder))
    again = list(replay(stage, PLAN, Run("auto", 0), encoder))
    other = list(replay(stage, PLAN, Run("auto", 1), encoder))
    assert [point["labels"] for point in one] == [10, 20, 30, 40]
    assert lasting(one) == lasting(again)
    assert lasting(one) != lasting(other)
    assert one[-1]["accuracy"] > 0.8
    assert all(0 <= point[name] <= 1 for point in one for name in ("accuracy", "macro_f1", "ece"))
    assert all(point["train_s"] > 0 for point in one)


def test_time_for_a_part_of_the_pool(prepared: tuple[Stage, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given time for 120 of 300 texts, then no more are scored after a batch, and others in the next."""
    stage, encoder = prepared
    read: list[NDArray[np.int64]] = []
    choose = candidates.choose

    def noted(*given: Any) -> NDArray[np.int64]:
        read.append(choose(*given))
        return read[-1]

    monkeypatch.setattr(candidates, "choose", noted)
    plan = msgspec.structs.replace(PLAN, score_rows=120)
    points = list(replay(stage, plan, Run("margin", 0), encoder))
    assert points[-1]["labels"] == 40
    assert [len(rows) for rows in read] == [120, 120, 120]
    assert len(np.unique(np.concatenate(read))) > 120


def test_a_holdout_measures_and_never_trains(prepared: tuple[Stage, Any]) -> None:
    stage, encoder = prepared
    plan = msgspec.structs.replace(PLAN, holdout=6, random_share=0.4, labels=60)
    found = list(replay(stage, plan, Run("auto", 0), encoder))
    assert [point["labels"] for point in found] == [10, 20, 30, 40, 50, 60]
    assert [point["rows"] for point in found] == [2, 4, 6, 6, 6, 6]  # a fifth, until it is full
    for point in found:
        measured = point["measured"]
        assert 0 <= measured["low"] <= measured["value"] <= measured["high"] <= 1
        assert measured["value"] * point["rows"] == pytest.approx(round(measured["value"] * point["rows"]))
    assert [len(point["stopping"]["agreements"]) for point in found] == [0, 1, 2, 3, 4, 5]
    assert found[-1]["gain"]["control_labels"] == 12
    assert found[-1]["gain"]["labels"] == 54


def test_without_a_holdout_the_test_set_measures(prepared: tuple[Stage, Any]) -> None:
    stage, encoder = prepared
    (*_, last) = replay(stage, PLAN, Run("auto", 0), encoder)
    assert last["rows"] == len(stage.test)
    assert last["measured"]["value"] == pytest.approx(last["accuracy"], abs=1e-5)


def test_wrong_answers_are_learned(prepared: tuple[Stage, Any]) -> None:
    stage, encoder = prepared
    (*_, clean) = replay(stage, PLAN, Run("random", 0), encoder)
    (*_, noisy) = replay(stage, msgspec.structs.replace(PLAN, noise=(0.6,)), Run("random", 0), encoder)
    assert noisy["accuracy"] < clean["accuracy"] - 0.2


def test_who_errs_is_found_out_and_others_are_asked(prepared: tuple[Stage, Any]) -> None:
    """Given one annotator who is always right and one who is wrong half of the time, from the hundredth label on the
    model tells them apart; second opinions are answers, but no further examples, and most of what is left of the
    wrong ones is suspected."""
    stage, encoder = prepared
    plan = msgspec.structs.replace(PLAN, start=60, batch=30, labels=180, noise=(0.0, 0.5), frozen=True)
    *_, last = replay(stage, plan, Run("auto", 0), encoder)
    assert last["labels"] == 180
    assert 150 <= last["examples"] < 180
    assert last["annotators"][0] > 0.85 > 0.7 > last["annotators"][1]
    wrong = last["noise"]["wrong"] * last["examples"]
    assert last["suspicion"] * SUSPECTS >= 0.8 * min(SUSPECTS, wrong)
    assert wrong > 5
    assert last["noise"]["low"] <= last["noise"]["value"] <= last["noise"]["high"]
    assert last["noise"]["value"] == pytest.approx(last["noise"]["wrong"], abs=0.1)
    (*_, alone) = replay(stage, msgspec.structs.replace(plan, second_opinions=0.0), Run("auto", 0), encoder)
    assert alone["examples"] == 180


def test_everybody_answers_where_there_is_an_overlap(prepared: tuple[Stage, Any]) -> None:
    stage, encoder = prepared
    plan = msgspec.structs.replace(
        PLAN, start=30, batch=30, labels=60, noise=(0.0, 0.5, 0.5), overlap=3, consensus="majority"
    )
    (*_, last) = replay(stage, plan, Run("random", 0), encoder)
    assert (last["labels"], last["examples"]) == (60, 20)
    assert last["annotators"][0] > last["annotators"][1]
    (*_, similar) = replay(stage, msgspec.structs.replace(plan, errors="similar"), Run("random", 0), encoder)
    assert similar["examples"] == 20


def test_quotas_and_the_weakest_domain(prepared: tuple[Stage, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a domain whose answers are as often wrong as right, then it is named, and gets its share of each batch from
    the second on; what somebody names has its own from the first."""
    stage, encoder = prepared
    domains: list[str | None] = [["law", "web", "net"][at % 3] for at in range(len(stage.pool))]
    rng = np.random.default_rng(0)

    def muddled(part: Labeled) -> Labeled:
        its = domains[: len(part)]
        law = np.array([one == "law" for one in its])
        return Labeled(part.texts, np.where(law, rng.integers(3, size=len(law)), part.classes), its)

    told: list[Any] = []
    batch = selection.batch

    def noted(now: Situation, *given: Any) -> list[Any]:
        told.append(([quota.why for quota in now.quotas], batch(now, *given)))
        return told[-1][1]

    monkeypatch.setattr(selection, "batch", noted)
    plan = msgspec.structs.replace(PLAN, frozen=True, random_share=0.0, weak_share=0.4, quotas={"net": 0.2})
    muddy = replace(stage, pool=muddled(stage.pool), test=muddled(stage.test))
    found = list(replay(muddy, plan, Run("margin", 0), encoder))

    assert found[-1]["worst_domain"] == found[-1]["domains"]["law"] < 0.7 < found[-1]["domains"]["web"]
    assert [why for why, _ in told][:2] == [
        ["quota of domain 'net'"],
        ["quota of domain 'net'", "weakest domain 'law'"],
    ]
    for at, (_, picks) in enumerate(told):
        kept = Counter((pick.quota, domains[pick.position]) for pick in picks if pick.quota)
        assert kept["quota of domain 'net'", "net"] == 2
        assert kept["weakest domain 'law'", "law"] == (4 if at else 0)
        assert len(kept) == (2 if at else 1)


def test_the_weakest_class_without_domains(
    prepared: tuple[Stage, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, encoder = prepared
    told: list[Any] = []
    batch = selection.batch

    def noted(now: Situation, *given: Any) -> list[Any]:
        told.append((now, batch(now, *given)))
        return told[-1][1]

    monkeypatch.setattr(selection, "batch", noted)
    plan = msgspec.structs.replace(PLAN, labels=20, frozen=True, random_share=0.0, weak_share=0.5)
    first, _ = replay(stage, plan, Run("margin", 0), encoder)

    weak = first["weakest"]["class"]["group"]["name"]
    assert (first["weakest"]["domain"], first["domains"], first["worst_domain"]) == (None, {}, 0.0)
    assert first["worst_class"] > 0
    now, picks = told[1]
    kept = [pick for pick in picks if pick.quota]
    assert {pick.quota for pick in kept} == {f"weakest class {weak!r}"}
    assert len(kept) == 5
    said = now.scores.probabilities[now.scores.at(np.array([pick.position for pick in kept]))[1]]
    assert set(said.argmax(axis=1)) == {stage.labels.index(weak)}


def test_a_pool_that_is_used_up_ends_the_curve(prepared: tuple[Stage, Any]) -> None:
    stage, encoder = prepared
    found = list(
        replay(stage, msgspec.structs.replace(PLAN, batch=200, labels=1_000), Run("random", 0), encoder)
    )
    assert [point["labels"] for point in found][:2] == [10, 210]
    assert len(np.unique(stage.leaders)) <= found[-1]["labels"] < len(stage.pool)
    keep = msgspec.structs.replace(PLAN, batch=200, labels=1_000, near_duplicates="keep")
    *_, last = replay(stage, keep, Run("random", 0), encoder)
    assert last["labels"] == len(stage.pool)


@pytest.mark.parametrize("strategy", registry.names("single_label"))
def test_every_strategy_can_lead_a_campaign(prepared: tuple[Stage, Any], strategy: str) -> None:
    stage, encoder = prepared
    short = msgspec.structs.replace(PLAN, labels=30)
    found = list(replay(stage, short, Run(strategy, 0), encoder))
    assert [point["labels"] for point in found] == [10, 20, 30]
    assert found[-1]["accuracy"] > 0.6


@pytest.mark.parametrize("strategy", registry.names("multi_label"))
def test_every_strategy_for_several_labels(prepared: tuple[Stage, Any], strategy: str) -> None:
    """Given texts of two of four labels each, then they are learned."""
    stage, encoder = prepared
    topic = stage.pool.classes[:, None] == np.arange(3), stage.test.classes[:, None] == np.arange(3)
    sets = [
        Labeled(part.texts, np.hstack([true, ~true[:, :1]]), part.domains)
        for part, true in zip((stage.pool, stage.test), topic, strict=True)
    ]
    names = [*stage.labels, "no animals"]
    several = Stage(
        names,
        sets[0],
        sets[1],
        Corpus(stage.corpus.tokens, stage.corpus.base, None),
        stage.measured,
        stage.leaders,
        stage.duplication,
    )
    plan = msgspec.structs.replace(PLAN, labels=30, problem="multi_label", noise=(0.05,))
    found = list(replay(several, plan, Run(strategy, 0), encoder))
    assert [point["labels"] for point in found] == [10, 20, 30]
    assert found[-1]["macro_f1"] > 0.6
    assert {"micro_f1", "subset_accuracy", "ece", "log_loss"} <= found[-1].keys()


@pytest.mark.parametrize("strategy", registry.names("spans"))
def test_every_strategy_for_spans(prepared: tuple[Stage, Any], strategy: str) -> None:
    """Given texts whose words of two topics are to be marked, and texts with none, then they are learned."""
    stage, encoder = prepared
    parts = [
        Labeled(part.texts, classes("spans", [marked(t) for t in part.texts], 2), part.domains)
        for part in (stage.pool, stage.test)
    ]
    tagged = replace(stage, labels=["animal", "sum"], pool=parts[0], test=parts[1])
    plan = msgspec.structs.replace(PLAN, start=20, batch=30, labels=80, problem="spans", noise=(0.05,))
    found = list(replay(tagged, plan, Run(strategy, 0), encoder))
    assert [point["labels"] for point in found] == [20, 50, 80]
    assert found[-1]["f1"] > 0.5
    assert {"precision", "recall"} <= found[-1].keys()


def marked(text: str) -> tuple[tuple[int, int, int], ...]:
    """Each word of the first two topics, as (start, end, topic)."""
    topic = {word: number for number, words in enumerate(TOPICS[:2]) for word in words}
    return tuple(
        (one.start(), one.end(), topic[one.group()])
        for one in re.finditer(r"\w+", text)
        if one.group() in topic
    )


def test_the_verb_goes_on_where_it_was(inputs: Inputs) -> None:
    """Given a run cut off in its second line, then that run alone is done again."""

    def simulate(*more: str) -> str:
        options = {
            "--data": inputs.data, "--test": inputs.test, "--model": inputs.model, "--out": inputs.out,
            "--strategy": "random,margin", "--start": 10, "--batch": 10, "--labels": 30, "--seeds": 2,
        }  # fmt: skip
        words = [str(word) for pair in options.items() for word in pair]
        done = subprocess.run(
            [Path(sys.executable).with_name("postil"), "simulate", *words, *more],
            capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else done.stderr

    words = simulate("--jobs", "2")
    assert "random" in words
    assert f"are in {inputs.out}" in words.replace("\n", "")
    curves = json.loads((inputs.out / "curves.json").read_text())
    assert [(one["strategy"], one["seed"], one["labels"]) for one in curves] == [
        (strategy, seed, labels)
        for seed in (0, 1)
        for strategy in ("random", "margin")
        for labels in (10, 20, 30)
    ]
    assert "| margin | 2 |" in (inputs.out / "table.md").read_text()
    assert "plotly" in (inputs.out / "plot.html").read_text()[:4000].lower()

    cut = inputs.out / "runs/margin-1.jsonl"
    kept = inputs.out / "runs/random-1.jsonl"
    before, whole = kept.stat().st_mtime_ns, cut.read_bytes()
    cut.write_bytes(whole[:-30])
    simulate()
    assert kept.stat().st_mtime_ns == before
    again = [json.loads(line) for line in cut.read_bytes().splitlines()]
    assert lasting(again) == lasting([json.loads(line) for line in whole.splitlines()])

    # What only its processes notice is said as plainly; the options that come last hold.
    assert simulate("--test", str(inputs.data), "--out", str(inputs.out) + "-other") == (
        f"error: {inputs.data} has 0 texts that are not in {inputs.data}, of 3 labels\n"
    )
    assert "another noise" in simulate("--noise", "0.1")
    assert "no strategy 'nonsense'" in simulate("--strategy", "nonsense")
