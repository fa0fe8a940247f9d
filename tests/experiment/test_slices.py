"""Slices of labeled files, and probes that rank planted ones."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from service.errors import Invalid
from tests.experiment.test_experiment import run
from tests.learner.conftest import build_encoder
from tests.simulation.test_replay import texts
from workers.corpus import Corpus
from workers.experiment.slices import large, slices
from workers.experiment.trial import drawn
from workers.experiment.variants import Experiment, Variant
from workers.simulation.labeled import Labeled
from workers.simulation.replay import Stage


def stage(names: list[str], base: Any = None) -> Stage:
    corpus = Corpus(cast(Any, None), np.zeros((len(names), 2), np.float16) if base is None else base, None)
    nothing: Any = SimpleNamespace()
    pool = Labeled(names, np.zeros(len(names), np.int64), [None] * len(names))
    return Stage([], pool, nothing, corpus, nothing, nothing, nothing)


def file(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({"label": "a", **line}) + "\n" for line in lines))
    return path


def sliced(path: Path, by: str, names: list[str]) -> list[str | None]:
    return slices(stage(names), path, by, "text", np.random.default_rng(0))


def test_a_slice_is_a_domain_a_field_of_meta_or_one_of_a_line(tmp_path: Path) -> None:
    path = file(
        tmp_path / "a.jsonl",
        [
            {"text": "one", "domain": "law", "meta": {"stars": "five"}, "source": "import"},
            {"text": "two", "meta": {"stars": "one"}, "source": ["a", 1]},
            {"text": "left out"},
        ],
    )

    assert sliced(path, "domain", ["two", "one"]) == [None, "law"]
    assert sliced(path, "stars", ["two", "one"]) == ["one", "five"]
    assert sliced(path, "source", ["two", "one"]) == ['["a",1]', "import"]
    with pytest.raises(Invalid, match=r"--by 'colour': no line of .* has that field"):
        sliced(path, "colour", ["two", "one"])


def test_numbers_are_sliced_in_quarters(tmp_path: Path) -> None:
    names = [f"text {at}" for at in range(12)]
    path = file(tmp_path / "a.jsonl", [{"text": name, "weight": at} for at, name in enumerate(names)])
    path.write_text(path.read_text() + json.dumps({"text": "none", "label": "a"}) + "\n")

    found = sliced(path, "weight", [*names, "none"])

    assert found[:3] == ["weight 0 to 2.75"] * 3
    assert found[3] == "weight 2.75 to 5.5"
    assert found[-2:] == ["weight 8.25 to 11", None]
    assert large(found, 4) == ()
    assert len(large(found, 3)) == 4


def test_columns_of_csv_are_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,paper\none,a,x\ntwo,a,y\n")

    assert sliced(path, "paper", ["one", "two"]) == ["x", "y"]


def test_clusters_are_named_by_the_text_in_their_middle(tmp_path: Path) -> None:
    base = np.array(
        [[0, 0], [0, 0.1], [0, 0.2], [9, 0], [9, 0.1], [9, 0.2]] + [[0, 0.1], [9, 0.1]] * 10, np.float16
    )
    names = [*"abcdef", *(f"filler {at}" for at in range(20))]
    found = slices(stage(names, base), tmp_path, "cluster", "text", np.random.default_rng(0))

    assert len({found[0], found[3]}) == 2
    assert found[1] == found[6]
    assert str(found[1]).startswith("like '")


def test_a_probe_adds_texts_of_its_slice_to_what_all_share() -> None:
    experiment = Experiment(
        "probes", "", "", "", "single_label", 10, (0.0,), 10, True, (), "domain", 3, ("a", "b")
    )
    of = ["a", "b", None, "a", "b"] * 6
    base, a, b = (
        drawn(experiment, Variant("", 0, slice=name), 30, of, np.random.default_rng(0)).tolist()
        for name in ("", "a", "b")
    )

    assert a[:10] == b[:10] == base
    assert {of[at] for at in a[10:]} == {"a"}
    assert {of[at] for at in b[10:]} == {"b"}
    assert len(set(a)) == len(set(b)) == 13


def test_probes_rank_planted_slices(tmp_path: Path) -> None:
    """Right labels are worth more than such that are mostly wrong."""
    lines = [json.loads(line) for line in texts(tmp_path / "a.jsonl", 400, 0).read_text().splitlines()]
    rng, names = np.random.default_rng(0), ["animals", "sums", "weather"]
    for at, line in enumerate(lines):
        line["domain"] = ["right", "wrong"][at // 3 % 2]
        if line["domain"] == "wrong" and rng.random() < 0.9:
            line["label"] = names[(names.index(line["label"]) + 1) % 3]
    given = {
        "data": file(tmp_path / "planted.jsonl", lines),
        "test": texts(tmp_path / "b.jsonl", 90, 1),
        "model": build_encoder(tmp_path / "model"),
    }
    found = run(given, "probes", tmp_path / "out", by="domain", more=60, labels=60, seeds=3)

    gains = {one["variant"]: one["gain"] for one in found["findings"][1:]}
    assert gains["right"]["low"] > gains["wrong"]["high"]
    assert found["verdict"].startswith(
        "A hundred further labels of each slice are worth, in log_loss: right +"
    )


def test_slices_that_are_too_small_are_named() -> None:
    experiment = Experiment("probes", "", "", "", "single_label", 10, (0.0,), 10, True, (), "domain", 3, ())
    with pytest.raises(Invalid, match="no slice has 3 labels"):
        experiment.check()
