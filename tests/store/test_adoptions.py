"""Adoptions, and selections of what was answered unasked, on either database."""

from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from service import annotations
from service.annotations import Given
from service.errors import Conflict
from service.records import Place
from service.store import adoptions, campaigns, labels, selections
from service.store.campaigns import NewCampaign
from service.store.database import now
from service.store.schema import adoption
from service.store.selections import Chosen


def made(connection: Connection, name: str) -> str:
    return campaigns.create(connection, NewCampaign(name, ["good", "bad"], "none")).id


def adopt(connection: Connection, campaign: str, project: int = 12) -> None:
    adoptions.begin(connection, campaign, project, {}, {"sampling": None}, 3, 1)


def given(task: int, ls_id: int, said: Any, skipped: bool = False) -> Given:
    return Given(ls_id, task, f"0-{task}", said, skipped, 5, "2026-01-01T00:00:00+00:00", "1", None)


def unasked(connection: Connection, campaign: str, *tasks: int) -> None:
    rows = {
        Place(0, task): (
            Chosen(
                Place(0, task), 0, "train", selections.UNASKED, 0.0, "why", "text", str(task), None, 1, None
            ),
            task,
        )
        for task in tasks
    }
    selections.put_unasked(connection, campaign, rows)


def test_a_project_is_adopted_by_one_campaign_at_a_time(connection: Connection) -> None:
    first, second = made(connection, "first"), made(connection, "second")
    adopt(connection, first)
    assert campaigns.get(connection, first).project == 12
    with pytest.raises(Conflict, match="adopted by the campaign 'first'"):
        adopt(connection, second)
    adoptions.change(connection, first, released_at=now())
    adopt(connection, second)
    assert adoptions.of(connection, first).released_at is not None  # type: ignore[union-attr]
    campaigns.change(connection, made(connection, "third"), project=13)
    with pytest.raises(Conflict, match="made by the campaign 'third'"):
        adoptions.free(connection, 13)


def test_two_at_the_same_moment_are_kept_apart_by_the_database(connection: Connection) -> None:
    first, second = made(connection, "first"), made(connection, "second")
    adopt(connection, first)
    adopt(connection, second, 14)
    with pytest.raises(IntegrityError), connection.begin_nested():
        connection.execute(adoption.update().values(project=12))


def test_what_is_answered_unasked_costs_nothing_and_is_free_when_it_is_gone(connection: Connection) -> None:
    id_ = made(connection, "campaign")
    campaign = campaigns.get(connection, id_)
    unasked(connection, id_, 1, 2, 3)
    news = [given(1, 10, "good"), given(2, 20, None, skipped=True), given(3, 30, "bad")]
    annotations.take(connection, campaign, news, lambda result, text: result)
    assert selections.counts(connection, id_) == {"answered": 2, "skipped": 1}
    assert selections.answers(connection, id_) == {"answered": 0, "skipped": 0}
    assert [(row.value, row.role) for row in labels.current(connection, id_)] == [
        ("good", "train"),
        ("bad", "train"),
    ]
    assert annotations.tasks_between(connection, id_, 1, 3) == {2, 3}
    assert annotations.revisions(connection, id_, [1, 9]) == {(10, "1")}
    assert [(row.task, row.state) for row in selections.of_tasks(connection, id_, 0, 2)] == [
        (1, "answered"),
        (2, "skipped"),
    ]
    assert selections.free_unasked(connection, id_) == 0
    annotations.forget(connection, campaign, {20, 30}, [1, 2, 3])
    assert selections.free_unasked(connection, id_) == 1
    assert selections.counts(connection, id_) == {"answered": 1, "skipped": 1, "withdrawn": 1}
    unasked(connection, id_, 1)
    assert selections.at(connection, id_, [Place(0, 1)])[Place(0, 1)].state == "skipped"


def test_an_answer_to_another_text_is_none(connection: Connection) -> None:
    id_ = made(connection, "campaign")
    unasked(connection, id_, 1)
    wrong = Given(10, 1, "0-1", "good", False, 5, "2026", "1", None, received_at=7.0, problem="another text")
    told = annotations.take(connection, campaigns.get(connection, id_), [wrong], lambda result, text: result)
    assert told == {"invalid": 1}
    assert labels.current(connection, id_) == []
    assert annotations.annotators(connection, id_) == set()  # 1970 is not lately
