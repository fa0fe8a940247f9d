"""A whole campaign on a labeled file, over HTTP and Label Studio: two people at once, one of them sometimes wrong.

    python -m tests.bench.loop FOLDER DATA

FOLDER holds train.jsonl and test.jsonl (`text`, `label`), DATA is a new folder for the stack. Prints each round's test
accuracy beside logistic regression on the same labels, and whether an annotation was lost. POSTIL_LABEL_STUDIO_VENV
may name an installed Label Studio.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from service.demo import encoder
from service.settings import Settings
from service.stack.stack import Stack
from tests.loop.world import People, World, truthful

LABELS = 300
WRONG = 0.05


def main(folder: Path, data: Path) -> None:
    train, test = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").open()] for name in ("train", "test")
    )
    labels = sorted({one["label"] for one in train})
    truth = {one["text"]: one["label"] for one in train}
    with Stack(replace(Settings.read(), data=str(data))) as stack:
        stack.start()
        stack.wait_up("label-studio", 1800)
        world = World(stack)
        started = time.monotonic()
        campaign = world.create(labels=labels, model=encoder.path(), budget=LABELS)
        print("test set:", world.post(f"/v1/campaigns/{campaign}/labels?set=test", test))
        posted = time.monotonic()
        print("pool:", world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one["text"]} for one in train]))
        print(f"posted in {time.monotonic() - posted:.1f} s")
        project = world.project(campaign)
        print(f"first tasks after {time.monotonic() - posted:.1f} s")
        wrong = truthful(truth, labels, wrong=2 * WRONG)
        right = truthful(truth, labels)
        people = People(
            world, project, labels, lambda task, rng: (wrong if task.id % 2 else right)(task, rng)
        )
        with people:
            world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the budget", 3000)
        print(
            f"{people.done} answers after {time.monotonic() - started:.1f} s; nothing to do at {people.idle[:5]}"
        )
        world.wait(lambda: world.last_round(campaign).get("labels") == LABELS, "the last round", 1200)
        world.wait(lambda: world.last_round(campaign).get("ranked_at"), "its order", 1200)
        world.assert_nothing_lost(campaign, project)
        print("no annotation lost or counted twice")
        for point in world.get(f"/v1/campaigns/{campaign}/curve")["points"]:
            accuracy = point["metrics"]["accuracy"]
            print(
                f"round {point['round']}: {point['labels']} labels, {accuracy['value']:.3f} "
                f"[{accuracy['low']:.3f}, {accuracy['high']:.3f}], logistic regression {point['baseline']:.3f}"
            )
        for one in world.rounds(campaign):
            print({key: one[key] for key in ("number", "train_seconds", "score_seconds", "select_seconds")})
        world.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
