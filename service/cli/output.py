"""What verbs print: JSON for machines, short words for people."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from service.client.views import Interval

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def say(console: "Console", words: str) -> None:
    """Words as they are: names and texts may hold anything, and lines that are copied must not be broken."""
    console.print(words, markup=False, highlight=False, soft_wrap=True)


def progress(console: "Console", *columns: "ProgressColumn") -> "Progress":
    """Progress bars that vanish when they are done; none where nobody sees them."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    described = TextColumn("{task.description}", markup=False)
    hidden = not console.is_terminal
    return Progress(SpinnerColumn(), described, *columns, console=console, transient=True, disable=hidden)


def share(value: "Interval | None") -> str:
    """A share with its 95 % interval: 0.712 [0.68, 0.74]."""
    return "–" if value is None else f"{value['value']:.3f} [{value['low']:.2f}, {value['high']:.2f}]"


def change(value: "Interval | None") -> str:
    """A difference with its 95 % interval: +0.052 [+0.01, +0.09]."""
    return "–" if value is None else f"{value['value']:+.3f} [{value['low']:+.2f}, {value['high']:+.2f}]"


def metric(name: str) -> str:
    """A metric's name as people read it: accuracy, macro F1, F1."""
    return name.replace("_", " ").replace("f1", "F1")


def seconds(value: float | None) -> str:
    """A time span: 8.3 s, 75 s, 4 min, 2.5 h."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def moment(value: float | None) -> str:
    """A time as people here write it, to the minute: 2026-11-26 14:05."""
    return "–" if value is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(value))


def facts(data: dict[str, Any]) -> str:
    """An event's data in one line: `round 3, accuracy 0.712`."""
    return ", ".join(
        f"{name.replace('_', ' ')} {_plain(value)}" for name, value in data.items() if name != "at"
    )


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else " ".join(str(value).split())
