import uuid
from typing import Any

import pytest

from service.errors import LabelStudioRefused, LabelStudioUnavailable
from service.label_studio.annotator import Annotator, invite, personal_access_token
from service.label_studio.client import Client
from service.label_studio.problems import SingleLabel
from tests.label_studio.conftest import PASSWORD, tasks


def test_an_account_that_exists_is_logged_into(client: Client) -> None:
    email = f"{uuid.uuid4().hex[:12]}@postil.test"

    token = invite(client, email, PASSWORD)

    assert invite(client, email, PASSWORD) == token
    with Annotator(client.url, token) as annotator:
        assert annotator.user.email == email
    with pytest.raises(LabelStudioRefused, match=f"made no account for {email}"):
        invite(client, email, "not the password")


def test_a_personal_access_token_needs_the_password(label_studio: Any) -> None:
    with pytest.raises(LabelStudioRefused, match="check the password"):
        personal_access_token(label_studio.url, label_studio.admin_email, "wrong")
    with pytest.raises(LabelStudioUnavailable, match="no answer from http"):
        personal_access_token("http://127.0.0.1:1", "a@b.c", "wrong")


def test_the_lowest_score_is_served_first(client: Client, project: int, ann: Annotator) -> None:
    client.import_tasks(project, tasks([0.9, 0.1, 0.5]))

    served = []
    while task := ann.next(project):
        assert task.shown is not None
        served.append((task.data["ext_id"], task.shown.score, task.shown.model_version))
        ann.submit(task, task.shown.result, 1.0)

    assert served == [("ex-1", 0.1, "r0"), ("ex-2", 0.5, "r0"), ("ex-0", 0.9, "r0")]
    assert ann.next(project) is None


def test_two_annotators_go_down_the_same_order(
    client: Client, project: int, ann: Annotator, ben: Annotator
) -> None:
    client.import_tasks(project, tasks([0.8, 0.2, 0.6, 0.4]))

    served = []
    for annotator in (ann, ben, ann, ben):
        task = annotator.next(project)
        assert task is not None
        served.append(task.data["ext_id"])
        if annotator is ann:
            ann.submit(task, [], 1.0)

    # Ben's first task is his until he answers
    assert served == ["ex-1", "ex-3", "ex-2", "ex-3"]


def test_a_blind_task_keeps_its_place_by_its_score(client: Client, project: int, ann: Annotator) -> None:
    blind = tasks([0.5, 0.3], label=None)
    shown = tasks([0.2, 0.4])
    client.import_tasks(project, [blind[0], shown[0], blind[1], shown[1]])

    served = []
    while task := ann.next(project):
        assert task.shown is not None
        served.append((task.shown.score, len(task.shown.result)))
        ann.submit(task, [], 1.0)

    assert served == [(0.2, 1), (0.3, 0), (0.4, 1), (0.5, 0)]


def test_what_an_annotator_does_is_seen(
    client: Client, project: int, ann: Annotator, ben: Annotator, moods: SingleLabel
) -> None:
    client.import_tasks(project, tasks([0.1, 0.2, 0.3]))
    first, second = ann.next(project), ben.next(project)
    assert first is not None
    assert first.shown is not None
    assert second is not None

    answer = ann.submit(first, moods.to_result("bad"), 2.5)
    skip = ben.skip(second, 1.5)

    found = {task.ext_id: task for page in client.changed_tasks(project, None) for task in page}
    (annotation,) = found["ex-0"].annotations
    assert annotation.id == answer
    assert moods.from_result(annotation.result) == "bad"
    assert annotation.lead_time == 2.5
    assert annotation.completed_by == ann.user.id
    assert annotation.parent_prediction == first.shown.id
    (annotation,) = found["ex-1"].annotations
    assert (annotation.id, annotation.was_cancelled, annotation.completed_by) == (skip, True, ben.user.id)
    assert moods.from_result(annotation.result) == "good"  # the prediction's: a skip is no answer
    assert found["ex-2"].annotations == []

    ann.update(answer, moods.to_result("good"))
    ben.delete(skip)

    found = {task.ext_id: task for page in client.changed_tasks(project, None) for task in page}
    (annotation,) = found["ex-0"].annotations
    assert annotation.id == answer
    assert moods.from_result(annotation.result) == "good"
    assert annotation.updated_at > annotation.created_at
    assert found["ex-1"].annotations == []


def test_a_skipped_task_is_served_to_nobody(
    client: Client, project: int, ann: Annotator, ben: Annotator
) -> None:
    client.import_tasks(project, tasks([0.1]))
    task = ann.next(project)
    assert task is not None

    ann.skip(task)

    assert ann.next(project) is None
    assert ben.next(project) is None


def test_a_project_that_is_not_there_is_not_an_empty_one(ann: Annotator) -> None:
    with pytest.raises(LabelStudioRefused, match="there is no project 999999999"):
        ann.next(999999999)
