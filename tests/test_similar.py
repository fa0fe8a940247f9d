"""Labeled examples like one, on a real store and real shards."""

from pathlib import Path

import numpy as np
import pytest

from service import similar
from service.errors import Conflict, Invalid, NotFound
from service.files import Files
from service.records import Campaign, Example
from service.settings import Settings
from service.store import campaigns, labels, selections
from service.store.campaigns import NewCampaign
from service.store.database import Database
from service.store.schema import selection
from tests.filling import answer, encode, fill, seal

ANGLES = np.linspace(0, np.pi / 2, 8)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files")


@pytest.fixture
def campaign(database: Database, files: Files) -> Campaign:
    """Eight texts on a quarter of a circle; all but 3 and 7 have a label, that of 1 is the hold-out's."""
    with database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("alike", ["a", "b"], "none")).id
        texts = [Example(f"text {at}", id=f"doc-{at}" if at else None) for at in range(8)]
        fill(connection, files, id_, texts)
        fill(connection, files, id_, [Example("tested", label="a")], "test")
        seal(connection, files, id_)
        encode(connection, files, id_, 0, np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1))
        campaigns.change(connection, id_, encoder="tiny")
        answer(connection, id_, {3: {}, 7: {}})
        answer(connection, id_, {1: {1: "a"}}, role="hold-out")
        answer(connection, id_, {at: {1: "ab"[at % 2]} for at in (0, 2, 4, 5)})
        labels.import_known(connection, id_, {selections.example("0-6"): ("a", 6)})
        return campaigns.get(connection, id_)


def test_the_nearest_labels_by_hand(database: Database, files: Files, campaign: Campaign) -> None:
    """Given texts that lie a seventh of a right angle from each other, then similarities are the cosines of these."""
    with database.reading() as connection:
        found = similar.find(connection, files, campaign, "0-3")

    assert (found.id, found.text) == ("doc-3", "text 3")
    near = [(one.id, one.answer, one.source) for one in found.similar]
    assert near[:2] in (
        [("doc-2", "a", "annotation"), ("doc-4", "a", "annotation")],
        [("doc-4", "a", "annotation"), ("doc-2", "a", "annotation")],
    )
    assert near[2:] == [
        ("doc-5", "b", "annotation"),
        ("0-0", "a", "annotation"),
        ("doc-6", "a", "import"),
    ] or near[2:] == [
        ("doc-5", "b", "annotation"),
        ("doc-6", "a", "import"),
        ("0-0", "a", "annotation"),
    ]
    steps = np.cos(np.array([1, 1, 2, 3, 3]) * ANGLES[1])
    assert [one.similarity for one in found.similar] == pytest.approx(steps, abs=2e-3)
    assert [one.text for one in found.similar][2] == "text 5"


def test_one_that_has_a_label_is_not_like_itself(
    database: Database, files: Files, campaign: Campaign
) -> None:
    with database.reading() as connection:
        assert "doc-4" not in [one.id for one in similar.find(connection, files, campaign, "0-4").similar]


def test_who_answers_blind_is_shown_nothing(database: Database, files: Files, campaign: Campaign) -> None:
    with database.transaction() as connection:
        again = selection.update().where(selection.c.campaign == campaign.id, selection.c.row == 7)
        connection.execute(again.values(wanted=2))
        for key in ("0-1", "0-7", "0-7.2"):
            with pytest.raises(Conflict, match="is asked blind"):
                similar.find(connection, files, campaign, key)


def test_what_names_no_example(database: Database, files: Files, campaign: Campaign) -> None:
    with database.reading() as connection:
        for key in ("", "doc-3x", "0", "0--1", "0-9999999999", "0-3.x"):
            with pytest.raises(Invalid, match="names no example"):
                similar.find(connection, files, campaign, key)
        with pytest.raises(NotFound, match="no row 8"):
            similar.find(connection, files, campaign, "0-8")
        for key in ("5-0", "1-0"):
            with pytest.raises(Conflict, match="not read by the base model"):
                similar.find(connection, files, campaign, key)


def test_the_link_is_one_that_browsers_reach(campaign: Campaign) -> None:
    here = Settings(url="http://api:8400")
    assert similar.link(here, campaign, "0-3") == f"http://api:8400/similar/{campaign.id}/0-3"
    behind = Settings(url="http://api:8400", page="https://postil.example/")
    assert similar.link(behind, campaign, "0-3") == f"https://postil.example/similar/{campaign.id}/0-3"
