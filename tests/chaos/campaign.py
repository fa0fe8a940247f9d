"""A campaign under faults, and what must hold of it afterwards."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq

from service import orphans
from service.demo.docstrings import Corpus
from service.files import PASSING, Files
from service.label_studio.annotator import Served
from service.store.database import Database
from tests.chaos.faults import Fault
from tests.chaos.site import Site
from tests.loop.world import People, World, truthful

ROUND_SIZE = 30
BATCH = 40
"""Texts that are posted at a time, while faults happen."""
POST_S = 5.0
FIRST = 400
"""Texts that are there before."""
PACE_S = 2.0
"""Between two answers of one person, while faults happen."""
LAST_LABELS = 40
"""Asked for after the last fault."""
BACK_S = 420.0
"""The longest that an installation may need to go on by itself."""


def run(site: Site, corpus: Corpus, model: str, faults: Sequence[Fault], seed: int) -> dict[str, int]:
    """Two people work and an engineer posts texts while `faults` happen; raises AssertionError where something is lost.

    What was counted.
    """
    world, labels = site.world, corpus.labels
    pool = corpus.pool
    campaign = world.create(labels=labels, model=model, budget=len(pool), round_size=ROUND_SIZE, seed=seed)
    first, rest = [[one.text for one in some] for some in (pool[:FIRST], pool[FIRST:])]
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": text} for text in first])
    project = world.project(campaign)
    told = truthful({one.text: one.label for one in pool}, labels, wrong=0.05, skips=0.05)

    over = threading.Event()

    def answer(task: Served, rng: np.random.Generator) -> str | None:
        over.wait(PACE_S)
        return told(task, rng)

    posted: list[str] = []
    engineer = threading.Thread(target=_post, args=(world, campaign, rest, over, posted), daemon=True)
    engineer.start()
    with People(world, project, labels, answer, seed=seed) as people:
        happened = _happen(site, faults)
        before = people.done
        over.set()
        engineer.join(120)
        site.wait_up()
        world.wait(lambda: _answers(world, campaign), "the API answers", 60)
        asked = world.status(campaign)["asked"]
        budget = asked + LAST_LABELS
        world.api.patch(f"/v1/campaigns/{campaign}", json={"budget": budget}).raise_for_status()
        world.wait(
            lambda: world.status(campaign)["phase"] == "budget reached",
            f"the budget, {budget} labels",
            BACK_S,
        )
    world.assert_nothing_lost(campaign, project)
    world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the last round's end", BACK_S)
    status = world.status(campaign)
    assert status["asked"] == budget
    assert status["examples"] == len({*first, *posted})
    _assert_labels_traceable(world, campaign)
    _assert_files_whole(site)
    return {
        "faults": happened,
        "answers": people.done,
        "meanwhile": before,
        "labels": sum(status["labels"].values()),
        "rounds": status["rounds_done"],
        "examples": status["examples"],
    }


def _happen(site: Site, faults: Sequence[Fault]) -> int:
    """Do them, each at its moment; how many could be done."""
    started = at = time.monotonic()
    ends: list[tuple[float, Fault]] = []
    happened = 0
    for fault in faults:
        at += fault.gap_s
        while ends and ends[0][0] <= at:
            _end_at(site, *ends.pop(0))
        time.sleep(max(0.0, at - time.monotonic()))
        could = site.begin(fault)
        happened += could
        print(
            f"{time.monotonic() - started:6.0f} s  {fault}{'' if could else ': cannot just now'}", flush=True
        )
        if could and fault.lasts_s:
            # One that lasts longer than another of its kind would be ended by that one's end.
            ends = sorted([*ends, (at + fault.lasts_s, fault)], key=lambda one: one[0])
    for end in ends:
        _end_at(site, *end)
    return happened


def _end_at(site: Site, moment: float, fault: Fault) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
    site.end(fault)


def _post(
    world: World, campaign: str, texts: Sequence[str], over: threading.Event, posted: list[str]
) -> None:
    """Batch by batch, each until it is taken; what was refused is sent again, and may have been taken all the same."""
    for at in range(0, len(texts), BATCH):
        lines = [{"text": text} for text in texts[at : at + BATCH]]
        while True:
            try:
                world.post(f"/v1/campaigns/{campaign}/pool", lines)
                break
            except (httpx.TransportError, AssertionError):
                time.sleep(1.0)
        posted += texts[at : at + BATCH]
        if over.wait(POST_S):
            return


def _answers(world: World, campaign: str) -> bool:
    try:
        return world.api.get(f"/v1/campaigns/{campaign}").status_code == 200
    except httpx.TransportError:
        return False


def _assert_labels_traceable(world: World, campaign: str) -> None:
    """Every label is of a text that somebody answered, with the newest answer's value; one label a text."""
    newest: dict[str, set[str]] = {}
    for one in world.annotations(campaign):
        if one["kind"] == "answer" and one["current"]:
            newest.setdefault(one["id"], set()).add(one["label"])
    labels = world.labels(campaign)
    assert [id_ for id_, count in Counter(one["id"] for one in labels).items() if count > 1] == []
    assert {one["id"] for one in labels} == set(newest)
    assert [one for one in labels if one["label"] not in newest[one["id"]]] == []


def _assert_files_whole(site: Site) -> None:
    """What SQL names is there and can be read; what it does not name is swept."""
    settings = site.stack.settings
    database, files = Database(settings.database), Files(settings.files)
    try:
        with database.reading() as connection:
            named = orphans.named(connection)
        orphans.sweep(database, files, age_s=-1.0)
        left = {name for name, _ in files.ages() if not name.startswith(f"{orphans.SHARED}/")}
        assert left <= named, left - named
        assert not list(files.path(PASSING).glob("*"))
        assert {name for name in named if name.startswith("shards/")} <= left
        for name in left:
            _read(files.path(name))
    finally:
        database.close()


def _read(folder: Path) -> None:
    for path in folder.iterdir():
        if path.suffix == ".npy":
            np.load(path)
        elif path.suffix == ".parquet":
            pq.read_table(path)
        else:
            assert path.stat().st_size > 0, path
