"""Maps of a pool over HTTP: asked for, and told with links and with what became of their points since."""

from typing import Any

import msgspec
import numpy as np
from sqlalchemy import update

from service import maps
from service.maps import Drawn
from service.records import Place
from service.store.schema import job
from tests.http.conftest import Served, fill

POINTS = [100, 200, 445, 550, 551, 552, 553, 554, 555, 556, 557, 558]


def drawn(served: Served, campaign: str) -> None:
    """A worker draws the map that somebody asked for."""
    path = f"maps/{campaign}/1"
    unsure = np.array([np.nan, np.nan, 0.9, 0.99, *([0.1] * 8)])
    with served.api.files.new(path) as folder:
        xy = np.arange(2 * len(POINTS)).reshape(-1, 2) / 30
        texts: list[Any] = [(f"doc-{row}", "law", f"How <b>it</b> is in {row}") for row in POINTS]
        maps.write(folder, [Place(0, row) for row in POINTS], xy, unsure, texts)
    with served.api.database.transaction() as connection:
        result = Drawn(path, len(POINTS), 600, 600, 5, 1.0)
        mine = update(job).where(job.c.campaign == campaign, job.c.kind == "map")
        connection.execute(mine.values(state="done", result=msgspec.to_builtins(result)))


def test_a_map_is_drawn_once_and_told_as_things_are_now(served: Served) -> None:
    c = fill(served, "mapped")
    path = f"/v1/campaigns/{c}/map"
    assert served.http.get(path).json() == {"job": None, "map": None}
    first = served.http.post(path)
    assert (first.status_code, first.json()["kind"], first.json()["queue"]) == (202, "map", "cpu")
    assert served.http.post(path).json()["id"] == first.json()["id"]
    assert served.http.get(path).json()["job"]["id"] == first.json()["id"]

    drawn(served, c)

    found = served.http.get(path).json()
    assert found["job"] is None
    shown = found["map"]
    assert (shown["round"], shown["examples"], shown["missing"]) == (5, 600, 437 + 59 - 2)
    assert shown["points"][0] == {
        "id": "doc-100",
        "text": "How <b>it</b> is in 100",
        "domain": "law",
        "x": 0.0,
        "y": 0.033,
        "state": "labeled",
        "label": "networking",
        "uncertainty": None,
        "url": "http://127.0.0.1:9/projects/7/data?task=2100",
    }
    states = {one["id"]: one["state"] for one in shown["points"]}
    # Row 445 was answered with a label that there is not: it is neither labeled nor asked any more.
    assert (states["doc-200"], states["doc-550"], states["doc-558"]) == ("labeled", "uncertain", "other")
