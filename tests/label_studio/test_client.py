import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.errors import Conflict, Invalid, LabelStudioRefused, LabelStudioUnavailable
from service.label_studio import client as client_module
from service.label_studio.annotator import Annotator, Served, invite, personal_access_token
from service.label_studio.client import Client
from service.label_studio.problems import SingleLabel
from service.label_studio.tasks import ChangedTask, NewPrediction, NewTask
from service.vocabulary import MARK
from tests.label_studio.conftest import PASSWORD, tasks


def changes(client: Client, project: int, *args: Any, **named: Any) -> list[ChangedTask]:
    return [task for page in client.changed_tasks(project, *args, **named) for task in page]


def serve(annotator: Annotator, project: int) -> list[str]:
    """Answer everything; what came, in order."""
    served = []
    while task := annotator.next(project):
        served.append(task.data["ext_id"])
        annotator.submit(task, [], 1.0)
    return served


# --- access


def test_a_legacy_token_is_let_in(client: Client, label_studio: Any) -> None:
    assert client.version() == "1.23.2"
    assert client.user().email == label_studio.admin_email


def test_a_personal_access_token_is_exchanged_and_renewed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = f"{uuid.uuid4().hex[:12]}@postil.test"
    invite(client, email, PASSWORD)
    token = personal_access_token(client.url, email, PASSWORD)

    with Client(client.url, token) as personal:
        assert personal.user().email == email
        personal._auth._access = "stale"  # as after 300 s asleep: answered with 401
        assert personal.user().email == email
        personal._auth._access = "stale"
        personal._auth._renew_at = 0.0  # as after 240 s awake: not even tried
        assert personal.user().email == email
        # the SDK's requests are signed too
        project = personal.ensure_project("By token", SingleLabel(("a", "b")).label_config(), "", email)
        assert personal.ensure_project("By token", "", "", email) == project

    with pytest.raises(LabelStudioRefused, match="409 without a token: it was made before"):
        personal_access_token(client.url, email, PASSWORD)


@pytest.mark.parametrize("token", ["0" * 40, "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbiI6MX0.c2VjcmV0"])
def test_a_wrong_token_is_refused_and_not_repeated(client: Client, token: str) -> None:
    with Client(client.url, token) as stranger:
        for call in (stranger.user, lambda: stranger.ensure_webhook(1, "http://127.0.0.1:1/", {})):
            with pytest.raises(LabelStudioRefused, match="401") as error:
                call()
            assert "token" in str(error.value)
            assert token not in str(error.value)


@pytest.mark.parametrize(("url", "token", "field"), [("ftp://x", "t", "url"), ("http://x", " ", "token")])
def test_what_cannot_be_used_is_said_at_once(url: str, token: str, field: str) -> None:
    with pytest.raises(Invalid) as error:
        Client(url, token)
    assert error.value.field == field


# --- refused or unavailable


def test_a_refusal_has_label_studios_words_and_the_place(client: Client, project: int) -> None:
    with pytest.raises(
        LabelStudioRefused, match=f"PATCH /api/projects/{project}/: 400 .*version doesn't exist"
    ):
        client.set_model_version(project, "never-imported")
    with pytest.raises(LabelStudioRefused, match=r"find or make a project: 400 .*no element found"):
        client.ensure_project("Broken", "<View><Choices/>", "", uuid.uuid4().hex)
    with pytest.raises(LabelStudioRefused, match="POST /api/projects/999999999/import: 404"):
        client.import_tasks(999999999, tasks([0.5]))


def test_a_prediction_that_does_not_fit_is_refused_whole(client: Client, project: int) -> None:
    good, bad = tasks([0.1, 0.2])
    bad.result[0]["value"] = {"choices": ["ugly"]}

    with pytest.raises(LabelStudioRefused, match=r"400 .*ugly"):
        client.import_tasks(project, [good, bad])

    assert client.list_tasks(project) == []


def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(address, "t0ken") as client:
            for call in (client.user, lambda: client.ensure_project("Moods", "<View/>", "", "postil:1")):
                with pytest.raises(LabelStudioUnavailable, match=f"no answer from {address}") as error:
                    call()
                assert "t0ken" not in str(error.value)


def test_no_answer_in_time_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for token in ("t0ken", "a.b.c"):  # the exchange of a personal access token has the same limit
            with (
                Client(address, token, timeout_s=0.2) as client,
                pytest.raises(LabelStudioUnavailable, match="timed out"),
            ):
                client.user()


@contextmanager
def answering(status: int, body: bytes, length: int | None = None) -> Iterator[str]:
    """The address of something that gives this answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "length", "reason"),
    [
        (500, b'{"detail": "database is locked"}', None, "500 .*database is locked"),
        (503, b"<html>down</html>", None, "503 .*Service Unavailable"),
        (429, b"{}", None, "429"),
        (408, b"{}", None, "408"),
        (200, b"<html>hello</html>", None, "not Label Studio's"),
        (200, b'{"id": 1, "email": "a@b', None, "not Label Studio's"),
        (200, b'{"id": 1}', None, "not Label Studio's"),
        (200, b'{"id": 1, "email": \xff}', None, "not Label Studio's"),
        (200, b'{"id": 1, "email": "a@b.c"}', 1000, "no answer"),
    ],
)
def test_an_answer_that_is_none_is_unavailable(
    status: int, body: bytes, length: int | None, reason: str
) -> None:
    with answering(status, body, length) as address, Client(address, "t0ken") as client:
        with pytest.raises(LabelStudioUnavailable, match=reason):
            client.user()
        with pytest.raises(LabelStudioUnavailable):
            client.ensure_project("Moods", "<View/>", "", "postil:1")
        with pytest.raises(LabelStudioUnavailable):
            client.ensure_webhook(1, "http://127.0.0.1:1/", {})


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.list_tasks(1),
        lambda client: client.find_tasks(1, ["ex-0"]),
        lambda client: list(client.changed_tasks(1, None)),
        lambda client: client.import_tasks(1, tasks([0.5])),
        lambda client: client.model_versions(1),
    ],
)
@pytest.mark.parametrize("body", [b"[]", b'{"tasks": 1, "task_ids": []}', b'{"tasks": [{"id": "x"}]}'])
def test_half_an_answer_is_unavailable(call: Callable[[Client], Any], body: bytes) -> None:
    with (
        answering(200, body) as address,
        Client(address, "t0ken") as client,
        pytest.raises(LabelStudioUnavailable),
    ):
        call(client)


def test_an_echoed_token_is_hidden() -> None:
    with (
        answering(403, b'{"detail": "token t0ken may not"}') as address,
        Client(address, "t0ken") as client,
        pytest.raises(LabelStudioRefused, match=r"token \*\*\* may not"),
    ):
        client.user()


# --- projects and webhooks


def test_a_project_is_made_once(client: Client, moods: SingleLabel) -> None:
    key = f"postil:{uuid.uuid4()}"

    first = client.ensure_project("Moods", moods.label_config(), "Read <it>.\nThen choose.", key)
    again = client.ensure_project("Another title", moods.label_config(), "", key)
    longer = client.ensure_project("Moods", moods.label_config(), "", f"{key}0")

    assert again == first
    assert longer != first
    project = client.send("GET", f"/api/projects/{first}/").json()
    assert project["title"] == "Moods"
    assert project["description"] == key
    assert project["expert_instruction"] == "Read &lt;it&gt;.<br>Then choose."
    assert project["show_instruction"] is True
    assert {name: project[name] for name in client_module.SERVING} == client_module.SERVING


def test_settings_that_serving_depends_on_are_put_back(client: Client, moods: SingleLabel) -> None:
    key = f"postil:{uuid.uuid4()}"
    project = client.ensure_project("Moods", moods.label_config(), "", key)
    client.import_tasks(project, tasks([0.5]))
    client.send(
        "PATCH", f"/api/projects/{project}/", body={"skip_queue": "REQUEUE_FOR_OTHERS", "color": "#123456"}
    )

    client.ensure_project("Moods", moods.label_config(), "", key)

    found = client.send("GET", f"/api/projects/{project}/").json()
    assert (found["skip_queue"], found["color"]) == ("IGNORE_SKIPPED", "#123456")
    assert client.model_version(project) == "r0"


def test_a_key_is_one_word(client: Client) -> None:
    with pytest.raises(Invalid, match="has to be one word"):
        client.ensure_project("Moods", "", "", "two words")


def test_a_project_is_told_its_new_name_and_instruction(client: Client, project: int) -> None:
    client.update_project(project, "More moods", "Choose\n<one>.")
    found = client.send("GET", f"/api/projects/{project}/").json()
    assert (found["title"], found["expert_instruction"]) == ("More moods", "Choose<br>&lt;one&gt;.")
    assert found["show_instruction"] is True


def test_a_project_takes_other_labels_whatever_was_answered(
    client: Client, project: int, ann: Annotator, ben: Annotator
) -> None:
    """Given an answer, a draft and an open page, all with a label that goes, then Label Studio takes the new ones, the
    answer stays, the page can still be submitted, and pre-annotations are of the new labels."""
    client.import_tasks(project, tasks([0.1, 0.2, 0.3]))
    first, labels = ann.next(project), SingleLabel(("fine", "bad", "good" + MARK))
    assert first is not None
    ann.submit(first, SingleLabel(("good", "bad")).to_result("good"), 1.0)
    page, drafted = ann.next(project), ben.next(project)
    assert page is not None and drafted is not None  # noqa: PT018
    ben.draft(drafted, SingleLabel(("good", "bad")).to_result("good"))

    client.update_labels(project, labels.label_config())

    rows = [NewPrediction(page.id, 0.2, labels.to_result("good" + MARK, 0.5))]
    client.add_predictions(project, rows, "r0-1")
    client.set_model_version(project, "r0-1")
    ann.submit(page, SingleLabel(("good", "bad")).to_result("good"), 1.0)
    ben.submit(drafted, labels.to_result("fine"), 1.0)
    found = {task.id: task.annotations for task in changes(client, project, None)}
    said = [one for annotations in found.values() for one in annotations]
    read = SingleLabel(("good", "bad", "fine", "good" + MARK)).from_result
    assert sorted(read(one.result) for one in said) == ["fine", "good", "good"]
    more = NewTask({"text": "more", "ext_id": "ex-9"}, "r0-1", 0.9, labels.to_result("good" + MARK, 0.4))
    client.import_tasks(project, [more])
    served = ben.next(project)
    assert served is not None
    assert served.shown is not None
    assert read(served.shown.result) == "good" + MARK


@pytest.mark.parametrize(("name", "title"), [("ab", "Postil: ab"), ("x" * 60, "x" * 49 + "…")])
def test_a_name_that_label_studio_would_not_take_is_fitted(
    client: Client, project: int, name: str, title: str
) -> None:
    client.update_project(project, name, "")
    assert client.send("GET", f"/api/projects/{project}/").json()["title"] == title


def test_a_webhook_is_made_once_and_kept_up_to_date(client: Client, project: int) -> None:
    url = f"http://127.0.0.1:1/webhooks/{uuid.uuid4()}"

    first = client.ensure_webhook(project, url, {"X-Postil": "old"})
    double = client.send(
        "POST", "/api/webhooks/", body={"project": project, "url": url, "actions": ["ANNOTATION_CREATED"]}
    ).json()["id"]
    other = client.ensure_webhook(project, f"{url}/other", {})
    again = client.ensure_webhook(project, url, {"X-Postil": "new"})

    assert again == first
    hooks = {hook["id"]: hook for hook in client.send("GET", "/api/webhooks/", {"project": project}).json()}
    assert set(hooks) == {first, other}
    assert double not in hooks
    assert hooks[first]["headers"] == {"X-Postil": "new"}
    assert sorted(hooks[first]["actions"]) == sorted(client_module.WEBHOOK_ACTIONS)
    assert (hooks[first]["send_payload"], hooks[first]["send_for_all_actions"]) == (True, False)


# --- tasks


def test_ids_come_in_the_order_of_the_tasks(
    client: Client, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CHUNK", 7)

    ids = client.import_tasks(project, tasks([i / 20 for i in range(20)]))

    listed = client.list_tasks(project)
    assert [task.id for task in listed] == sorted(ids)
    assert {task.id: task.ext_id for task in listed} == {ids[i]: f"ex-{i}" for i in range(20)}


def test_tasks_are_found_by_key_and_doubles_too(
    client: Client, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CHUNK", 2)
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3]))
    double = client.import_tasks(project, tasks([0.1]))
    # no key, and a key that is no text: tasks that somebody else made
    client.send("POST", f"/api/projects/{project}/import", body=[{"text": "a"}, {"text": "b", "ext_id": 5}])

    assert client.find_tasks(project, ["ex-2", "ex-0", "ex-9", "5", "ex-1"]) == {
        "ex-0": [ids[0], *double],
        "ex-1": [ids[1]],
        "ex-2": [ids[2]],
    }
    assert client.find_tasks(project, []) == {}
    assert [task.ext_id for task in client.list_tasks(project)] == [
        "ex-0",
        "ex-1",
        "ex-2",
        "ex-0",
        None,
        None,
    ]


def test_a_list_tells_what_was_started(client: Client, project: int, ann: Annotator, ben: Annotator) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4]))
    answered, drafted = ann.next(project), ben.next(project)
    assert answered is not None
    assert drafted is not None
    answer = ann.submit(answered, [], 1.0)
    ben.draft(drafted, [])
    skipped = ann.next(project)
    assert skipped is not None
    skip = ann.skip(skipped)

    listed = client.list_tasks(project)

    assert [
        (t.id, t.total_annotations, t.cancelled_annotations, t.draft_exists, [*t.annotations]) for t in listed
    ] == [
        (ids[0], 1, 0, False, [answer]),
        (ids[1], 0, 0, True, []),
        (ids[2], 0, 1, False, [skip]),
        (ids[3], 0, 0, False, []),
    ]
    assert [task.started for task in listed] == [True, True, True, False]
    ((whole,),) = client.tasks(project, [ids[0]])
    assert {one.id: one.updated_at for one in whole.annotations} == listed[0].annotations

    ann.delete(answer)
    assert client.list_tasks(project)[0].annotations == {}


def test_a_second_opinion_is_asked_of_somebody_else(
    client: Client, project: int, ann: Annotator, ben: Annotator
) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3]))
    first = ann.next(project)
    assert first is not None
    ann.submit(first, [], 1.0)
    assert serve(ben, project) == ["ex-1", "ex-2"]

    client.ask_again(project, {ids[0]: 2, 2**30: 2})

    assert serve(ann, project) == []
    second = ben.next(project)
    assert second is not None
    assert second.id == ids[0]
    assert second.shown is not None
    assert second.shown.result == []
    ben.submit(second, [], 1.0)
    client.ask_again(project, {ids[0]: 2})  # as many as were asked for are there
    assert serve(ben, project) == []
    assert client.list_tasks(project)[0].total_annotations == 2


def test_with_an_overlap_everybody_answers_and_what_was_begun_comes_first(
    client: Client, moods: SingleLabel, ann: Annotator, ben: Annotator
) -> None:
    project = client.ensure_project("Moods", moods.label_config(), "", f"postil:{uuid.uuid4()}", 2)
    client.import_tasks(project, tasks([0.1, 0.2, 0.3]))
    first = ann.next(project)
    assert first is not None
    ann.submit(first, [], 1.0)
    assert serve(ben, project) == ["ex-0", "ex-1", "ex-2"]
    assert sorted(serve(ann, project)) == ["ex-1", "ex-2"]
    assert all(
        task.total_annotations + task.cancelled_annotations == 2 for task in client.list_tasks(project)
    )


def test_only_what_nobody_started_is_deleted(
    client: Client, project: int, ann: Annotator, ben: Annotator
) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4, 0.5]))
    answered, drafted = ann.next(project), ben.next(project)
    assert answered is not None
    assert drafted is not None
    ann.submit(answered, [], 1.0)
    ben.draft(drafted, [])
    skipped = ann.next(project)
    assert skipped is not None
    ann.skip(skipped)

    assert client.delete_unstarted(project, []) == []
    assert client.delete_unstarted(project, ids[:4]) == [ids[3]]
    assert client.delete_unstarted(project, ids[3:]) == ids[3:]  # what was gone already is gone

    assert [task.id for task in client.list_tasks(project)] == ids[:3]


def test_tasks_of_other_projects_are_not_deleted(client: Client, project: int, moods: SingleLabel) -> None:
    other = client.ensure_project("Other", moods.label_config(), "", f"postil:{uuid.uuid4()}")
    ids = client.import_tasks(other, tasks([0.1]))

    client.delete_unstarted(project, ids)

    assert [task.id for task in client.list_tasks(other)] == ids


def test_an_answer_to_a_deleted_task_is_lost(client: Client, project: int, ann: Annotator) -> None:
    """Why the head of the queue is never passed to delete_unstarted: an open page cannot be seen."""
    ids = client.import_tasks(project, tasks([0.1, 0.2]))
    open_page = ann.next(project)
    assert open_page is not None
    assert open_page.id == ids[0]

    assert client.delete_unstarted(project, [ids[0]]) == [ids[0]]

    with pytest.raises(
        LabelStudioRefused, match=f"POST /api/tasks/{ids[0]}/annotations/: 400 .*parent_prediction"
    ):
        ann.submit(open_page, [], 1.0)
    with pytest.raises(LabelStudioRefused, match=f"POST /api/tasks/{ids[0]}/annotations/: 404"):
        ann.submit(Served(open_page.id, {}, []), [], 1.0)
    following = ann.next(project)
    assert following is not None
    assert following.id == ids[1]


# --- predictions


def test_a_new_version_is_a_new_order(
    client: Client, project: int, ann: Annotator, ben: Annotator, moods: SingleLabel
) -> None:
    """Older versions may stay: only the project's own decides, even where it says the opposite."""
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4, 0.5]))
    task = ann.next(project)
    assert task is not None
    ann.submit(task, [], 1.0)
    rows = [
        NewPrediction(id, score, moods.to_result("bad", 0.6))
        for id, score in zip(ids, [0.5, 0.4, 0.3, 0.2, 0.1], strict=True)
    ]

    assert client.add_predictions(project, rows, "r1") == 5
    task = ben.next(project)
    assert task is not None
    assert (task.id, task.shown and task.shown.model_version) == (ids[1], "r0")  # not yet in use
    client.set_model_version(project, "r1")

    assert serve(ann, project) == ["ex-4", "ex-3", "ex-2"]
    task = ben.next(project)
    assert task is not None
    assert task.id == ids[1]  # what is open stays open, with the new prediction
    assert task.shown is not None
    assert (task.shown.model_version, moods.from_result(task.shown.result)) == ("r1", "bad")
    assert client.model_versions(project) == {"r0": 5, "r1": 5}


def test_predictions_are_not_doubled(
    client: Client, project: int, moods: SingleLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CHUNK", 2)
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4], model_version="r10"))
    rows = [NewPrediction(id, 0.5, moods.to_result("bad", 0.6)) for id in ids]

    assert (
        client.add_predictions(project, rows[:3], "r1") == 3
    )  # though r10 is there, which has r1 in its name
    client.delete_unstarted(project, [ids[0]])
    assert client.add_predictions(project, [rows[3], *rows, rows[3]], "r1") == 1
    assert client.add_predictions(project, rows, "r1") == 0

    assert client.model_versions(project) == {"r10": 3, "r1": 3}


def test_the_version_in_use_is_not_deleted(client: Client, project: int) -> None:
    assert client.model_version(project) == ""
    ids = client.import_tasks(project, tasks([0.1, 0.2]))
    client.add_predictions(project, [NewPrediction(id, 0.5, []) for id in ids], "r1")

    with pytest.raises(Conflict, match="'r0' is in use"):
        client.delete_model_version(project, "r0")
    client.set_model_version(project, "r1")

    assert client.model_version(project) == "r1"
    assert client.delete_model_version(project, "r0") == 2
    assert client.delete_model_version(project, "r0") == 0
    assert client.model_versions(project) == {"r1": 2}


def test_an_open_page_outlives_a_new_version_but_not_the_deletion_of_its_own(
    client: Client, project: int, ann: Annotator, ben: Annotator
) -> None:
    """Why versions are only deleted long after they went out of use."""
    ids = client.import_tasks(project, tasks([0.1, 0.2]))
    kept, lost = ann.next(project), ben.next(project)
    assert kept is not None
    assert kept.shown is not None
    assert lost is not None
    client.add_predictions(project, [NewPrediction(id, 0.5, []) for id in ids], "r1")
    client.set_model_version(project, "r1")

    ann.submit(kept, [], 1.0)
    (annotation,) = changes(client, project, None)[-1].annotations
    assert annotation.parent_prediction == kept.shown.id

    client.delete_model_version(project, "r0")
    with pytest.raises(LabelStudioRefused, match=r"400 .*parent_prediction.*does not exist"):
        ben.submit(lost, [], 1.0)
    (annotation,) = changes(client, project, None)[-1].annotations
    assert annotation.parent_prediction is None  # and what is stored forgets what was shown


# --- changes


def test_changes_come_in_pages_and_each_once(client: Client, project: int) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4, 0.5]))

    pages = list(client.changed_tasks(project, None, page_size=2))

    found = [task for page in pages for task in page]
    assert [task.id for task in found] == ids
    assert [task.updated_at for task in found] == sorted(task.updated_at for task in found)
    assert max(len(page) for page in pages) == 2
    assert found[0].data == {"text": "text 0", "ext_id": "ex-0"}


def test_many_changes_of_one_instant_are_all_seen(client: Client, project: int, ann: Annotator) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4]))
    serve(ann, project)
    client.send(
        "POST",
        "/api/dm/actions",
        {"id": "delete_tasks_annotations", "project": project},
        {"selectedItems": {"all": False, "included": ids}},
    )

    found = changes(client, project, None, page_size=2)  # ends on a page that is not there

    assert len({task.updated_at for task in found}) == 1
    assert sorted(task.id for task in found) == ids
    assert [task.annotations for task in found] == [[], [], [], []]


def test_a_task_that_changes_while_pages_are_read_hides_no_other(
    client: Client, project: int, ann: Annotator
) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2, 0.3, 0.4]))
    pages = client.changed_tasks(project, None, page_size=2)
    found = [task.id for task in next(pages)]
    task = ann.next(project)
    assert task is not None

    ann.submit(task, [], 1.0)  # moves the first task behind the last
    found += [task.id for page in pages for task in page]

    assert found == [*ids, ids[0]]


def test_polling_goes_on_from_the_cursor_with_an_overlap(
    client: Client, project: int, ann: Annotator
) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2]))
    cursor = changes(client, project, None)[-1].updated_at
    task = ann.next(project)
    assert task is not None
    answer = ann.submit(task, [], 1.0)

    (latest,) = changes(client, project, cursor + timedelta(microseconds=1), overlap_s=0)
    assert (latest.id, [annotation.id for annotation in latest.annotations]) == (ids[0], [answer])
    assert [task.id for task in changes(client, project, latest.updated_at)] == [ids[1], ids[0]]
    assert changes(client, project, latest.updated_at + timedelta(seconds=120)) == []


def test_deletions_are_seen(client: Client, project: int, ann: Annotator) -> None:
    ids = client.import_tasks(project, tasks([0.1, 0.2]))
    first = ann.next(project)
    assert first is not None
    answer = ann.submit(first, [], 1.0)
    second = ann.next(project)
    assert second is not None
    ann.submit(second, [], 1.0)
    cursor = changes(client, project, None)[-1].updated_at

    ann.delete(answer)
    client.send("DELETE", f"/api/tasks/{ids[1]}/")

    (changed,) = changes(client, project, cursor, overlap_s=0)
    assert (changed.id, changed.annotations) == (ids[0], [])  # the annotation's, by polling
    assert [task.id for task in client.list_tasks(project)] == [ids[0]]  # the task's, only by listing
