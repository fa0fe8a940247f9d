"""Maps of a pool: some thousand texts laid out so that what the base model finds alike is near.

A map is drawn by a job (`workers.jobs.map`) and written as one folder of the file store:

    places.npy       int32 (m, 2): the examples, as (shard, row)
    xy.npy           float32 (m, 2)
    uncertainty.npy  float32 (m,): how unsure the newest adapter was of each, NaN where it scored nothing
    texts.json       [[id, domain, beginning of the text], …]

What has a label or is in the queue is read from SQL when the map is looked at.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service import answers, synthesis
from service.files import Files
from service.records import Campaign, Place
from service.store import jobs, labels, selections

KIND, QUEUE = "map", "cpu"
MOST = 5_000
"""Points."""
TEXT_CHARS = 160
UNCERTAIN_SHARE = 0.1
"""Of the scored points without a label, those that the adapter is least sure of are called uncertain."""
State = Literal["labeled", "queued", "uncertain", "other"]


class Drawn(msgspec.Struct, frozen=True):
    """What a job has drawn: its result."""

    path: str
    points: int
    examples: int
    """Texts in the pool at that time."""
    laid_out: int
    """Texts in the pool when the layout was made, which is kept from map to map."""
    round: int | None
    """Whose scores the uncertainty is of."""
    at: float


class Point(msgspec.Struct, frozen=True):
    id: str
    text: str
    """Its beginning."""
    domain: str | None
    x: float
    y: float
    state: State
    label: str | None
    """What is believed; of several labels, or spans, the first one. Null where there is none."""
    uncertainty: float | None
    url: str | None


class Map(msgspec.Struct, frozen=True):
    at: float
    round: int | None
    examples: int
    points: list[Point]
    missing: int
    """Labels and tasks of the queue that came after the map was drawn."""
    pending: bool = False
    """Whether a newer one is being put together, and this is the one before: ask again."""


def write(
    folder: Path,
    places: Sequence[Place],
    xy: NDArray[np.floating],
    uncertainty: NDArray[np.floating],
    texts: Sequence[tuple[str, str | None, str]],
) -> None:
    np.save(
        folder / "places.npy", np.array([(one.shard, one.row) for one in places], np.int32).reshape(-1, 2)
    )
    np.save(folder / "xy.npy", xy.astype(np.float32))
    np.save(folder / "uncertainty.npy", uncertainty.astype(np.float32))
    (folder / "texts.json").write_bytes(msgspec.json.encode(texts))


def layout(files: Files, drawn: Drawn) -> tuple[list[Place], NDArray[np.float32]]:
    """(places, positions (m, 2))."""
    folder = files.path(drawn.path)
    places = [Place(shard, row) for shard, row in np.load(folder / "places.npy").tolist()]
    return places, np.load(folder / "xy.npy")


def newest(connection: Connection, campaign: str) -> Drawn | None:
    """The last one that was drawn."""
    done = [row for row in jobs.of_kind(connection, campaign, KIND) if row.state == "done"]
    return msgspec.convert(done[-1].result, Drawn) if done else None


def keep_up(connection: Connection, campaign: str) -> None:
    """Where somebody had a map drawn, have it drawn anew."""
    if newest(connection, campaign) is not None:
        jobs.ask(connection, campaign, KIND, QUEUE)


def whereabouts(
    connection: Connection, campaign: Campaign
) -> tuple[dict[tuple[int, int], str], set[tuple[int, int]]]:
    """({(shard, row): label} of people and imports, (shard, row) of what waits in the queue)."""
    known = {(shard, row): value for shard, row, value in labels.values(connection, campaign.id)}
    queue = selections.in_states(connection, campaign.id, selections.SERVABLE)
    return known, {(row.shard, row.row) for row in queue if row.strategy != synthesis.STRATEGY}


def shown(connection: Connection, files: Files, campaign: Campaign, drawn: Drawn, page: str | None) -> Map:
    """The map as things stand; `page` is the address of the campaign's project in Label Studio."""
    places, xy = layout(files, drawn)
    folder = files.path(drawn.path)
    unsure = np.load(folder / "uncertainty.npy")
    texts = msgspec.json.decode((folder / "texts.json").read_bytes(), type=list[tuple[str, str | None, str]])
    known, queue = whereabouts(connection, campaign)
    at_all = [(one.shard, one.row) for one in places]
    free = np.array([one not in known and one not in queue for one in at_all], np.bool_)
    least = _threshold(unsure[free])
    tasks = selections.tasks(connection, campaign.id)
    points = []
    for at, (place, (x, y), (id_, domain, text)) in enumerate(zip(at_all, xy.tolist(), texts, strict=True)):
        state: State = "labeled" if place in known else "queued" if place in queue else "other"
        if state == "other" and unsure[at] >= least:
            state = "uncertain"
        task = tasks.get(place)
        points.append(
            Point(
                id_,
                text,
                domain,
                round(x, 3),
                round(y, 3),
                state,
                _label(campaign, known[place]) if place in known else None,
                None if np.isnan(unsure[at]) else round(float(unsure[at]), 3),
                None if page is None or task is None else f"{page}/data?task={task}",
            )
        )
    asked = known.keys() | queue
    missing = len(asked - set(at_all)) if len(asked) <= MOST else 0
    return Map(drawn.at, drawn.round, drawn.examples, points, missing)


def _threshold(unsure: NDArray[np.float32]) -> float:
    scored = unsure[~np.isnan(unsure)]
    return float(np.quantile(scored, 1 - UNCERTAIN_SHARE)) if len(scored) else np.inf


def _label(campaign: Campaign, value: str) -> str | None:
    answer = answers.read(campaign.problem, value)
    if isinstance(answer, str):
        return answer
    return next((one if isinstance(one, str) else one["label"] for one in answer), None)
