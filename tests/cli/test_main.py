"""The command line as a whole."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

HEAVY = ("httpx", "rich", "numpy", "sqlalchemy", "uvicorn", "torch", "transformers", "label_studio_sdk")


def test_help_names_every_verb(postil_alone: Callable[..., Any]) -> None:
    ran = postil_alone("--help")

    verbs = [line.split()[0] for line in ran.out.partition("Commands:")[2].splitlines() if line.strip()]
    assert (ran.status, ran.err) == (0, "")
    assert {
        "up",
        "demo",
        "watch",
        "curve",
        "export",
        "adapter",
        "serve",
        "campaign",
        "pool",
        "labels",
    } <= set(verbs)
    assert ran.out.startswith("Usage: postil ")


def test_starting_loads_nothing_heavy() -> None:
    code = "import sys, service.cli.main, workers.commands; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not set(HEAVY) & set(done.stdout.split())


def test_a_word_that_is_no_verb(postil_alone: Callable[..., Any]) -> None:
    ran = postil_alone("wach", "moods")

    assert ran.status == 2
    assert "Did you mean 'watch'" in ran.err
