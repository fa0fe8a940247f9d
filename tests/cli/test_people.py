"""Who answers, and where they differ, as a person reads it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import update

from service.client import Client
from service.influence import Effect, Found
from service.stack.stack import Stack
from service.store import jobs
from service.store.database import Database
from service.store.schema import job
from tests.filling import answer


def test_who_answered_and_where_they_differ(postil: Callable[..., Any], api: Client, stack: Stack) -> None:
    made = api.create(name="people", labels=["a", "b"], model="none")
    assert postil("annotators", "people").out == "Nobody answered yet.\n"
    assert postil("disagreements", "people").out == "No two people said different things of a text.\n"
    database = Database(stack.settings.database)
    with database.transaction() as connection:
        answer(connection, made["id"], {row: {3: "a", 5: "a" if row > 1 else "b"} for row in range(4)})
    database.close()

    who, where = postil("annotators", "people").out, postil("disagreements", "people", "--limit", "1").out

    assert who.splitlines()[0].split() == [
        "annotator",
        "answers",
        "skips",
        "seconds",
        "changes",
        "suggestions",
        "right",
        "agrees",
        "with",
        "others",
    ]
    assert who.splitlines()[1].split()[:5] == ["3", "4", "0", "–", "–"]
    assert "Krippendorff's alpha: " in who
    assert where.splitlines() == ["0-0: text 0", "  believed: a", "  3: a", "  5: b", "… and 1 more: --limit"]
    assert len(json.loads(postil("annotators", "people", "--json").out)["annotators"]) == 2
    assert json.loads(postil("disagreements", "people", "--json").out)["total"] == 2


def test_which_labels_hurt_is_shown_and_reviewed(
    postil: Callable[..., Any], api: Client, stack: Stack
) -> None:
    made = api.create(name="influence", labels=["a", "b"], model="none")
    none = postil("influence", "influence", "--last")
    assert (none.status, none.err.strip().endswith("`postil influence influence` works it out")) == (1, True)
    assert "no adapter yet" in postil("influence", "influence").err
    harmful = [Effect(0, row, f"0-{row}", f"text {row}", "a", row - 9.0) for row in range(2)]
    found = Found(1e9, 1, 30, "hold-out", 20, 0.5, harmful, [])
    database = Database(stack.settings.database)
    with database.transaction() as connection:
        answer(connection, made["id"], {row: {3: "a"} for row in range(4)} | {5: {5: "b"}})
        ended = jobs.ask(connection, made["id"], "influence", "gpu").id
        values = {"state": "done", "result": msgspec.to_builtins(found)}
        connection.execute(update(job).where(job.c.id == ended).values(**values))
    database.close()

    shown = postil("influence", "influence", "--last", "--review", "1")

    assert shown.status == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0].startswith("The adapter of round 1, of 30 labels: mean log loss 0.500 on the 20 examples")
    assert lines[2:7] == [
        "Hurt most:",
        "  0-0 (-9): text 0",
        "    a, by 3, one more is asked",
        "  0-1 (-8): text 1",
        "    a, by 3",
    ]
    assert lines[7] == "Helped most: none"
    assert lines[8] == "Somebody else is asked about 1 of them."
    assert "slightly optimistic" in lines[9]
    assert json.loads(postil("influence", "influence", "--last", "--json").out)["labels"] == 30
