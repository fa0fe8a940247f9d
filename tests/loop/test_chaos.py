"""The short form of `make chaos`: each kind of fault once, over one campaign."""

import shutil
import tempfile
from pathlib import Path

import pytest

from service.demo.docstrings import Corpus
from service.settings import Settings
from tests.chaos import campaign, disk
from tests.chaos.clock import can_jump
from tests.chaos.faults import POSTIL, SERVERS, kinds, plan
from tests.chaos.site import Site

SEED = 11
CHOSEN = {
    *(("kill", name) for name in (*POSTIL, *SERVERS)),
    ("freeze", "worker-sync"),
    ("restart", "worker-gpu"),
    ("silent", "valkey"),
    ("empty", "valkey"),
    ("studio", "done-500"),
    ("studio", "half"),
    ("hooks", "late"),
    ("full", "data"),
    ("jump", "clock"),
}


@pytest.mark.timeout(900)
def test_a_campaign_goes_on_whatever_happens(
    label_studio_settings: Settings, docstrings: Corpus, model: str
) -> None:
    """Given two people at work and an engineer who posts texts, when every process is killed once, and frozen, cut off,
    put out of room and lied to, in an order of the seed, then nothing is lost and the campaign goes on."""
    of = sorted({*kinds(False, disk.can_mount(), can_jump())} & CHOSEN)
    folder = Path(tempfile.mkdtemp(prefix="postil-chaos-"))
    with Site(label_studio_settings, folder, SEED, postgresql=False) as site:
        found = campaign.run(site, docstrings, model, plan(SEED, len(of), of), SEED)
    assert found["faults"] >= len(of) - 2
    shutil.rmtree(folder)
