"""What a round did, on a real store: labels between two snapshots by hand, and what its scores asked for."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, update

from service import predictions, turns
from service.errors import NotFound
from service.files import Files
from service.measure.intervals import paired_shares
from service.predictions import ADAPTER
from service.records import Place
from service.store import campaigns, labels, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.schema import selection
from service.store.selections import Chosen
from service.turns import Asked


def round_(
    connection: Connection, files: Files, campaign: str, number: int, version: int, right: int
) -> None:
    """One that is right on so many of ten hold-out texts of class a."""
    said = np.where(np.arange(10)[:, None] < right, [0.9, 0.1], [0.1, 0.9])
    with files.new(f"predictions/{number}") as folder:
        predictions.write(folder, [Place(1, row) for row in range(10)], {ADAPTER: said})
    known = {"label_version": version, "labels": version, "shards": [0]}
    rounds.start(connection, campaign, number, strategy="auto", seed=0, **known)  # type: ignore[arg-type]
    rounds.change(
        connection,
        campaign,
        number,
        state="done",
        predictions=f"predictions/{number}",
        metrics={"trained_on": 9},
    )


def believe(
    connection: Connection, campaign: str, row: int, value: str | None, role: str = "train", shard: int = 0
) -> None:
    place = Place(shard, row)
    labels.believe(connection, campaign, place, value, role, row, 1, "one answer")  # type: ignore[arg-type]


def version(connection: Connection, campaign: str) -> int:
    return campaigns.get(connection, campaign).label_version


def test_what_was_new_and_what_came_of_it(connection: Connection, tmp_path: Path) -> None:
    """Between two rounds two texts get a label, one another one, one loses it, and of one only the weight changes."""
    files = Files(tmp_path)
    id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
    for row in range(10):
        believe(connection, id_, row, "a", "hold-out", shard=1)
    for row in range(5):
        believe(connection, id_, row, "a")
    round_(connection, files, id_, 1, version(connection, id_), 6)
    for row, value in ((5, "b"), (6, "a"), (1, "b"), (2, None)):
        believe(connection, id_, row, value)
    (first,) = [row for row in labels.current(connection, id_) if (row.shard, row.row) == (0, 0)]
    labels.revise(connection, id_, [labels.Revision(first.version, "a", 0.5, 0.5, "in doubt")])
    round_(connection, files, id_, 2, version(connection, id_), 8)

    found = turns.turn(connection, files, campaigns.get(connection, id_), 2)

    assert (found.before, found.new, found.changed, found.ended) == (1, 2, 1, 1)
    right = np.arange(10)
    assert found.change == paired_shares(right < 8, right < 6)
    start = turns.turn(connection, files, campaigns.get(connection, id_), 1)
    assert (start.before, start.new, start.changed, start.ended, start.change) == (None, 15, 0, 0, None)
    with pytest.raises(NotFound, match="no round 3"):
        turns.turn(connection, files, campaigns.get(connection, id_), 3)


def test_what_was_asked_and_why(connection: Connection, tmp_path: Path) -> None:
    id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
    new = [
        Chosen(Place(0, row), row, "train", "margin", 0.5, why, f"text {row}", None, None, row, None)
        for row, why in enumerate(["margin 0.1", "margin 0.1", "margin 0.2", "margin 0.3", "margin 0.4"])
    ]
    drawn = Chosen(Place(0, 9), 9, "control", "random", 0.0, "random draw", "text 9", None, None, 9, None)
    selections.choose(connection, id_, 1, 1, [*new, drawn])
    for row, state in ((0, "answered"), (1, "skipped"), (2, "withdrawn"), (3, "open")):
        connection.execute(update(selection).where(selection.c.row == row).values(state=state))
    known = {"label_version": 0, "labels": 0, "shards": [0]}
    rounds.start(connection, id_, 1, strategy="auto", seed=0, **known)  # type: ignore[arg-type]
    files = Files(tmp_path)

    found = turns.turn(connection, files, campaigns.get(connection, id_), 1)

    margin, control = found.asked
    assert (margin.strategy, margin.role, margin.n) == ("margin", "train", 5)
    assert (margin.answered, margin.skipped, margin.waiting, margin.withdrawn) == (1, 1, 2, 1)
    assert len(margin.reasons) == 3
    assert control == Asked("random", "control", 1, 0, 0, 1, 0, ["random draw"])
    assert turns.turn(connection, files, campaigns.get(connection, id_), 0).asked == []
