from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.errors import Conflict, Invalid
from workers.simulation.plan import Plan, digest, keep, runs

PLAN = Plan(
    "d", "t", "m", start=25, batch=50, labels=525, noise=(0.0,), random_share=0.2, problem="single_label"
)


def test_the_points_of_a_curve() -> None:
    assert PLAN.steps() == [25, 75, 125, 175, 225, 275, 325, 375, 425, 475, 525]
    assert msgspec.structs.replace(PLAN, labels=60).steps() == [25]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": 0}, "--start 0"),
        ({"batch": 0}, "--batch 0"),
        ({"labels": 24}, "--labels 24 is less than --start 25"),
        ({"noise": (0.0, 1.0)}, "--noise 1.0"),
        ({"noise": (-0.1,)}, "--noise -0.1"),
        ({"errors": "none"}, "--errors"),
        ({"errors": "similar", "problem": "spans"}, "--errors"),
        ({"overlap": 2}, "--overlap 2 needs"),
        ({"consensus": "first"}, "--consensus 'first'"),
        ({"second_opinions": 1.0}, "--second-opinions"),
        ({"random_share": 1.0}, "--random-share 1.0"),
        ({"weak_share": 0.6}, "weak_share is 0.6"),
        ({"quotas": {"law": 0.8}, "weak_share": 0.3}, "more than 1 in all"),
    ],
)
def test_numbers_that_make_no_campaign(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        msgspec.structs.replace(PLAN, **change).check()
    PLAN.check()


def test_a_folder_keeps_to_one_plan(tmp_path: Path) -> None:
    keep(PLAN, tmp_path / "out")
    keep(PLAN, tmp_path / "out")
    with pytest.raises(Conflict, match="another batch, noise: give --out another folder"):
        keep(msgspec.structs.replace(PLAN, batch=25, noise=(0.1,)), tmp_path / "out")


def test_runs_go_seed_by_seed() -> None:
    found = runs(["random", "margin", "random"], 2, "single_label")
    assert [one.file for one in found] == [
        "runs/random-0.jsonl",
        "runs/margin-0.jsonl",
        "runs/random-1.jsonl",
        "runs/margin-1.jsonl",
    ]
    with pytest.raises(Invalid, match="no strategy 'marging'"):
        runs(["marging"], 1, "single_label")
    with pytest.raises(Invalid, match="--seeds 0"):
        runs(["margin"], 0, "single_label")


def test_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    (tmp_path / "c").write_text("y")
    a, b, c = (digest(tmp_path / name) for name in "abc")
    assert a == b != c
