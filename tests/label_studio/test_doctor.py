"""The doctor's checks of Label Studio, with the real one's settings spoilt one after another."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.doctor import studio
from service.doctor.finding import Finding
from service.doctor.site import Site
from service.label_studio.annotator import invite, personal_access_token
from service.label_studio.client import Client
from service.settings import Settings
from service.store import campaigns
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.label_studio.conftest import PASSWORD, tasks

API = "http://127.0.0.1:8400"


@pytest.fixture
def site(label_studio: Any, client: Client, project: int, tmp_path: Path) -> Iterator[Site]:
    """An installation with one campaign, whose project serves r0 as the campaign says."""
    settings = Settings(
        data=str(tmp_path), url=API, label_studio_url=client.url, label_studio_token=label_studio.token
    )
    client.import_tasks(project, tasks([0.1, 0.2]))
    database = Database(settings.database)
    database.upgrade()
    with database.transaction() as connection:
        made = campaigns.create(connection, NewCampaign("moods", ["good", "bad"], "none"))
        campaigns.change(
            connection, made.id, project=project, model_version="r0", webhook_hash=uuid.uuid4().hex
        )
    client.ensure_webhook(project, f"{API}/webhooks/label-studio/{made.id}", {"X-Postil-Secret": "s"})
    yield Site.find(settings)
    database.close()


def found(site: Site) -> list[tuple[str, str]]:
    return [(one.state, one.what) for one in studio.projects(site)]


def test_a_project_as_it_should_be(site: Site, project: int) -> None:
    assert found(site) == [("ok", f"campaign moods: project {project} is set up as it should be")]


def test_a_terminal_that_does_not_know_the_label_studio_of_postil_up(tmp_path: Path) -> None:
    (one,) = studio.server(Site(Settings(data=str(tmp_path)), {"valkey": 1, "api": 2}, frozenset({"redis"})))
    assert (one.state, one.remedy[:6]) == ("warning", "set it")
    (one,) = studio.server(Site(Settings(data=str(tmp_path)), {}, frozenset()))
    assert one.state == "wrong"


@pytest.mark.parametrize(
    ("spoilt", "state", "words"),
    [
        ({"sampling": "Sequential sampling"}, "wrong", "serves by Sequential sampling"),
        ({"skip_queue": "REQUEUE_FOR_OTHERS"}, "warning", "keeps skipped tasks (REQUEUE_FOR_OTHERS)"),
        ({"show_collab_predictions": False}, "warning", "hides pre-annotations"),
    ],
)
def test_settings_that_break_the_order(
    site: Site, client: Client, project: int, spoilt: dict[str, Any], state: str, words: str
) -> None:
    client.send("PATCH", f"/api/projects/{project}/", body=spoilt)
    said = found(site)
    assert any(one == state and words in what for one, what in said), said


def test_predictions_of_another(site: Site, client: Client, project: int) -> None:
    task = client.list_tasks(project)[0].id
    stray = {"task": task, "project": project, "score": 0.5, "model_version": "theirs", "result": []}
    client.send("POST", "/api/predictions/", body=stray)
    client.send("PATCH", f"/api/projects/{project}/", body={"model_version": "theirs"})
    ((state, what),) = found(site)
    assert state == "wrong"
    assert "shows predictions of 'theirs', not 'r0', and serves at random" in what


@contextmanager
def backend() -> Iterator[str]:
    """Somebody's model, as Label Studio asks for one."""

    class Model(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps({"status": "UP", "model_version": "theirs", "versions": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_model_of_somebody_else(site: Site, client: Client, project: int) -> None:
    with backend() as url:
        client.send("POST", "/api/ml/", body={"project": project, "url": url, "title": "theirs"})
        words = " ".join(what for _, what in found(site))
    assert "the model theirs is connected" in words
    assert f"every answer waits for another's webhook, {url}/webhook" in words


def test_webhooks(site: Site, client: Client, project: int) -> None:
    (hook,) = client.call(list[dict[str, Any]], "GET", "/api/webhooks/", {"project": project})
    path = f"/api/webhooks/{hook['id']}/"
    off = {"is_active": False, "actions": hook["actions"]}
    client.send("PATCH", path, body=off)
    assert "the webhook is switched off" in found(site)[0][1]
    client.send("DELETE", path)
    assert "has no webhook to" in found(site)[0][1]
    with site.database() as database, database.transaction() as connection:
        campaigns.change(connection, site.campaigns()[0].id, webhook_hash=None)
    ((state, what),) = found(site)
    assert (state, "refused the webhook" in what) == ("warning", True)


def test_a_project_that_is_gone(site: Site, client: Client, project: int) -> None:
    client.send("DELETE", f"/api/projects/{project}/")
    ((state, what),) = found(site)
    assert (state, "cannot be read" in what) == ("wrong", True)


def test_tokens_of_both_kinds(site: Site, client: Client) -> None:
    def said(token: str) -> Finding:
        settings = replace(site.settings, label_studio_token=token)
        (finding,) = studio.token(replace(site, settings=settings))
        return finding

    assert said(site.settings.label_studio_token).what.startswith("the legacy token of ")
    email = f"{uuid.uuid4().hex[:12]}@postil.test"
    invite(client, email, PASSWORD)
    assert (
        said(personal_access_token(client.url, email, PASSWORD)).what
        == f"the personal access token of {email}"
    )
    assert "allow legacy tokens" in said("guess").remedy
    refused = said("a.b.c")
    assert (refused.state, "the personal access token is refused" in refused.what) == ("wrong", True)
    assert said("").state == "wrong"


def test_the_server(site: Site) -> None:
    (well,) = studio.server(site)
    assert (well.state, well.what) == ("ok", f"Label Studio 1.23.2 at {site.settings.label_studio_url}")
    for url in ("http://127.0.0.1:9", "label-studio", ""):
        (away,) = studio.server(replace(site, settings=replace(site.settings, label_studio_url=url)))
        assert away.state == "wrong"


def test_the_way_back() -> None:
    settings = Settings(label_studio_url="https://label-studio.example", url=API)
    (warned,) = studio.way_back(Site(settings, {}, frozenset()))
    assert "cannot reach the API" in warned.what
    reached = replace(settings, url="https://postil.example")
    assert list(studio.way_back(Site(reached, {}, frozenset()))) == []
