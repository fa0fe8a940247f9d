"""Turns of the sync job, on a real store and the real Label Studio, at moments that no campaign meets for certain."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.errors import LabelStudioRefused
from service.label_studio.annotator import Annotator, Served, invite
from service.label_studio.client import Client
from service.label_studio.problems import problem
from service.label_studio.tasks import NewPrediction
from service.records import Campaign, Place
from service.rounds.advance import advance
from service.store import campaigns, events, jobs, labels, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.selections import Chosen
from tests.conftest import LabelStudioServer
from workers.context import Context
from workers.held import Held
from workers.jobs import sync

LABELS = ["good", "bad"]
BUDGET = 6


@pytest.fixture
def annotator(label_studio: LabelStudioServer) -> Iterator[Annotator]:
    with invited(label_studio, "sync@postil.test") as annotator:
        yield annotator


@pytest.fixture
def other(label_studio: LabelStudioServer) -> Iterator[Annotator]:
    with invited(label_studio, "other@postil.test") as annotator:
        yield annotator


def invited(label_studio: LabelStudioServer, email: str) -> Annotator:
    with Client(label_studio.url, label_studio.token) as client:
        return Annotator(label_studio.url, invite(client, email, "long enough 8412"))


class Turns:
    """A campaign whose selections are written by hand; each call is what another job would have committed."""

    def __init__(self, context: Context, problem: str = "single_label") -> None:
        self.context = context
        with context.database.transaction() as connection:
            made = campaigns.create(connection, NewCampaign("Turns", LABELS, "none", problem, budget=BUDGET))
            advance(connection, made.id)
        self.id = made.id

    def campaign(self) -> Campaign:
        with self.context.database.reading() as connection:
            return campaigns.get(connection, self.id)

    def choose(self, *rows: int, prediction: dict[str, Any] | None = None) -> None:
        chosen = [
            Chosen(
                Place(0, row), row, "train", "margin", 0.5, "why", f"text {row}", None, None, row, prediction
            )
            for row in rows
        ]
        with self.context.database.transaction() as connection:
            selections.choose(connection, self.id, 1, 0, chosen)

    def give_way(self, *rows: int) -> None:
        leaving = [task.id for row, task in self.in_state("open").items() if row in rows]
        with self.context.database.transaction() as connection:
            selections.move(connection, leaving, "withdrawing")

    def in_state(self, *states: str) -> dict[int, Any]:
        with self.context.database.reading() as connection:
            return {row.row: row for row in selections.in_states(connection, self.id, states)}

    def turn(self) -> None:
        with self.context.database.transaction() as connection:
            jobs.hint(connection, self.id, "sync")
            claim = jobs.claim(connection, "sync", "test")
        assert claim is not None
        with Held(self.context, claim) as held:
            sync.run(held)

    def in_label_studio(self) -> set[int]:
        with Client(
            self.context.settings.label_studio_url, self.context.settings.label_studio_token
        ) as client:
            tasks = client.list_tasks(self.campaign().project or 0)
        return {Place.parse(task.ext_id or "").row for task in tasks}


def test_a_task_answered_while_it_gives_way_costs_its_successor_the_place(
    context: Context, annotator: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a budget of 6 that is all asked, when 3 tasks give way and one of them is answered just before Label Studio
    is told to delete it, then 2 successors come in, and 6 is what was asked."""
    turns = Turns(context)
    turns.choose(0, 1, 2, 3, 4, 5)
    turns.turn()
    assert turns.in_label_studio() == {0, 1, 2, 3, 4, 5}
    turns.give_way(3, 4, 5)
    turns.choose(6, 7, 8)
    answered = turns.in_state("withdrawing")[4].task
    delete: Callable[..., list[int]] = Client.delete_unstarted

    def late(client: Client, project: int, tasks: list[int]) -> list[int]:
        if answered in tasks:
            annotator.submit(Served(answered, {}, []), problem("single_label", LABELS).to_result("good"), 1.0)
        return delete(client, project, tasks)

    monkeypatch.setattr(Client, "delete_unstarted", late)
    turns.turn()
    assert turns.in_label_studio() == {0, 1, 2, 4, 6, 7}
    turns.turn()
    assert set(turns.in_state("answered")) == {4}
    assert set(turns.in_state("open")) == {0, 1, 2, 6, 7}
    assert set(turns.in_state("withdrawn")) == {3, 5, 8}


def test_successors_come_in_before_anything_is_deleted_where_the_budget_has_room(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(context)
    turns.choose(0, 1, 2)
    turns.turn()
    turns.give_way(1, 2)
    turns.choose(3, 4)
    seen: list[set[int]] = []
    delete: Callable[..., list[int]] = Client.delete_unstarted

    def look_first(client: Client, project: int, tasks: list[int]) -> list[int]:
        seen.append(turns.in_label_studio())
        return delete(client, project, tasks)

    monkeypatch.setattr(Client, "delete_unstarted", look_first)
    turns.turn()
    assert {0, 1, 2, 3, 4} in seen
    assert turns.in_label_studio() == {0, 3, 4}


def test_a_second_opinion_is_somebody_elses_and_counts_as_an_answer(
    context: Context, annotator: Annotator, other: Annotator
) -> None:
    """Given two tasks of which one was answered, when a second opinion on it is asked, then who gave the first is not
    asked again, somebody else sees no pre-annotation, and the task is done when both have answered."""
    shown = {"round": 1, "label": "good", "confidence": 0.9}
    turns = Turns(context)
    turns.choose(0, 1, prediction=shown)
    turns.turn()
    project, asks = turns.campaign().project or 0, problem("single_label", LABELS)
    first = annotator.next(project)
    assert first is not None
    annotator.submit(first, asks.to_result("good"), 1.0)
    turns.turn()
    with context.database.transaction() as connection:
        assert selections.ask_again(connection, turns.id, Place(0, 0), 0, "a second opinion")
        assert not selections.ask_again(connection, turns.id, Place(0, 1), 0, "is not answered yet")
    turns.turn()
    assert set(turns.in_state("open")) == {0, 1}
    with context.database.reading() as connection:
        assert selections.answers(connection, turns.id) == {"open": 3}
        assert selections.answered_open(connection, turns.id, [annotator.user.id, other.user.id]) == 1
        assert selections.begun(connection, turns.id) == {turns.in_state("open")[0].id}
    assert annotator.next(project).id != first.id  # type: ignore[union-attr]
    second = other.next(project)
    assert second is not None
    assert second.id == first.id
    assert first.shown is not None
    assert second.shown is not None
    assert (bool(first.shown.result), second.shown.result) == (True, [])
    other.submit(second, asks.to_result("bad"), 1.0)
    turns.turn()
    assert set(turns.in_state("answered")) == {0}
    with context.database.reading() as connection:
        (label,) = labels.current(connection, turns.id)
    assert (label.value, label.annotations, label.reason) == ("good", 2, "1 of 2 answers")


def test_a_second_opinion_for_which_the_budget_has_no_room_is_not_asked(
    context: Context, annotator: Annotator
) -> None:
    turns = Turns(context)
    turns.choose(0, 1, 2, 3, 4, 5)
    turns.turn()
    project = turns.campaign().project or 0
    first = annotator.next(project)
    assert first is not None
    annotator.submit(first, problem("single_label", LABELS).to_result("good"), 1.0)
    turns.turn()
    with context.database.transaction() as connection:
        selections.ask_again(connection, turns.id, Place(0, 0), 0, "a second opinion")
    turns.turn()
    assert turns.in_state("answered")[0].wanted == 1
    assert set(turns.in_state("open")) == {1, 2, 3, 4, 5}


def test_an_answer_that_changed_no_task_comes_in(context: Context, annotator: Annotator) -> None:
    """Given a cursor ahead of Label Studio, as after its clock was put back or where it was killed between saving an
    answer and dating its task, then a look at all there is finds the answer, and later what becomes of it."""
    turns = Turns(context)
    turns.choose(0, 1)
    turns.turn()

    def sweep() -> str | None:
        ahead = datetime.now(UTC) + timedelta(hours=2)
        with context.database.transaction() as connection:
            campaigns.change(connection, turns.id, cursor=ahead.isoformat(), swept_at=None)
        turns.turn()
        with context.database.reading() as connection:
            version = campaigns.get(connection, turns.id).label_version
            return next((row.value for row in labels.snapshot(connection, turns.id, version)), None)

    task = turns.in_state("open")[1].task
    asks = problem("single_label", LABELS)
    answer = annotator.submit(Served(task, {}, []), asks.to_result("good"), 1.0)
    assert sweep() == "good"
    assert set(turns.in_state("answered")) == {1}
    annotator.update(answer, asks.to_result("bad"))
    assert sweep() == "bad"
    annotator.delete(answer)
    assert sweep() is None


def test_a_name_that_is_refused_keeps_no_answer_out(
    context: Context, annotator: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(context)
    turns.choose(0)
    turns.turn()
    (task,) = turns.in_state("open").values()
    annotator.submit(Served(task.task, {}, []), problem("single_label", LABELS).to_result("bad"), 1.0)

    def refuse(*_: object) -> None:
        raise LabelStudioRefused("you may not")

    monkeypatch.setattr(Client, "update_project", refuse)
    with context.database.transaction() as connection:
        campaigns.change(connection, turns.id, name="Renamed")
    turns.turn()
    assert set(turns.in_state("answered")) == {0}
    with context.database.reading() as connection:
        told = [
            event["data"]["text"]
            for event in events.since(connection, turns.id, 0)
            if event["kind"] == "warning"
        ]
    assert told == ["Label Studio does not show the new name and instruction: you may not"]


def test_an_order_that_somebody_set_aside_is_put_right_once(context: Context) -> None:
    """Given another model version than ours in Label Studio, as choosing a connected model makes it, then ours is put
    back; set again it stays, until the next order."""
    turns = Turns(context)
    turns.choose(0, 1)
    turns.turn()
    project = turns.campaign().project or 0
    tasks = [row.task for row in turns.in_state("open").values()]
    settings = context.settings

    def look() -> None:
        with context.database.transaction() as connection:
            campaigns.change(connection, turns.id, swept_at=None)
        turns.turn()

    with Client(settings.label_studio_url, settings.label_studio_token) as client:
        client.add_predictions(project, [NewPrediction(task, 0.5, []) for task in tasks], "theirs")
        found = []
        for _ in range(2):
            client.set_model_version(project, "theirs")
            look()
            look()
            found.append(client.model_version(project))
        with context.database.transaction() as connection:
            rounds.start(
                connection, turns.id, 1, label_version=0, labels=0, shards=[], strategy="auto", seed=0
            )
            rounds.change(connection, turns.id, 1, state="done", ranked_at=1.0)
        turns.turn()
        found.append(client.model_version(project))

    assert found == ["r0", "theirs", "r1"]
    assert turns.campaign().put_right is None
    with context.database.reading() as connection:
        log = events.since(connection, turns.id, 0)
    assert [one["data"] for one in log if one["kind"] == "order-put-right"] == [
        {"found": "theirs", "version": "r0"}
    ]


@pytest.mark.parametrize(
    ("kind", "prediction", "sure", "answer", "stored"),
    [
        (
            "single_label",
            {"round": 0, "label": "good", "confidence": 0.7},
            0.7,
            "bad",
            ["good", "bad"],
        ),
        (
            "multi_label",
            {"round": 0, "labels": ["good", "bad"], "confidences": {"good": 0.9, "bad": 0.6}},
            0.6,
            [],
            ['["good","bad"]', "[]"],
        ),
        (
            "spans",
            {"round": 0, "spans": [{"start": 0, "end": 4, "label": "good", "confidence": 0.8}]},
            0.8,
            [{"start": 5, "end": 6, "label": "bad"}],
            ['[{"start":0,"end":4,"label":"good"}]', '[{"start":5,"end":6,"label":"bad"}]'],
        ),
    ],
)
def test_what_is_predicted_goes_out_and_what_is_answered_comes_in(
    context: Context,
    annotator: Annotator,
    kind: str,
    prediction: dict[str, Any],
    sure: float,
    answer: Any,
    stored: list[str],
) -> None:
    """Given two pre-annotated tasks of which one is accepted and the other changed, then both are labels."""
    turns = Turns(context, kind)
    turns.choose(0, 1, prediction=prediction)
    turns.turn()
    asks = problem(kind, LABELS)
    for given in (None, answer):
        task = annotator.next(turns.campaign().project or 0)
        assert task is not None
        assert task.shown is not None
        assert (task.data["confidence"], task.shown.result) == (sure, asks.show(prediction))
        annotator.submit(task, task.shown.result if given is None else asks.to_result(given), 1.0)
    turns.turn()
    with context.database.reading() as connection:
        believed = labels.snapshot(connection, turns.id, turns.campaign().label_version)
    assert [row.value for row in sorted(believed, key=lambda row: row.row)] == stored
