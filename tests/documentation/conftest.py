"""What readers of the documentation have: a running stack, a campaign `topics` with rounds behind it, its pool.

The pages run in a folder whose `.postil` is the stack's data, with the virtual environment active, as they say.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from service.demo.docstrings import corpus
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.stack import Stack
from tests.documentation.blocks import Block
from tests.loop import shallow
from tests.loop.world import People, World, truthful

ROOT = Path(__file__).parents[2]
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
USUAL = "http://127.0.0.1:8400"
"""The API's address in the pages; the stack has another where that port is taken."""
TEXTS = 300
ROUNDS, ROUND_SIZE = 3, 30
BLOCK_S = 150

Run = Callable[[Block], "subprocess.CompletedProcess[str]"]


def hub(folder: Path) -> None:
    """A cache of Hugging Face's that holds MODEL, with fewer layers, for machines without a model hub."""
    model = folder / "hub" / f"models--{MODEL.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("published")
    shallow.build(model / "snapshots" / "published")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader is."""
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="session")
def world(
    label_studio_settings: Settings, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    cache = tmp_path_factory.mktemp("hugging-face")
    hub(cache)
    settings = Settings(
        data=str(folder / ".postil"),
        label_studio_venv=str(environment(label_studio_settings)),
        url="http://127.0.0.1:0",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(cache))
        patch.setenv("HF_HUB_OFFLINE", "1")
        for name in [name for name in os.environ if name.startswith("POSTIL_")]:
            patch.delenv(name)
        with Stack(settings) as stack:
            stack.start()
            stack.wait_up("label-studio", 300)
            world = World(stack)
            topics(world, folder)
            yield world
            world.close()


def topics(world: World, folder: Path) -> None:
    """The campaign of that name, answered by people, two at a time, until its last round has ordered the queue."""
    texts = corpus(seed=0, gold=0).pool[:TEXTS]
    labels = sorted({one.label for one in texts})
    lines = [
        {"id": one.id, "text": one.text, "domain": one.domain, "meta": {"upvotes": at % 7}}
        for at, one in enumerate(texts)
    ]
    (folder / "pool.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    campaign = world.create(
        name="topics", labels=labels, model=MODEL, round_size=ROUND_SIZE, random_share=0.7, low_water=40
    )
    world.post(f"/v1/campaigns/{campaign}/pool", lines)
    project = world.project(campaign)
    answer = truthful({one.text: one.label for one in texts}, labels, wrong=0.1)
    for number in range(1, ROUNDS + 1):
        with People(world, project, labels, answer, seed=number):
            world.wait(lambda: len(world.rounds(campaign)) >= number, f"answers for round {number}")  # noqa: B023
        world.wait(lambda: world.last_round(campaign).get("ranked_at"), f"the end of round {number}")


@pytest.fixture(scope="session")
def run(world: World, folder: Path) -> Run:
    """Run a block as the reader would, each in a process of its own."""
    environ = dict(os.environ) | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }

    def call(block: Block) -> "subprocess.CompletedProcess[str]":
        code = block.code.replace(USUAL, world.settings.url)
        shell = ["bash", "-euo", "pipefail", "-c"]
        command = [*shell, code] if block.language == "sh" else [sys.executable, "-c", code]
        return subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=BLOCK_S
        )

    return call
