"""The verb `postil simulate`: runs a plan with a progress bar, and writes curves.json, table.md and plot.html."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service import quotas
from service.errors import Invalid
from service.measure.intervals import Interval
from service.records import HEADLINES
from workers.simulation import plot, report
from workers.simulation.plan import Plan, digest, keep, runs
from workers.simulation.replay import METRICS, WORST
from workers.simulation.report import Curve
from workers.simulation.simulation import Inputs, simulate

HEIGHTS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def run(
    data: Path,
    test: Path,
    model: str,
    out: Path,
    strategy: str,
    start: int,
    batch: int,
    labels: int,
    seeds: int,
    noise: str,
    random_share: float,
    metric: str | None,
    text_field: str,
    problem: str,
    jobs: int,
    frozen: bool,
    holdout: int = 0,
    score_rows: int = 10_000,
    near_duplicates: str = "drop",
    errors: str = "any",
    overlap: int = 1,
    consensus: str = "model",
    second_opinions: float = 0.2,
    weak_share: float = 0.0,
    quota: Sequence[str] = (),
) -> None:
    """As the verb's options say; raises Invalid or Conflict."""
    if problem not in METRICS:
        raise Invalid(f"--problem {problem!r} is none of {', '.join(METRICS)}", "problem")
    metric = metric or HEADLINES[problem]
    if metric not in (metrics := METRICS[problem] + WORST):
        raise Invalid(f"--metric {metric!r} is none of {', '.join(metrics)}", "metric")
    for file in (data, test):
        if not file.is_file():
            raise Invalid(f"{file} is no file", "data")
    plan = Plan(
        digest(data),
        digest(test),
        model,
        start,
        batch,
        labels,
        shares(noise),
        random_share,
        problem,
        frozen,
        holdout,
        score_rows,
        near_duplicates,
        errors,
        overlap,
        consensus,  # type: ignore[arg-type]
        second_opinions,
        weak_share,
        quotas.read(quota),
    )
    plan.check()
    wanted = runs([name.strip() for name in strategy.split(",")], seeds, problem)
    keep(plan, out)
    console = Console()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{len(wanted)} campaigns, points", total=len(wanted) * len(plan.steps()))
        points = simulate(
            Inputs(data, test, model, text_field, problem, out),
            plan,
            wanted,
            jobs,
            lambda done: bar.update(task, completed=done),
        )
    found = report.curves(points, metric, HEIGHTS)
    (out / "curves.json").write_bytes(msgspec.json.format(msgspec.json.encode(points)) + b"\n")
    (out / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    (out / "table.md").write_text(markdown(found, metric), "utf-8")
    plot.write(found, metric, out / "plot.html")
    show(console, found, metric)
    console.print(f"Curves, table and plot are in {out}", markup=False, highlight=False, soft_wrap=True)


def shares(noise: str) -> tuple[float, ...]:
    """Of "0.05,0.4"; raises Invalid."""
    try:
        return tuple(float(one) for one in noise.split(","))
    except ValueError:
        raise Invalid(f"--noise {noise!r} is not a number, or several with commas between", "noise") from None


def rows(curves: list[Curve], narrow: bool = False) -> tuple[list[str], list[list[str]]]:
    """(header, a row per strategy): area, a few heights, labels needed for random's last height.

    `narrow`: for a terminal, without deviations and with a star for an interval that excludes zero.
    """
    labels = max((curve.labels for curve in curves), key=len)
    picked = sorted({labels[round(at * (len(labels) - 1) / 4)] for at in range(5)})
    points, end = (
        (map(str, picked), "needed") if narrow else ((f"at {n}" for n in picked), "for random's end")
    )
    header = ["strategy", "seeds", *points, "area", end, "seconds"]
    made = []
    for curve in curves:
        at = {n: i for i, n in enumerate(curve.labels)}
        heights = [_height(curve, at.get(n), narrow) for n in picked]
        saved = (
            "–" if curve.saved is None else f"{curve.saved.value:.0%}" if narrow else _percent(curve.saved)
        )
        made.append(
            [
                curve.strategy,
                str(curve.seeds),
                *heights,
                f"{curve.area.value:.3f}" if narrow else _decimal(curve.area),
                saved,
                f"{curve.seconds:.0f}",
            ]
        )
    return header, made


def markdown(curves: list[Curve], metric: str) -> str:
    header, body = rows(curves)
    table = markdown_table(header, body)
    notes = [
        f"{metric} at numbers of labels: mean over seeds ± deviation, and the difference from random with its 95 % "
        "interval where that excludes zero. For random's end: share of the labels needed for what random ends at."
    ]
    for curve in curves:
        reached = ", ".join(f"{h}: {n:.0f}" for h, n in curve.needed.items() if n is not None)
        if reached:
            notes.append(f"Labels {curve.strategy} needs for {metric} {reached}.")
    return table + "\n\n" + "\n".join(notes) + "\n"


def markdown_table(header: list[str], body: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *body])


def show(console: Console, curves: list[Curve], metric: str) -> None:
    header, body = rows(curves, narrow=True)
    caption = (
        f"{metric} by number of labels. * The paired 95 % interval of the difference from random excludes zero. "
        "needed: share of the labels for what random ends at."
    )
    table = Table(caption=caption, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(name, no_wrap=True, justify="left" if name == "strategy" else "right")
    for line in body:
        table.add_row(*line)
    console.print(table)


def _height(curve: Curve, at: int | None, narrow: bool) -> str:
    if at is None:
        return "–"
    against = curve.against_random[at] if curve.against_random else None
    differs = against is not None and (against.low > 0 or against.high < 0)
    if narrow:
        return f"{curve.mean[at]:.3f}{'*' if differs else ''}"
    words = f"{curve.mean[at]:.3f} ± {curve.deviation[at]:.3f}"
    if against is not None and differs:
        words += f" ({against.value:+.3f} [{against.low:+.3f}, {against.high:+.3f}])"
    return words


def _decimal(value: Interval) -> str:
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _percent(value: Interval) -> str:
    return f"{value.value:.0%} [{value.low:.0%}, {value.high:.0%}]"
