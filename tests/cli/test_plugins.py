"""Verbs from installed packages."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import plugins
from service.errors import PostilError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution with four verbs, two of which do not load."""
    (tmp_path / "strange_verbs.py").write_text(
        textwrap.dedent(
            '''
            import typer

            app = typer.Typer()

            @app.command()
            def first() -> None:
                """The first."""

            @app.command()
            def second() -> None:
                """The second."""

            def hum(tune: str) -> None:
                """Hum a tune."""
                print(tune)

            number = 7
            '''
        )
    )
    (tmp_path / "strange_broken.py").write_text("raise RuntimeError('not\\ntoday')\n")
    info = tmp_path / "strange-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.5\n")
    verbs = {
        "hum": "strange_verbs:hum",
        "both": "strange_verbs:app",
        "seven": "strange_verbs:number",
        "sorry": "strange_broken:app",
    }
    lines = "\n".join(f"{name} = {where}" for name, where in verbs.items())
    (info / "entry_points.txt").write_text(f"[postil.commands]\n{lines}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "strange_verbs", raising=False)
    return tmp_path


def test_functions_and_apps_join_and_what_does_not_load_is_named(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    plugins.join(app)

    assert {"hum"} <= {one.name for one in app.registered_commands}
    assert {"both"} <= {one.name for one in app.registered_groups}
    said = [line for line in capsys.readouterr().err.splitlines() if "strange" in line]
    assert said == [
        "postil: the verb `seven` of strange 1.5 does not load and is left out: "
        "strange_verbs:number is neither a Typer app nor a function",
        "postil: the verb `sorry` of strange 1.5 does not load and is left out: RuntimeError: not today",
    ]


def test_the_rest_of_the_command_line_still_works(package: Path, postil_alone: Callable[..., Any]) -> None:
    ran = postil_alone("hum", "la la")

    assert (ran.status, ran.out) == (0, "la la\n")
    assert "the verb `sorry`" in ran.err


def test_forms_of_adapters_join_too(package: Path) -> None:
    info = package / "strange-1.5.dist-info" / "entry_points.txt"
    info.write_text("[postil.adapters]\nhum = strange_verbs:hum\nlost = strange_nowhere:hum\n")

    assert plugins.form("hum").__doc__ == "Hum a tune."
    with pytest.raises(PostilError, match="--lost needs strange_nowhere: pip install 'postil\\[worker\\]'"):
        plugins.form("lost")
    with pytest.raises(PostilError, match="--origami is not known here"):
        plugins.form("origami")
