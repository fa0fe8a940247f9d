"""What a demo run came to."""

import json
from pathlib import Path

from service.demo.summary import RoundResult, Summary

ROUND = RoundResult(1, 50, 0.6, 0.57, 0.63, 0.55, 12.0, 3.0)


def summary(rounds: int = 1, given: int = 50, annotations: int = 50, label_studio: int = 50) -> Summary:
    return Summary("docstrings", 1, [ROUND] * rounds, given, annotations, label_studio, 61.5)


def test_nothing_is_wrong_where_every_answer_is_in_both_places() -> None:
    assert summary().faults() == []
    assert summary(given=0).faults() == []
    assert summary(label_studio=51).faults() == []


def test_what_is_missing_is_said() -> None:
    assert summary(rounds=0).faults() == ["0 of 1 rounds were completed"]
    assert summary(given=51).faults() == ["51 answers were given, but Postil has 50"]
    assert summary(label_studio=49).faults() == [
        "Postil counts 50 answers, but Label Studio's database has 49"
    ]


def test_it_is_written_as_json(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("an older one")

    summary().write(path)

    written = json.loads(path.read_text())
    assert written["rounds"] == [
        {
            "round": 1,
            "labels": 50,
            "accuracy": 0.6,
            "accuracy_low": 0.57,
            "accuracy_high": 0.63,
            "baseline_accuracy": 0.55,
            "train_seconds": 12.0,
            "score_seconds": 3.0,
        }
    ]
    assert (written["annotations"], written["label_studio_annotations"], written["seconds"]) == (50, 50, 61.5)
    assert [one.name for one in tmp_path.iterdir()] == ["summary.json"]
