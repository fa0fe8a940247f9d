"""The page about strategies of one's own: what is on it, installed as a package, is one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.blocks import blocks
from tests.documentation.conftest import ROOT

USE = """
import numpy as np
from strategies import registry
from strategies.base import View

strategy = registry.get("typical_margin")
rng = np.random.default_rng(0)
p = rng.dirichlet(np.ones(4), 500).astype(np.float32)
view = View(size=500, probabilities=p, embeddings=rng.normal(size=(500, 8)).astype(np.float32))
picks = strategy.select(view, 20, rng)
assert len(set(picks.positions.tolist())) == 20
print(*registry.names("single_label"), strategy.summary)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the page's package, as pip installs it."""
    written, target = tmp_path / "typical-margin", tmp_path / "site"
    written.mkdir()
    code = {block.language: block.code for block in reversed(list(blocks("plug-in")))}
    (written / "typical_margin.py").write_text(code["python"])
    (written / "pyproject.toml").write_text(code["toml"])
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--target", str(target), str(written)], check=True, capture_output=True)
    return target


def test_it_is_found_by_its_name_and_chooses(installed: Path) -> None:
    environ = {"PYTHONPATH": f"{installed}:{ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", USE], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "typical_margin" in done.stdout.split()
    assert done.stdout.endswith("Unsure texts in the middle of the pool.\n")
