"""What a shell completes, with bash itself."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from service.client import Client
from service.stack.stack import Stack
from tests.cli.conftest import ROOT, environ
from tests.conftest import missing

Complete = Callable[..., list[str]]

SCRIPT = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_postil_completion postil
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(stack: Stack, tmp_path: Path) -> Complete:
    """What bash offers for the last of these words."""
    bash = shutil.which("bash")
    if bash is None:
        missing("there is no bash on this machine: apt-get install bash")
    command = tmp_path / "postil"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m service.cli.main "$@"\n')
    command.chmod(0o755)

    def call(*words: str, **settings: str) -> list[str]:
        ours = environ(POSTIL_DATA=stack.settings.data, **settings)
        ours["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        # Which shell asks is told by who started the command.
        ask = [bash, "-c", '"$0" --show-completion; exit $?', str(command)]
        shown = subprocess.run(ask, env=ours, cwd=ROOT, capture_output=True, check=True)
        script = tmp_path / "completion.bash"
        script.write_bytes(shown.stdout)
        done = subprocess.run(
            [bash, "-c", SCRIPT, "bash", str(script), *words],
            env=ours,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return call


def test_verbs_campaigns_and_strategies(api: Client, complete: Complete) -> None:
    stem = f"c{uuid.uuid4().hex[:8]}"
    for name in (f"{stem}-one", f"{stem}-two", "other"):
        api.create(name=name, labels=["a", "b"], model="none")
    assert complete("postil", "anno") == ["annotators"]
    assert complete("postil", "curve", stem) == [f"{stem}-one", f"{stem}-two"]
    assert complete("postil", "campaign", "set", f"{stem}-t") == [f"{stem}-two"]
    assert complete("postil", "campaign", "set", f"{stem}-two", "--strategy", "power_") == [
        "power_bald",
        "power_entropy",
        "power_margin",
    ]


def test_nothing_where_the_api_is_away(complete: Complete) -> None:
    assert complete("postil", "curve", "x", POSTIL_URL="http://127.0.0.1:9") == []
