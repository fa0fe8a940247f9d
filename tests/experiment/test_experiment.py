"""Experiments on a tiny encoder: planted truth is told, trials are not done twice, bad input is named."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from service.errors import Invalid
from tests.learner.conftest import build_encoder
from tests.simulation.test_replay import texts
from workers import commands
from workers.experiment import command
from workers.experiment.variants import Experiment


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("experiment")
    return {
        "data": texts(folder / "a.jsonl", 240, 0),
        "test": texts(folder / "b.jsonl", 90, 1),
        "model": build_encoder(folder / "model"),
    }


def run(given: dict[str, Path], kind: str, out: Path, **options: Any) -> dict[str, Any]:
    words = {"labels": 120, "seeds": 3, **given, "out": out, **options}
    said = [word for name, value in words.items() if value is not None for word in (f"--{name}", str(value))]
    app = typer.Typer()
    app.command()(commands.experiment)
    result = CliRunner().invoke(app, [kind, "--frozen", *said], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return {**json.loads((out / "summary.json").read_text()), "said": result.output}


def test_wrong_labels_cost_and_an_audit_sees_them(given: dict[str, Path], tmp_path: Path) -> None:
    found = run(given, "noise", tmp_path / "out", noise="0.2,0.6")

    assert [one["wrong"] for one in found["findings"]] == pytest.approx([0, 0.2, 0.6], abs=0.06)
    assert found["findings"][2]["gain"]["high"] < 0
    assert found["verdict"].startswith("Ten points more of wrong labels change accuracy by -0.")
    assert found["verdict"].replace("\n", " ") in " ".join(found["said"].split())
    assert "plotly" in (tmp_path / "out" / "plot.html").read_text()[:10_000].lower()
    assert found["verdict"] in (tmp_path / "out" / "table.md").read_text()


def test_few_right_labels_beat_many_that_are_mostly_wrong(given: dict[str, Path], tmp_path: Path) -> None:
    found = run(given, "quality-vs-quantity", tmp_path / "out", noise="0.05,0.7", times=3)

    few, many, wrong = found["findings"]
    assert (few["variant"], few["labels"], many["labels"]) == ("40 right", 40, 120)
    assert wrong["gain"]["high"] < 0 < many["gain"]["value"]


def test_weights_are_by_belief_which_sees_what_is_wrong(given: dict[str, Path], tmp_path: Path) -> None:
    some, none = (
        {
            one["variant"]: one
            for one in run(given, "weights", tmp_path / noise, noise=noise, seeds=2)["findings"]
        }
        for noise in ("0.4", "0")
    )

    assert list(some) == ["equal", "believed", "dropped", "half balanced", "balanced"]
    assert len(some["believed"]["noise"]) == 2
    assert not some["equal"]["noise"]
    for seed in range(2):
        assert some["believed"]["noise"][seed]["low"] > none["believed"]["noise"][seed]["high"]


def test_choosing_is_replayed(given: dict[str, Path], tmp_path: Path) -> None:
    found = run(given, "strategy", tmp_path / "out", strategy="random,margin", noise="0", seeds=1, labels=40)

    assert [(one["variant"], one["labels"]) for one in found["findings"]] == [("random", 40), ("margin", 40)]


def test_trials_are_not_done_twice(given: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    once = run(given, "noise", out, noise="0.5", seeds=2)
    lines = (out / "trials.jsonl").read_text().splitlines(keepends=True)
    (out / "trials.jsonl").write_text("".join(lines[:2]) + lines[2][:20])
    more = run(given, "noise", out, noise="0.5", seeds=2)

    kept = (out / "trials.jsonl").read_text().splitlines(keepends=True)
    assert kept[:2] == lines[:2]
    assert len(kept) == 4
    assert [one["score"] for one in more["findings"]] == [one["score"] for one in once["findings"]]


def test_exported_labels_are_measured_on_their_hold_out(given: dict[str, Path], tmp_path: Path) -> None:
    lines = [json.loads(line) for line in given["data"].read_text().splitlines()]
    exported, out = tmp_path / "labels.jsonl", tmp_path / "out"
    roles = ["hold-out" if at < 60 else "train" for at in range(len(lines))]
    exported.write_text(
        "".join(json.dumps({**line, "role": role}) + "\n" for line, role in zip(lines, roles, strict=True))
    )
    found = run(given, "noise", out, data=exported, test=None, noise="0.5", labels=100, seeds=2)

    assert found["findings"][0]["score"] > 0.5
    parts = [(out / "data" / f"{part}.jsonl").read_text().splitlines() for part in ("train", "test")]
    assert [len(part) for part in parts] == [180, 60]


def test_a_small_hold_out_cannot_measure(given: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="has 0 labels of role hold-out, and 50 are needed"):
        command.split(given["data"], tmp_path / "parts")


@pytest.mark.parametrize(
    ("kind", "changed", "says"),
    [
        ("noise", {"noise": (1.0,)}, "--noise"),
        ("noise", {"noise": ()}, "--noise"),
        ("noise", {"labels": 9}, "less than 10"),
        ("quality-vs-quantity", {"times": 20}, "--times 20"),
        ("curriculum", {"frozen": True}, "leave --frozen out"),
        ("weights", {"problem": "spans"}, "learner of their own"),
    ],
)
def test_bad_experiments_are_named(kind: Any, changed: dict[str, Any], says: str) -> None:
    words = {
        "problem": "single_label",
        "labels": 100,
        "noise": (0.2,),
        "times": 10,
        "frozen": False,
        **changed,
    }
    with pytest.raises(Invalid, match=says):
        Experiment(kind, "a", "b", "model", **words).check()
