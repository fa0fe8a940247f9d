"""Synthetic texts, as a person asks for them."""

import json
from collections.abc import Callable
from typing import Any

from service.cli.synthesize import lines
from service.client import Client
from service.files import Files
from service.stack.stack import Stack
from service.store.database import Database
from tests.filling import synthesise


def test_they_are_listed_and_taken_back(postil: Callable[..., Any], api: Client, stack: Stack) -> None:
    made = api.create(name="synthetic", labels=["a", "b"], model="none")
    early = postil("synthesize", "synthetic", "--perturb")
    assert early.status == 1
    assert "no round was trained yet" in early.err
    assert postil("synthesize", "synthetic", "--list").out == ""
    database = Database(stack.settings.database)
    with database.transaction() as connection:
        texts = [("onne", "a", "kept"), ("twoo", "b", "kept"), ("xq", "b", "unlikely")]
        synthesise(connection, Files(stack.settings.files), made["id"], texts)  # type: ignore[arg-type]
    database.close()
    listed = postil("synthesize", "synthetic", "--list")
    assert listed.out.splitlines() == [
        "Synthesis 1 by perturbation: done",
        "  3 texts, 2 kept; refused: unlikely 1; 2 labels hold",
        "  0 of 0 checked by people, who agree with –",
        "  kept           a: onne",
        "  kept           b: twoo",
        "  unlikely       b: xq",
    ]
    assert json.loads(postil("synthesize", "synthetic", "--list", "--json").out)[0]["number"] == 1
    undone = postil("synthesize", "synthetic", "--undo", "1").out.splitlines()
    assert undone[0] == "Synthesis 1 by perturbation: undone"
    assert undone[1].endswith("0 labels hold")


def test_one_thing_is_asked_at_a_time(postil_alone: Callable[..., Any]) -> None:
    for words in ([], ["--perturb", "--list"], ["--endpoint", "http://x"], ["--perturb", "--local", "m"]):
        ran = postil_alone("synthesize", "c", *words)
        assert ran.status == 2
        assert "--endpoint URL" in ran.err.replace("\n", " ")


def test_a_generator_that_broke_down_is_told() -> None:
    one: Any = {
        "number": 2,
        "generator": {"kind": "endpoint", "url": "http://x/v1", "model": "m"},
        "state": "broken",
        "undone_at": None,
        "verdicts": {},
        "labels": 0,
        "nonsense": 9,
        "checked": None,
        "examples": [],
    }
    assert lines(one) == [
        "Synthesis 2 by m at http://x/v1: broken",
        "  9 answers of the generator held no new text",
    ]
