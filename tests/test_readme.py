"""The README tells the truth: its map is the tree, its settings are all there are, its verbs exist."""

import ast
import re
import subprocess
from dataclasses import fields
from pathlib import Path

from service.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAPPED = ("service", "workers", "strategies", "docker")


def tree() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *MAPPED], cwd=ROOT, capture_output=True
    )
    names = [name for name in listed.stdout.decode().splitlines() if (ROOT / name).exists()]
    return sorted(name for name in names if (ROOT / name).read_bytes().strip())


def test_the_map_has_a_line_for_each_file() -> None:
    mapped = re.findall(r"^\| `([^`]+)` \| \S.* \|$", README.split("## Map")[1], re.M)
    assert sorted(mapped) == tree()


def test_the_map_says_what_the_files_say() -> None:
    """A module's line is the first sentence of its docstring, so that neither can go stale alone."""
    said = dict(re.findall(r"^\| `([^`]+\.py)` \| (\S.*) \|$", README.split("## Map")[1], re.M))
    meant = {name: first_sentence(ROOT / name) for name in tree() if name.endswith(".py")}
    assert said == meant


def first_sentence(path: Path) -> str:
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0].rstrip(".")


def test_every_setting_is_there() -> None:
    for field in fields(Settings):
        assert f"`POSTIL_{field.name.upper()}`" in README
