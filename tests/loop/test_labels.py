"""Labels that change while a campaign runs, on the real API, workers and Label Studio."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.label_studio.annotator import Annotator
from service.label_studio.problems import problem
from service.vocabulary import MARK
from tests.learner.conftest import TOPICS, build_encoder
from tests.loop.world import World, worded

PETS, WET = ("cat", "dog"), ("rain", "snow")


def before(word: str) -> str:
    """The label of a text with this word."""
    if word in TOPICS[2]:
        return "wet" if word in WET else "dry"
    return "beast" if word in TOPICS[0] else "sums"


def after(word: str) -> str:
    return {"wet": "weather", "dry": "weather", "sums": "maths"}.get(
        before(word), "pet" if word in PETS else "beast"
    )


@pytest.mark.timeout(600)
def test_labels_are_renamed_merged_and_split(world: World, tmp_path: Path) -> None:
    """Given one person, and labels that change while a round is trained and a page is open, then what was split is
    asked again of the same person, rounds go on, and all that is told has today's labels."""
    pool = worded(20)
    campaign = world.create(
        labels=["beast", "sums", "wet", "dry"],
        model=str(build_encoder(tmp_path / "model")),
        near_duplicates="keep",
        round_size=40,
        random_share=0.4,
        low_water=30,
    )
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": text} for text in pool])
    project = world.project(campaign)

    def work(
        ann: Annotator, names: list[str], says: Callable[[str], str], until: Callable[[], object]
    ) -> None:
        asks = problem("single_label", names)

        def one() -> object:
            task = ann.next(project)
            if task is not None:
                ann.submit(task, asks.to_result(says(pool[task.data["text"]])), 1.0)
            return until()

        world.wait(one, "what is to be answered", 240)

    def change(**body: object) -> int:
        answer = world.api.post(f"/v1/campaigns/{campaign}/labels/changes", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["asked_again"])

    def done() -> bool:
        tasks = world.get(f"/v1/campaigns/{campaign}/queue?limit=1000")["tasks"]
        ranked = [one for one in world.rounds(campaign) if one["ranked_at"]]
        return len(ranked) >= 3 and not any(task["reason"].startswith("asked anew") for task in tasks)

    with world.annotator() as ann:
        work(ann, ["beast", "sums", "wet", "dry"], before, lambda: world.last_round(campaign))
        page = ann.next(project)
        assert page is not None
        assert change(rename="sums", to="maths") == 0
        assert change(merge=["wet", "dry"], into="weather") == 0
        assert change(split="beast", into=["pet", "beast"]) > 0
        said = before(pool[page.data["text"]])
        ann.submit(page, problem("single_label", ["beast", "sums", "wet", "dry"]).to_result(said), 1.0)
        world.wait(
            lambda: "maths" in world.label_studio.send("GET", f"/api/projects/{project}/").text,
            "the new labels in Label Studio",
        )
        # "beast" means something else now, and its answers say so.
        names = ["pet", "beast" + MARK, "maths", "weather"]
        work(ann, names, lambda word: after(word).replace("beast", "beast" + MARK), done)
    world.assert_nothing_lost(campaign, project)
    world.api.patch(f"/v1/campaigns/{campaign}", json={"paused": True}).raise_for_status()

    def rest() -> bool:
        return bool(world.last_round(campaign)["ranked_at"]) and not world.status(campaign)["changes"]

    world.wait(rest, "the last round", 240)
    labels = world.labels(campaign)
    assert [row["label"] for row in labels] == [after(pool[row["text"]]) for row in labels]
    answers = [one for one in world.annotations(campaign) if one["kind"] == "answer"]
    unclear = {one["id"] for one in answers if one["label"] is None}
    assert unclear <= {one["id"] for one in answers if one["label"] is not None}
    assert len(answers) == len(labels) + len(unclear)
    assert {(one["shown"] or {}).get("label") for one in answers} <= {
        "pet",
        "beast",
        "maths",
        "weather",
        None,
    }
    log = world.get(f"/v1/campaigns/{campaign}/events?follow=false")["events"]
    assert [one["data"] for one in log if one["kind"] == "job-failed"] == []
    rounds = world.rounds(campaign)
    points = world.get(f"/v1/campaigns/{campaign}/curve")["points"]
    assert [point["round"] for point in points] == [one["number"] for one in rounds]
    measured = sum(row["role"] == "hold-out" for row in labels)
    assert [point["metrics"]["n"] for point in points] == [measured] * len(rounds)
