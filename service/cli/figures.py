"""Figures of a report, by matplotlib: it draws without a browser, and the same figure is an SVG for a page and a PNG.

Nothing here opens a window or keeps state: figures are made as objects.
"""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.cli import output
from service.client.views import Curve, Group, Groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#1d2327", "#59636b", "#e0ddd4"
OWN, CHANCE, PLAIN = "#0f6b62", "#a14f00", "#6a737b"
DOTS = 160
"""An inch, of a PNG."""
GROUPS, MATRIX = 15, 15
"""Groups, and labels of a matrix, that can still be read."""


def curve(found: Curve) -> "Figure | None":
    """The learning curve with its band, its references and what is expected; None before anything measures."""
    points = [one for one in found["points"] if one["metrics"]]
    if not points:
        return None
    headline = points[0]["headline"]
    figure, axes = _figure(7.2, 4.2)
    x = [one["trained_on"] for one in points]
    score = [one["metrics"][headline] for one in points if one["metrics"]]
    band = [one["low"] for one in score], [one["high"] for one in score]
    axes.fill_between(x, *band, color=OWN, alpha=0.15, linewidth=0, label="95 % interval")
    plain = [(one["trained_on"], one["baseline"]) for one in points if one["baseline"] is not None]
    if plain:
        axes.plot(
            *zip(*plain, strict=True),
            ":s",
            color=PLAIN,
            markersize=3,
            label="logistic regression, same labels",
        )
    control: list[Any] = [one["control"] for one in points if one["control"]]
    if control:
        y = [one["score"]["value"] for one in control]
        ends = [
            [one["score"]["value"] - one["score"]["low"] for one in control],
            [one["score"]["high"] - one["score"]["value"] for one in control],
        ]
        labels = [one["labels"] for one in control]
        axes.errorbar(
            labels,
            y,
            ends,
            fmt="--D",
            color=CHANCE,
            elinewidth=0.7,
            markersize=4,
            label="same model, random labels",
        )
    axes.plot(x, [one["value"] for one in score], "-o", color=OWN, linewidth=2, markersize=4, label="adapter")
    outlook = found["stopping"]["outlook"] if found["stopping"] else []
    if outlook:
        now = outlook[0]["score"]["value"] - outlook[0]["gain"]["value"]
        ahead = [x[-1] + one["more"] for one in outlook]
        middle, low, high = ([one["score"][end] for one in outlook] for end in ("value", "low", "high"))
        axes.fill_between(ahead, low, high, color=PLAIN, alpha=0.12, linewidth=0)
        axes.plot([x[-1], *ahead], [now, *middle], ":", color=OWN, label="expected of more labels")
    axes.set_xlabel("labels trained on")
    axes.set_ylabel(output.metric(headline))
    axes.set_xlim(left=0)
    _percents(axes.yaxis)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def groups(found: Groups) -> "Figure | None":
    """The weakest domains and classes with their intervals; None where none is measured."""
    kinds = [("domains", output.metric(found["headline"])), ("classes", "F1")]
    some: list[tuple[str, str, list[Group]]] = []
    for kind, score in kinds:
        measured = [one for one in found[kind] if one["score"]][:GROUPS]  # type: ignore[literal-required]
        if measured:
            some.append((kind, score, measured))
    if not some:
        return None
    rows = [len(each) for _, _, each in some]
    figure, many = _figure(7.2, 1.0 + 0.24 * sum(rows) + 0.5 * len(some), rows)
    for axes, (kind, score, measured) in zip(many, some, strict=True):
        at = range(len(measured), 0, -1)
        value, low, high = (
            [one["score"][end] for one in measured if one["score"]] for end in ("value", "low", "high")
        )
        axes.hlines(at, low, high, color=OWN, alpha=0.4, linewidth=3)
        axes.plot(value, at, "o", color=OWN, markersize=5)
        axes.set_yticks(list(at), [_short(f"{one['name'] or 'without'} ({one['n']})") for one in measured])
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0.4, len(measured) + 0.6)
        axes.set_title(f"{kind}, the weakest first: {score}", loc="left", fontsize=9, color=INK)
        _percents(axes.xaxis)
    return figure


def confusion(found: dict[str, Any]) -> "Figure | None":
    """True labels in rows, what they are taken for in columns; None where that is no matrix, or too great a one."""
    labels: list[str] = found["labels"]
    if found["problem"] != "single_label" or not found["n"] or len(labels) > MATRIX:
        return None
    times = [[0] * len(labels) for _ in labels]
    for one in found["cells"]:
        times[labels.index(one["truth"])][labels.index(one["said"])] = one["n"]
    shares = [[n / max(1, sum(row)) for n in row] for row in times]
    size = 2.2 + 0.42 * len(labels)
    figure, axes = _figure(size + 0.8, size)
    edges = [at - 0.5 for at in range(len(labels) + 1)]
    axes.pcolormesh(edges, edges, shares, cmap="Greens", vmin=0, vmax=1.2)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for row, numbers in enumerate(times):
        for column, n in enumerate(numbers):
            if n:
                ink = "white" if shares[row][column] > 0.6 else INK
                axes.text(column, row, str(n), ha="center", va="center", fontsize=8, color=ink)
    names = [_short(one) for one in labels]
    axes.set_xticks(range(len(labels)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(labels)), names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true")
    axes.grid(False)
    return figure


def svg(figure: "Figure", name: str, words: str) -> str:
    """As an element of a page; `words` say what it shows to who cannot see it."""
    from html import escape

    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), io.StringIO() as written:
        figure.savefig(written, format="svg", metadata={"Date": None})
        drawn = written.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", drawn)
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{escape(words)}" ', 1)


def png(figure: "Figure", path: Path) -> None:
    figure.savefig(path, dpi=DOTS)


def _figure(width: float, height: float, rows: list[int] | None = None) -> "tuple[Figure, Any]":
    """A figure and its axes; with `rows` a list of axes below each other, as high as those say."""
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained", facecolor="white")
    if rows is None:
        axes = figure.subplots()
        _plain(axes)
        return figure, axes
    many = figure.subplots(len(rows), height_ratios=[one + 1 for one in rows], squeeze=False)[:, 0]
    for axes in many:
        _plain(axes)
    return figure, list(many)


def _plain(axes: "Axes") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=SOFT, labelsize=8, length=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=SOFT, fontsize=9)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def _percents(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _short(name: str) -> str:
    """Names are no formulas: matplotlib would read what stands between dollar signs."""
    name = name.replace("$", r"\$")
    return name if len(name) <= 28 else f"{name[:27]}…"
