"""Who answers, and where they differ, as a person reads it."""

import json
from collections.abc import Callable
from typing import Any

from service.cli.client import Api
from service.stack.stack import Stack
from service.store.database import Database
from tests.filling import answer


def test_who_answered_and_where_they_differ(postil: Callable[..., Any], api: Api, stack: Stack) -> None:
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
        "right",
        "agrees",
        "with",
        "others",
    ]
    assert who.splitlines()[1].split()[:5] == ["3", "4", "0", "–", "50%"]
    assert "Krippendorff's alpha: " in who
    assert where.splitlines() == ["0-0: text 0", "  believed: a", "  3: a", "  5: b", "… and 1 more: --limit"]
    assert len(json.loads(postil("annotators", "people", "--json").out)["annotators"]) == 2
    assert json.loads(postil("disagreements", "people", "--json").out)["total"] == 2
