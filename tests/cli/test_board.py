"""A campaign on a screen, from recorded events."""

import copy
import io

import pytest
from rich.console import Console

from service.cli.board import Board, curve_table, domains_table
from service.client import events
from service.client.views import Campaign, Point, Round

CAMPAIGN: Campaign = {
    "id": "c1",
    "name": "moods",
    "problem": "single_label",
    "headline": "accuracy",
    "labels": ["good", "bad"],
    "model": "mini",
    "strategy": "margin",
    "round_size": 50,
    "budget": None,
    "paused": False,
    "warnings": ["the model knows few of these words"],
    "label_studio": {"project": 3, "url": "http://studio/projects/3"},
    "status": {
        "phase": "labeling",
        "examples": 4000,
        "near_duplicates": 1200,
        "test_examples": 0,
        "labels": {},
        "annotations": {},
        "queue": {"chosen": 30, "open": 0},
        "asked": 30,
        "budget_left": None,
        "changes": 0,
        "round": None,
        "rounds_done": 0,
        "pace": 0.0,
        "label_studio_error": None,
    },
}
ROUNDS: list[Round] = [
    {
        "number": 1,
        "state": "done",
        "labels": 50,
        "trained_on": 40,
        "train_seconds": 12.0,
        "score_seconds": 3.24,
        "ranked_at": 99.0,
        "error": None,
    },
    {
        "number": 2,
        "state": "failed",
        "labels": 100,
        "trained_on": None,
        "train_seconds": None,
        "score_seconds": None,
        "ranked_at": None,
        "error": "no memory",
    },
]
POINTS: list[Point] = [
    {
        "round": 1,
        "labels": 50,
        "trained_on": 40,
        "measured_on": "hold-out",
        "headline": "accuracy",
        "metrics": {
            "n": 10,
            "accuracy": {"value": 0.6, "low": 0.31, "high": 0.83},
            "macro_f1": {"value": 0.55, "low": 0.2, "high": 0.8},
        },
        "baseline": 0.5,
        "change": None,
    }
]
RECORDED = b"""\
id: 11
event: tasks-pushed
data: {"at": 0.0, "count": 30}

event: progress
data: {"jobs": [{"id": 4, "kind": "train", "state": "running", "error": null, \
"progress": {"done": 30, "total": 120, "doing": "round 2: training on 80 labels"}}, \
{"id": 1, "kind": "sync", "state": "ready", "error": "it is away", "progress": null}]}

event: status
data: {"phase": "budget reached", "examples": 4000, "test_examples": 7, "labels": {"train": 40, "control": 5, \
"hold-out": 5}, "annotations": {"answer": 50, "skip": 2, "invalid": 0}, "queue": {"chosen": 0, "open": 12}, \
"asked": 64, "budget_left": 0, "changes": 3, "round": {"number": 2, "state": "training"}, "rounds_done": 1, \
"pace": 0.5, "label_studio_error": null}

id: 11
event: tasks-pushed
data: {"at": 0.0, "count": 30}

id: 12
event: round-trained
data: {"at": 1.0, "round": 2, "accuracy": 0.71}

"""


def board() -> Board:
    log = {"id": 10, "at": 0.0, "kind": "project-made", "data": {"project": 3}}
    return Board(
        copy.deepcopy(CAMPAIGN),
        [],
        {"points": [], "stopping": None, "gain": None, "weakest": None},
        [],
        [log],
    )  # type: ignore[list-item]


def drawn(board: Board) -> list[str]:
    console = Console(width=110, file=io.StringIO(), color_system=None)
    console.print(board.render())
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def squeezed(lines: list[str]) -> list[str]:
    """Lines with single spaces, so that a column's width does not matter."""
    return [" ".join(line.split()) for line in lines]


def test_a_campaign_that_has_just_begun() -> None:
    lines = drawn(board())

    assert lines[:11] == [
        "campaign      moods (c1): labeling",
        "problem       single label",
        "labels        good | bad",
        "model         mini, strategy margin",
        "pool          4,000 examples (1,200 near-duplicates), 0 test examples",
        "queue         0 open, 30 on the way",
        "answers       none yet, 0 a minute",
        "labeled       none yet; 0 of 50 for a round",
        "Label Studio  http://studio/projects/3",
        "warning       the model knows few of these words",
        "─" * 110,
    ]
    assert lines[11].endswith("project-made  project 3")


def test_events_change_what_is_shown() -> None:
    shown = board()

    anew = [shown.take(event) for event in events.read([RECORDED])]

    assert anew == [False, False, False, False, True]
    assert shown.newest == 12
    lines = drawn(shown)
    assert "campaign      moods (c1): budget reached" in lines
    assert "queue         12 open, 0 on the way, 0 left in the budget" in lines
    assert "answers       50 answer, 2 skip, 30 a minute" in lines
    assert "labeled       40 train, 5 control, 5 hold-out; 3 of 50 for a round" in lines
    assert "round         2: training" in lines
    train = next(line for line in lines if line.startswith("train"))
    assert train.split(None, 2)[2].endswith("25%  round 2: training on 80 labels")
    assert next(line for line in lines if line.startswith("sync")).endswith("it is away")
    assert sum("tasks-pushed" in line for line in lines) == 1
    assert lines[-1].endswith("round-trained  round 2, accuracy 0.71")


def test_rounds_stand_with_their_points_and_failures() -> None:
    shown = board()
    shown.rounds, shown.curve["points"] = ROUNDS, POINTS

    lines = drawn(shown)

    at = next(number for number, line in enumerate(lines) if line.startswith("round  "))
    assert squeezed(lines[at : at + 3]) == [
        "round labels accuracy change baseline training scoring state",
        "1 50 0.600 [0.31, 0.83] – 0.500 12 s 3.2 s done, the queue is in order",
        "2 100 – – – – – no memory",
    ]


def test_trouble_is_shown() -> None:
    shown = board()
    shown.trouble = "no API answers; trying again"
    assert "no API answers; trying again" in drawn(shown)


def test_texts_are_never_taken_for_markup() -> None:
    shown = board()
    shown.campaign["labels"] = ["[red]a[/red]", "[b"]
    shown.campaign["warnings"] = ["[/nix]"]
    shown.jobs = [
        {
            "id": 1,
            "kind": "train",
            "state": "running",
            "error": None,
            "progress": {"done": 1, "total": 2, "doing": "[/nix]"},
        }
    ]
    lines = drawn(shown)
    assert "labels        [red]a[/red] | [b" in lines
    assert any(line.endswith("50%  [/nix]") for line in lines)


def test_the_curve() -> None:
    console = Console(width=110, file=io.StringIO(), color_system=None)
    console.print(curve_table(POINTS))
    assert isinstance(console.file, io.StringIO)
    assert squeezed(console.file.getvalue().splitlines()) == [
        "round labels trained on accuracy change macro F1 baseline measured on",
        "1 50 40 0.600 [0.31, 0.83] – 0.550 [0.20, 0.80] 0.500 hold-out, 10 examples",
    ]


@pytest.mark.parametrize(
    ("headline", "beside", "titles"),
    [
        ("macro_f1", ("micro_f1", "subset_accuracy"), "macro F1 change micro F1 subset accuracy"),
        ("f1", ("precision", "recall"), "F1 change precision recall"),
    ],
)
def test_the_curves_of_other_problems(headline: str, beside: tuple[str, str], titles: str) -> None:
    interval = {"value": 0.6, "low": 0.5, "high": 0.7}
    point = POINTS[0] | {"headline": headline, "baseline": None}
    point["metrics"] = {"n": 10} | dict.fromkeys((headline, *beside), interval)
    shown = board()
    shown.campaign["problem"], shown.campaign["headline"] = "spans", headline
    shown.rounds, shown.curve["points"] = ROUNDS[:1], [point]  # type: ignore[list-item]
    console = Console(width=130, file=io.StringIO(), color_system=None)
    console.print(curve_table([point]))  # type: ignore[list-item]
    assert isinstance(console.file, io.StringIO)

    assert squeezed(console.file.getvalue().splitlines()) == [
        f"round labels trained on {titles} baseline measured on",
        "1 50 40 0.600 [0.50, 0.70] – 0.600 [0.50, 0.70] 0.600 [0.50, 0.70] – hold-out, 10 examples",
    ]
    name = titles.partition(" change")[0]
    assert f"round labels {name} change baseline training scoring state" in squeezed(drawn(shown))
    assert "problem spans" in squeezed(drawn(shown))


def test_what_a_curve_says_of_going_on_stands_below_its_rounds() -> None:
    shown = board()
    shown.rounds = ROUNDS
    shown.curve = {
        "points": POINTS,
        "stopping": None,
        "gain": {
            "labels": 400,
            "control_labels": 50,
            "saved": {"value": 183, "low": 93, "high": 311},
            "extrapolated": True,
            "reason": None,
        },
        "weakest": None,
    }

    lines = drawn(shown)

    at = lines.index("About 180 labels saved so far [93, 310] against random draws (extrapolated).")
    assert squeezed(lines)[at - 1].startswith("2 100")


def test_of_many_domains_the_weakest_are_shown() -> None:
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    one = {"name": "law", "n": 9, "share": 0.1, "errors": 0.2, "score": score}
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(domains_table([{**one, "name": f"d{at}"} for at in range(25)], "accuracy"))  # type: ignore[typeddict-item]
    assert isinstance(console.file, io.StringIO)
    lines = squeezed(console.file.getvalue().splitlines())

    assert len(lines) == 22
    assert lines[1] == "d0 9 0.500 [0.40, 0.60] 10% 20%"
    assert lines[-1] == "and 5 more: --json"
