"""The ML backend protocol over HTTP; tests/loop/test_ml.py has it with Label Studio itself."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from service.label_studio.problems import problem
from service.records import Place
from service.store import jobs, selections
from service.store.schema import job, selection
from service.store.selections import Chosen
from tests.adapters import LABELS, TEXTS
from tests.http.conftest import Served, trained_campaign, wait_for
from workers.encoder import Encoder


@pytest.fixture
def studio(served: Served) -> Iterator[httpx.Client]:
    """Label Studio, as it asks a model: with a name and a password."""
    with httpx.Client(base_url=served.url, auth=("postil", served.token), timeout=60) as studio:
        yield studio


def ask(
    studio: httpx.Client, c: str, tasks: list[dict[str, Any]], context: Any = None
) -> list[dict[str, Any]]:
    answer = studio.post(f"/ml/{c}/predict", json={"tasks": tasks, "params": {"context": context}})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def task(number: int, text: str, **data: Any) -> dict[str, Any]:
    return {"id": number, "data": {"text": text, **data}, "project": 1}


def queue(served: Served, c: str, **roles: str) -> None:
    """Open tasks 100, 101, … of shard 0, whose texts are these roles' names."""
    chosen = [
        Chosen(Place(0, at), at, role, "random", 0.0, "why", text, None, None, at, None)  # type: ignore[arg-type]
        for at, (text, role) in enumerate(roles.items())
    ]
    with served.api.database.transaction() as connection:
        selections.choose(connection, c, 1, 0, chosen)
        rows = selections.in_states(connection, c, ["chosen"])
        selections.opened(connection, {row.id: 100 + row.row for row in rows})


def test_connecting(served: Served, encoder: Encoder, studio: httpx.Client) -> None:
    c = trained_campaign(served, encoder)

    told = [
        studio.get(f"/ml/{c}/health"),
        studio.post(f"/ml/{c}/setup", json={"project": "1.1", "access_token": "theirs", "schema": "<View/>"}),
        studio.get(f"/ml/{c}/versions"),
    ]

    assert [(one.status_code, one.json()) for one in told] == [
        (200, {"status": "UP", "model_class": "Postil"}),
        (200, {"model_version": "live-r1"}),
        (200, {"versions": ["live-r1"]}),
    ]
    young = served.campaign()["id"]
    assert studio.post(f"/ml/{young}/setup").json() == {"model_version": "live-r0"}
    refused = studio.post(f"/ml/{young}/predict", json={"tasks": []})
    assert (refused.status_code, "no adapter yet" in refused.json()["detail"]) == (409, True)
    assert studio.get("/ml/nobody/health").status_code == 404


@pytest.mark.parametrize("kind", ["single_label", "multi_label", "spans"])
def test_predictions_fit_the_page_and_say_what_the_api_says(
    served: Served, encoder: Encoder, working: None, studio: httpx.Client, kind: str
) -> None:
    c = trained_campaign(served, encoder, kind)
    said = served.http.post(f"/v1/campaigns/{c}/predict", json={"texts": TEXTS[:4]}).json()["predictions"]

    results = ask(studio, c, [task(at, text) for at, text in enumerate(TEXTS[:4])])

    asks = problem(kind, LABELS)
    field = {"single_label": "label", "multi_label": "labels"}.get(kind)
    for result, one, text in zip(results, said, TEXTS, strict=False):
        assert result["model_version"] == "live-r1"
        answer = asks.from_result(result["result"], text) if result["result"] else []
        if field:
            assert answer == one[field]
        else:
            assert {(s["start"], s["end"]) for s in answer} == {(s["start"], s["end"]) for s in one["spans"]}
        scores = [region["score"] for region in result["result"]]
        assert result["score"] == min(scores, default=0.0)
    assert any(result["result"] for result in results)


def test_blind_tasks_get_nothing_whatever_is_asked(
    served: Served, encoder: Encoder, working: None, studio: httpx.Client
) -> None:
    """Given hold-out, control and second opinions, then their tasks have no prediction, by whatever they are told:
    number, key or text; others have one, also where they are none of ours."""
    c = trained_campaign(served, encoder)
    queue(served, c, cat="hold-out", dog="control", fox="train", hen="train")
    with served.api.database.transaction() as connection:
        again = selection.c.campaign == c, selection.c.text == "hen"
        connection.execute(selection.update().where(*again).values(wanted=2))

    results = ask(
        studio,
        c,
        [
            task(100, "something else"),
            task(7, "something else", ext_id="0-1"),
            task(8, "cat"),
            task(9, "the cow", ext_id="0-1.2"),
            task(103, "hen", ext_id="0-3"),
            task(102, "fox", ext_id="0-2"),
            task(10, "the cow", ext_id="nonsense"),
            task(11, "the cow"),
            {"id": "odd", "data": {"text": ["no text"]}},
            {},
        ],
        context={"result": []},
    )

    shown = [bool(one["result"]) for one in results]
    assert shown == [False] * 5 + [True] * 3 + [False] * 2


def test_who_marked_something_is_shown_the_spans_there(
    served: Served, encoder: Encoder, working: None, studio: httpx.Client
) -> None:
    c = trained_campaign(served, encoder, "spans")
    text = "fog snow the cat the dog a root"
    every = ask(studio, c, [task(1, text)])[0]["result"]
    first, *others = [(one["value"]["start"], one["value"]["end"]) for one in every]
    assert others
    marked = {"result": [{"type": "labels", "value": {"start": first[0], "end": first[0] + 1, "labels": []}}]}

    (some,) = ask(studio, c, [task(1, text)], marked)

    assert [(one["value"]["start"], one["value"]["end"]) for one in some["result"]] == [first]
    assert ask(studio, c, [task(1, text)], {"result": [{"value": "odd"}]})[0]["result"] == every


def test_who_may(served: Served, encoder: Encoder) -> None:
    c = trained_campaign(served, encoder)
    secrets = {
        access: served.http.post(
            "/v1/tokens", json={"name": access, "access": access, "campaigns": [c]}
        ).json()["secret"]
        for access in ("viewer", "engineer")
    }
    train = {"action": "START_TRAINING", "project": {"id": 1}}

    def status(method: str, path: str, password: str | None, **body: Any) -> int:
        auth = None if password is None else ("postil", password)
        return httpx.request(method, f"{served.url}/ml/{c}/{path}", auth=auth, **body).status_code

    for path in ("health", "versions"):
        assert [status("GET", path, one) for one in (None, "wrong", secrets["viewer"])] == [401, 401, 200]
    assert [
        status("POST", "webhook", one, json=train)
        for one in (None, "wrong", secrets["viewer"], secrets["engineer"])
    ] == [401, 401, 403, 409]
    other = served.campaign()["id"]
    strange = httpx.get(f"{served.url}/ml/{other}/health", auth=("postil", secrets["viewer"]))
    assert strange.status_code == 404
    assert httpx.get(f"{served.url}/ml/{c}/health", headers={"Authorization": "Basic !"}).status_code == 401


def test_training_is_started_by_its_webhook(served: Served, encoder: Encoder, studio: httpx.Client) -> None:
    c = trained_campaign(served, encoder)
    served.post_lines(f"/v1/campaigns/{c}/labels", '{"text": "one", "label": "animals"}')

    asked = studio.post(f"/ml/{c}/webhook", json={"action": "START_TRAINING", "project": {}})

    assert (asked.status_code, asked.json()) == (200, {"round": 2, "changes": 1})


def test_a_webhook_without_a_password_is_a_hint(served: Served) -> None:
    c = served.campaign()["id"]

    def due() -> bool:
        with served.api.database.reading() as connection:
            one = select(job.c.not_before - job.c.made_at).where(job.c.campaign == c, job.c.kind == "sync")
            return float(connection.execute(one).scalar_one()) < 100

    with served.api.database.transaction() as connection:
        claim = jobs.claim(connection, "sync", "test", lease_s=60)
        while claim is not None and claim.campaign != c:
            claim = jobs.claim(connection, "sync", "test", lease_s=60)
        assert claim is not None
        jobs.rearm(connection, claim, 110)
    assert not due()

    for body in ('{"action": "ANNOTATION_CREATED"}', "[]", "\xff"):
        assert httpx.post(f"{served.url}/ml/{c}/webhook", content=body).status_code == 200

    wait_for(due)
    assert (
        httpx.post(f"{served.url}/ml/nobody/webhook", json={"action": "PROJECT_UPDATED"}).status_code == 200
    )
