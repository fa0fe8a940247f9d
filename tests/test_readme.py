"""The README tells the truth: its map is the tree. So does the page of settings."""

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


def test_the_map_says_what_the_pages_say() -> None:
    """A page's line is the first sentence under its title."""
    said = dict(re.findall(r"^\| `(service/docs/[^`]+\.md)` \| (\S.*) \|$", README.split("## Map")[1], re.M))
    assert said == {name: lead(ROOT / name) for name in tree() if name.startswith("service/docs/")}


def lead(path: Path) -> str:
    title, _, rest = path.read_text().partition("\n\n")
    assert title.startswith("# "), path
    return sentence(rest.split("\n\n")[0])


def first_sentence(path: Path) -> str:
    return sentence(ast.get_docstring(ast.parse(path.read_text())) or "")


def sentence(text: str) -> str:
    text = " ".join(text.split())
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0].rstrip(".")


def test_every_setting_is_there() -> None:
    page = (ROOT / "service" / "docs" / "settings.md").read_text()
    for field in fields(Settings):
        assert f"`POSTIL_{field.name.upper()}`" in page


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert target.startswith("https://") or (ROOT / target).is_file(), target
