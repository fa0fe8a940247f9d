"""Turns of the sync job in a project that people made, on a real store and the real Label Studio."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from service import annotations
from service.label_studio import adopted as project_of
from service.label_studio.annotator import Annotator, Served
from service.label_studio.client import Client
from service.pool import pool
from service.records import Campaign, Place, Role
from service.rounds.advance import advance
from service.store import adoptions, campaigns, events, jobs, labels, selections, uploads
from service.store.adoptions import Adoption
from service.store.campaigns import NewCampaign
from service.store.database import now
from service.store.selections import Chosen
from tests.conftest import LabelStudioServer
from tests.label_studio import theirs
from tests.loop.test_sync import invited
from workers.context import Context
from workers.held import Held
from workers.jobs import sync

LABELS = ["good", "bad"]


@pytest.fixture
def client(label_studio: LabelStudioServer) -> Iterator[Client]:
    with Client(label_studio.url, label_studio.token) as client:
        yield client


@pytest.fixture
def ann(label_studio: LabelStudioServer) -> Iterator[Annotator]:
    with invited(label_studio, "ann@postil.test") as annotator:
        yield annotator


@pytest.fixture
def ben(label_studio: LabelStudioServer) -> Iterator[Annotator]:
    with invited(label_studio, "ben@postil.test") as annotator:
        yield annotator


class Turns:
    """A campaign in an adopted project whose selections the test writes itself, by numbers of tasks."""

    def __init__(self, context: Context, client: Client, project: int, **campaign: Any) -> None:
        self.context, self.client, self.project = context, client, project
        found = client.project(project) or {}
        control = project_of.read(found["label_config"])
        new = NewCampaign("Theirs", LABELS, "none", text_field=control.field, **campaign)
        with context.database.transaction() as connection:
            self.id = campaigns.create(connection, new).id
            begun = uploads.begin(connection, self.id, "pool", None)
            adoptions.begin(
                connection,
                self.id,
                project,
                msgspec.to_builtins(control),
                project_of.kept(found),
                found["task_number"],
                begun.id,
            )
            advance(connection, self.id)

    def turn(self) -> None:
        with self.context.database.transaction() as connection:
            jobs.hint(connection, self.id, "sync")
            claim = jobs.claim(connection, "sync", "test")
        assert claim is not None
        with Held(self.context, claim) as held:
            sync.run(held)

    def sweep(self) -> None:
        """A turn that looks for what no poll shows."""
        with self.context.database.transaction() as connection:
            campaigns.change(connection, self.id, swept_at=None)
        self.turn()

    def campaign(self) -> Campaign:
        with self.context.database.reading() as connection:
            return campaigns.get(connection, self.id)

    def adoption(self) -> Adoption:
        with self.context.database.reading() as connection:
            found = adoptions.of(connection, self.id)
        assert found is not None
        return found

    def places(self, tasks: list[int]) -> dict[int, Place]:
        with self.context.database.reading() as connection:
            found, _ = pool.find(connection, self.context.files, self.id, [str(task) for task in tasks], [])
        return {int(id_): place for id_, place in found.items()}

    def choose(
        self,
        *tasks: int,
        role: Role = "train",
        prediction: dict[str, Any] | None = None,
        wanted: int = 1,
    ) -> None:
        """The first of them has the first place in the queue, behind all that were chosen before."""
        places = self.places(list(tasks))
        with self.context.database.transaction() as connection:
            texts = pool.texts(connection, self.context.files, self.id, places.values())
            first = campaigns.count_up(connection, self.id, "place", len(tasks))
            chosen = [
                Chosen(
                    places[task],
                    first + at,
                    role,
                    "margin",
                    0.5,
                    "why",
                    texts[places[task]],
                    str(task),
                    None,
                    at,
                    prediction,
                )
                for at, task in enumerate(tasks)
            ]
            selections.choose(connection, self.id, 1, 0, chosen, wanted)

    def give_way(self, *tasks: int) -> None:
        leaving = [row.id for task, row in self.in_state("open").items() if task in tasks]
        with self.context.database.transaction() as connection:
            selections.move(connection, leaving, "withdrawing")

    def in_state(self, *states: str) -> dict[int, Any]:
        with self.context.database.reading() as connection:
            return {int(row.ext_id): row for row in selections.in_states(connection, self.id, states)}

    def labels(self) -> dict[int, tuple[str, str, int]]:
        """(label, role, answers) of each task's example."""
        with self.context.database.reading() as connection:
            known = labels.current(connection, self.id)
            rows = selections.at(connection, self.id, [Place(row.shard, row.row) for row in known])
        return {
            int(rows[Place(row.shard, row.row)].ext_id): (row.value, row.role, row.annotations)
            for row in known
        }

    def release(self) -> None:
        with self.context.database.transaction() as connection:
            adoptions.change(connection, self.id, release_at=now())
        self.turn()

    def log(self, kind: str) -> list[dict[str, Any]]:
        with self.context.database.reading() as connection:
            return [one["data"] for one in events.since(connection, self.id, 0) if one["kind"] == kind]


def texts(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"data": {"body": f"text {at}", "n": at}, "meta": {"from": "us"}}
        for at in range(first, first + count)
    ]


def serve(annotator: Annotator, project: int, count: int) -> list[int]:
    """Answer what comes; which tasks those were."""
    served = []
    for _ in range(count):
        task = annotator.next(project)
        assert task is not None
        served.append(task.id)
        annotator.submit(task, theirs.choice("good"), 1.0)
    return served


def test_the_queue_is_served_before_all_else(context: Context, client: Client, ann: Annotator) -> None:
    """Given 30 tasks, all of which another model scored lower, and who answered some of them before, then
    the 4 of the queue come first, in their order, blind ones without a prediction, then the others."""
    project = theirs.project(client, LABELS, {"good": "g"}, sampling="Uniform sampling")
    tasks = theirs.add_tasks(client, project, texts(30))
    made = [
        {"task": task, "model_version": "theirs", "score": 1e-9 * at, "result": theirs.choice("bad")}
        for at, task in enumerate(tasks)
    ]
    client.send("POST", f"/api/projects/{project}/import/predictions", body=made)
    for task in tasks[:3]:
        theirs.answer(ann, task, "g")
    turns = Turns(context, client, project)
    turns.turn()
    assert turns.adoption().read == 30
    turns.choose(tasks[20], tasks[10], prediction={"round": 1, "label": "good", "confidence": 0.9})
    turns.choose(tasks[25], role="hold-out")
    turns.choose(tasks[5], prediction={"round": 1, "label": "bad", "confidence": 0.6})
    turns.turn()
    served, shown = [], []
    for _ in range(6):
        task = ann.next(project)
        assert task is not None
        served.append(task.id)
        shown.append([region["value"]["choices"] for one in task.predictions for region in one.result])
        ann.submit(task, theirs.choice("g"), 1.0)
    assert served[:4] == [tasks[20], tasks[10], tasks[25], tasks[5]]
    assert shown == [[["g"]], [["g"]], [], [["bad"]], [], []]
    turns.turn()
    assert set(turns.in_state("open")) == set()
    said = turns.labels()
    assert {task: said[task] for task in served[:4]} == {
        tasks[20]: ("good", "train", 1),
        tasks[10]: ("good", "train", 1),
        tasks[25]: ("good", "hold-out", 1),
        tasks[5]: ("good", "train", 1),
    }
    assert len(said) == 3 + 6
    with context.database.reading() as connection:
        assert selections.answers(connection, turns.id) == {"answered": 4}  # what is paid for


def test_what_gives_way_is_not_served_and_can_still_be_answered(
    context: Context, client: Client, ann: Annotator, ben: Annotator
) -> None:
    """Given a task that Ann has open as it gives way, then her answer is taken, as one that was not asked for, and Ben
    is served the others."""
    project = theirs.project(client, LABELS, {})
    tasks = theirs.add_tasks(client, project, texts(8))
    turns = Turns(context, client, project)
    turns.turn()
    shown = {"round": 1, "label": "good", "confidence": 0.9}
    turns.choose(tasks[7], tasks[6], tasks[5], prediction=shown)
    turns.turn()
    open_ = ann.next(project)
    assert open_ is not None
    assert open_.id == tasks[7]
    turns.give_way(tasks[7], tasks[6])
    turns.choose(tasks[4])
    turns.turn()
    assert set(turns.in_state("open")) == {tasks[5], tasks[4]}
    assert serve(ben, project, 2) == [tasks[5], tasks[4]]
    ann.submit(open_, theirs.choice("bad"), 1.0)
    turns.turn()
    assert turns.labels() == {
        tasks[5]: ("good", "train", 1),
        tasks[4]: ("good", "train", 1),
        tasks[7]: ("bad", "train", 1),
    }
    row = turns.in_state("answered")[tasks[7]]
    assert (row.strategy, row.wanted, row.predictions) == (selections.UNASKED, 0, [shown])
    # In tests nobody waits for a day until the order that was given up is deleted.
    ours = {name for name in client.model_versions(project) if name.startswith(turns.adoption().versions)}
    assert ours == {f"{turns.adoption().versions}0", f"{turns.adoption().versions}1"}
    with context.database.transaction() as connection:
        retired = dict.fromkeys(turns.adoption().retired, 0.0)
        adoptions.change(connection, turns.id, retired=retired)
    turns.sweep()
    assert set(client.model_versions(project)) == {f"{turns.adoption().versions}1"}


def test_without_any_other_task_what_gives_way_stays(context: Context, client: Client) -> None:
    project = theirs.project(client, LABELS, {})
    (task, _) = theirs.add_tasks(client, project, texts(2))
    turns = Turns(context, client, project)
    turns.turn()
    turns.choose(task)
    turns.turn()
    turns.give_way(task)
    turns.turn()
    assert set(turns.in_state("open")) == {task}


def test_what_people_answer_by_themselves_trains_and_costs_nothing(
    context: Context, client: Client, ann: Annotator, ben: Annotator
) -> None:
    """Given answers and skips from before, and one that comes later, then they are labels of those people which never
    measure; an edit is followed, and what is deleted is free to be asked."""
    project = theirs.project(client, LABELS, {})
    tasks = theirs.add_tasks(client, project, texts(6))
    before = theirs.answer(ann, tasks[0], "good")
    theirs.answer(ben, tasks[0], "bad")
    theirs.answer(ben, tasks[1], "bad")
    ann.skip(Served(tasks[2], {}, []))
    turns = Turns(context, client, project, budget=3)
    turns.turn()
    assert turns.labels() == {tasks[0]: ("good", "train", 2), tasks[1]: ("bad", "train", 1)}
    assert set(turns.in_state("skipped")) == {tasks[2]}
    with context.database.reading() as connection:
        assert selections.answers(connection, turns.id) == {"answered": 0, "skipped": 0}
        assert annotations.annotators(connection, turns.id) == set()
        assert annotations.pace(connection, turns.id) == 0
    late = theirs.answer(ann, tasks[3], "good")
    ann.update(before, theirs.choice("bad"))
    turns.turn()
    assert turns.labels()[tasks[0]] == ("bad", "train", 2)
    assert turns.labels()[tasks[3]] == ("good", "train", 1)
    ann.delete(late)
    turns.turn()
    assert tasks[3] not in turns.labels()
    assert set(turns.in_state("withdrawn")) == {tasks[3]}
    # What was to measure and was let go measures no more once somebody picks it themselves.
    turns.choose(tasks[4], role="hold-out")
    with context.database.transaction() as connection:
        selections.move(
            connection,
            [row.id for row in selections.in_states(connection, turns.id, ["chosen"])],
            "withdrawn",
        )
    theirs.answer(ben, tasks[4], "good")
    turns.turn()
    assert turns.labels()[tasks[4]] == ("good", "train", 1)


def test_tasks_come_and_go(context: Context, client: Client, ann: Annotator) -> None:
    """Given tasks that are imported, deleted and edited after the adoption, then the new ones join the pool, what was
    deleted is asked no more, and an example is as it was first read."""
    project = theirs.project(client, LABELS, {})
    odd = [{"data": {"body": text}} for text in ("", " text  0 ")]
    (empty, same, *tasks) = theirs.add_tasks(client, project, [*odd, *texts(4)])
    theirs.answer(ann, empty, "good")  # of no use
    theirs.answer(ann, same, "bad")
    turns = Turns(context, client, project)
    turns.turn()
    places = turns.places([empty, same, *tasks])
    assert places.keys() == {same, *tasks}
    assert places[same] == places[tasks[0]]
    with context.database.reading() as connection:
        receipt = uploads.receipt(connection, turns.adoption().upload) or {}
    assert {name: receipt[name] for name in ("received", "added", "duplicates", "rejected")} == {
        "received": 6,
        "added": 4,
        "duplicates": 1,
        "rejected": 1,
    }
    assert receipt["errors"] == [{"line": empty, "reason": f"task {empty}: 'text' is empty"}]
    assert turns.labels() == {same: ("bad", "train", 1)}
    turns.choose(tasks[1], tasks[2])
    turns.turn()
    client.send("DELETE", f"/api/tasks/{tasks[1]}/")
    client.send("DELETE", f"/api/tasks/{same}/")
    client.send("PATCH", f"/api/tasks/{tasks[2]}/", body={"data": {"body": "quite another text"}})
    more = theirs.add_tasks(client, project, texts(3, first=10))
    turns.sweep()
    assert turns.places(more).keys() == set(more)
    assert turns.adoption().read == 9
    assert turns.log("tasks-read") == [{"tasks": 3}]
    assert set(turns.in_state("open")) == {tasks[2]}
    assert turns.in_state("skipped")[tasks[1]].reason == "its task was deleted in Label Studio"
    assert turns.labels() == {}
    theirs.answer(ann, tasks[2], "good")
    turns.turn()
    assert turns.labels() == {}
    assert turns.log("annotation-refused") == [
        {
            "task": tasks[2],
            "kind": "invalid",
            "reason": f"the text of task {tasks[2]} is not the one that was read first: import it as another task",
        }
    ]
    with context.database.reading() as connection:
        assert pool.texts(connection, context.files, turns.id, [places[tasks[2]]]) == {
            places[tasks[2]]: "text 2"
        }


def test_an_answer_that_no_poll_shows_comes_in(context: Context, client: Client, ann: Annotator) -> None:
    project = theirs.project(client, LABELS, {})
    tasks = theirs.add_tasks(client, project, texts(3))
    turns = Turns(context, client, project)
    turns.turn()
    ahead = datetime.now(UTC) + timedelta(hours=2)
    with context.database.transaction() as connection:
        campaigns.change(connection, turns.id, cursor=ahead.isoformat())
    theirs.answer(ann, tasks[1], "good")
    turns.turn()
    assert turns.labels() == {}
    turns.sweep()
    assert turns.labels() == {tasks[1]: ("good", "train", 1)}


def test_a_project_for_two_people_is_asked_of_two(
    context: Context, client: Client, ann: Annotator, ben: Annotator
) -> None:
    """Given a project in which two answer each task but one, which is for one alone, then that is what is asked."""
    project = theirs.project(client, LABELS, {}, maximum_annotations=2)
    tasks = theirs.add_tasks(client, project, texts(5))
    client.send("PATCH", f"/api/tasks/{tasks[2]}/", body={"overlap": 1})
    turns = Turns(context, client, project, overlap=2)
    turns.turn()
    turns.choose(tasks[1], tasks[2], wanted=2)
    turns.turn()
    assert {task: row.wanted for task, row in turns.in_state("open").items()} == {tasks[1]: 2, tasks[2]: 1}
    assert serve(ann, project, 2) == [tasks[1], tasks[2]]
    turns.turn()
    assert set(turns.in_state("open")) == {tasks[1]}
    assert serve(ben, project, 1) == [tasks[1]]
    turns.turn()
    assert turns.labels() == {tasks[1]: ("good", "train", 2), tasks[2]: ("good", "train", 1)}


def test_a_release_that_broke_off_is_made_good(
    context: Context, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a project whose predictions of its own are deleted meanwhile, and a release that breaks off, then the next
    turn ends it, says what could not be set, and what people changed themselves stays."""
    own = {"sampling": "Uniform sampling", "skip_queue": "REQUEUE_FOR_ME", "show_skip_button": False}
    project = theirs.project(
        client, LABELS, {}, expert_instruction="<b>Read</b>", show_instruction=True, **own
    )
    tasks = theirs.add_tasks(client, project, texts(3))
    made = [{"task": tasks[0], "model_version": "theirs", "score": 0.1, "result": theirs.choice("bad")}]
    client.send("POST", f"/api/projects/{project}/import/predictions", body=made)
    client.set_model_version(project, "theirs")
    before = theirs.settings(client, project)
    turns = Turns(context, client, project, instruction="Say it\nbriefly.")
    turns.turn()
    assert theirs.settings(client, project) == before  # nothing is changed before there is a queue
    turns.choose(tasks[1])
    turns.turn()
    served = theirs.settings(client, project)
    assert served["sampling"] == "Uncertainty sampling"
    assert served["expert_instruction"] == "Say it<br>briefly."
    assert served["show_skip_button"] is False
    with context.database.transaction() as connection:
        campaigns.change(connection, turns.id, instruction="")
    turns.turn()
    assert theirs.settings(client, project)["expert_instruction"] == "<b>Read</b>"
    client.change_project(project, {"skip_queue": "REQUEUE_FOR_OTHERS"})
    client.delete_model_version(project, "theirs")

    def broken(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(Client, "delete_model_version", broken)
        with pytest.raises(RuntimeError):
            turns.release()
    with context.database.transaction() as connection:
        (job,) = [row for row in jobs.unfinished(connection, turns.id) if row.kind == "sync"]
        jobs.rearm(connection, jobs.Claim(job.id, turns.id, "sync", job.epoch, job.attempts, {}), 0)
    turns.turn()
    assert turns.adoption().released_at is not None
    assert theirs.settings(client, project) == before | {
        "skip_queue": "REQUEUE_FOR_OTHERS",
        "model_version": "",
    }
    assert client.model_versions(project) == {}
    assert client.webhooks(project) == []
    assert turns.campaign().paused
    with context.database.transaction() as connection:
        assert not [row for row in jobs.unfinished(connection, turns.id) if row.kind == "sync"]
