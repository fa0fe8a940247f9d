"""The verb `postil report`: a campaign on one page that anybody can open, and its plots."""

import os
import platform
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.errors import NotFound

if TYPE_CHECKING:
    from service.client import Client


def report(
    campaign: Name,
    out: Annotated[
        Path, typer.Option(help="HTML file to write; its plots go into a folder beside it.")
    ] = Path("report.html"),
) -> None:
    """Write one HTML file that needs nothing else, with what the campaign came to and how it was measured; and PNGs."""
    from service.cli import document

    with connect() as api:
        found = api.campaign(campaign)
        curve, groups = api.curve(campaign), api.groups(campaign)
        confusion = api.look(campaign, "confusion")
        drawn = _figures({"curve": curve, "groups": groups, "confusion": confusion})
        html = document.page(
            found,
            api.rounds(campaign),
            curve,
            groups,
            confusion,
            api.look(campaign, "annotators"),
            api.audit(campaign)["audit"],
            _cost(api, campaign),
            {name: one[0] for name, one in drawn.items()},
            _versions(found["model"]),
            time.strftime("%Y-%m-%d %H:%M %Z"),
        )
    draft = out.with_name(f"{out.name}.part")
    try:
        draft.write_text(html, "utf-8")
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)
    print(f"{out}: {out.stat().st_size:,} bytes", file=sys.stderr)
    if drawn:
        _write(out.with_suffix(""), {name: one[1] for name, one in drawn.items()})


def _figures(found: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """(as an SVG element, the figure) by name; none without matplotlib, which is said."""
    if find_spec("matplotlib") is None:
        print("without plots, which matplotlib draws: pip install 'postil[report]'", file=sys.stderr)
        return {}
    from service.cli import figures

    words = {
        "curve": "Learning curve; the table below has its numbers",
        "groups": "Scores of the weakest domains and classes with intervals; the table below has them",
        "confusion": "Matrix of what is taken for what; the table below has its most frequent errors",
    }
    made = {name: getattr(figures, name)(one) for name, one in found.items()}
    return {name: (figures.svg(one, name, words[name]), one) for name, one in made.items() if one is not None}


def _write(folder: Path, figures_: dict[str, Any]) -> None:
    from service.cli import figures

    folder.mkdir(exist_ok=True)
    for name, one in figures_.items():
        path = folder / f"{name}.png"
        figures.png(one, path)
        print(f"{path}: {path.stat().st_size:,} bytes", file=sys.stderr)


def _cost(api: "Client", campaign: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = api.look(campaign, "cost")
    except NotFound:
        return None
    return found


def _versions(model: str) -> dict[str, str]:
    return {
        "Postil": version("postil"),
        "Python": platform.python_version(),
        "Base model": model,
        **{
            name: version(name)
            for name in ("numpy", "scikit-learn", "matplotlib")
            if find_spec(name.replace("scikit-learn", "sklearn"))
        },
    }
