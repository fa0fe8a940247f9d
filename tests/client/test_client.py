"""The client as programs use it, against a real API."""

import gzip
import io
import json
import tarfile
import uuid
from pathlib import Path

import pytest

from service.client import Client, Unreachable, archives
from service.errors import Conflict, Invalid, NotFound, PostilError
from service.stack.stack import Stack
from service.store import rounds
from service.store.database import Database


@pytest.fixture
def campaign(api: Client) -> str:
    return api.create(name=uuid.uuid4().hex, labels=["good", "bad"], model="none")["name"]


def test_the_environment_names_the_installation(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTIL_DATA", stack.settings.data)
    with Client.here() as postil:
        assert postil.url == stack.settings.url
        assert "auto" in [one["name"] for one in postil.strategies()]


def test_examples_go_in_and_come_back(api: Client, campaign: str) -> None:
    receipt = api.add_examples(campaign, ({"id": f"t{at}", "text": f"text \u2028 {at}"} for at in range(5)))
    assert (receipt["received"], receipt["added"]) == (5, 5)
    found = list(api.records(campaign, "pool"))
    assert [one["id"] for one in found] == [f"t{at}" for at in range(5)]
    assert found[0]["text"] == "text \u2028 0"
    assert api.pool(campaign)["examples"] == 5
    assert api.queue(campaign, limit=10) == []


def test_known_labels_and_a_test_set(api: Client, campaign: str) -> None:
    api.add_examples(campaign, [{"id": "a", "text": "one"}])
    assert api.add_known(campaign, [{"id": "a", "label": "good"}])["labels"] == 1
    assert api.add_known(campaign, [{"text": "two", "label": "bad"}], test=True)["added"] == 1
    status = api.campaign(campaign)["status"]
    assert status["test_examples"] == 1
    assert [one["label"] for one in api.records(campaign)] == ["good"]


def test_files_by_their_names(api: Client, campaign: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,shop\nhello,north\n")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": "again"}).encode()))
    assert api.add_file(campaign, tmp_path / "a.csv")["added"] == 1
    assert api.add_file(campaign, str(tmp_path / "b.jsonl.gz"))["added"] == 1
    with pytest.raises(Invalid, match="neither"):
        api.add_file(campaign, "c.docx")
    with pytest.raises(Invalid, match="cannot be read"):
        api.add_file(campaign, tmp_path / "not there.csv")


def test_errors_have_their_names(api: Client) -> None:
    with pytest.raises(NotFound):
        api.campaign("nobody")
    with pytest.raises(Invalid, match="labels"):
        api.create(name="x", labels=[], model="none")
    with Client("http://127.0.0.1:9", "x") as away, pytest.raises(Unreachable):
        away.campaigns()


def test_waiting_for_a_round(api: Client, stack: Stack, campaign: str) -> None:
    id_ = api.campaign(campaign)["id"]
    with pytest.raises(Unreachable, match="did not end within 0 s"):
        api.wait(campaign, 1, seconds=0)
    database = Database(f"sqlite:///{stack.settings.data}/postil.sqlite")
    with database.transaction() as connection:
        for number in (1, 2):
            rounds.start(
                connection, id_, number, label_version=1, labels=1, shards=[], strategy="auto", seed=0
            )
        rounds.change(connection, id_, 1, state="done", ranked_at=1.0)
        rounds.change(connection, id_, 2, state="failed", error="no memory")
    database.close()
    assert api.wait(campaign, 1)["number"] == 1
    with pytest.raises(PostilError, match="round 2 failed: no memory"):
        api.wait(campaign, 2)


def test_an_adapter_becomes_a_folder_whole_or_not_at_all(tmp_path: Path) -> None:
    spool = io.BytesIO()
    with tarfile.open(fileobj=spool, mode="w") as tar:
        entry = tarfile.TarInfo("r1/postil.json")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"{}"))
    whole = spool.getvalue()
    archives.unpack([whole[:100], whole[100:]], tmp_path / "adapter")
    assert (tmp_path / "adapter" / "postil.json").read_text() == "{}"
    with pytest.raises(Conflict, match="exists already"):
        archives.unpack([whole], tmp_path / "adapter")
    with pytest.raises(PostilError, match="not whole"):
        archives.unpack([b"nothing of the kind"], tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
