"""The verb `postil experiment`: runs the trials with a progress bar, and writes table.md, trials and plot.html."""

from pathlib import Path

import msgspec
import numpy as np
import plotly.graph_objects as go
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.errors import Invalid
from service.records import HEADLINES, PROBLEMS
from workers.experiment.findings import Finding, findings, signed, verdict
from workers.experiment.slices import large, slices
from workers.experiment.trial import trials
from workers.experiment.variants import Experiment, Kind
from workers.simulation import simulation
from workers.simulation.command import markdown_table, shares
from workers.simulation.plan import digest, keep, runs
from workers.simulation.replay import METRICS
from workers.simulation.simulation import Inputs

LEAST_MEASURED = 50
"""Labels of the hold-out, where there is no test set."""


def run(
    kind: Kind,
    data: Path,
    test: Path | None,
    model: str,
    out: Path,
    problem: str,
    text_field: str,
    labels: int,
    noise: str,
    times: int,
    seeds: int,
    frozen: bool,
    strategy: str,
    metric: str | None,
    by: str,
    more: int,
) -> None:
    """As the verb's options say; raises Invalid or Conflict."""
    for file in (data, *([test] if test else [])):
        if not file.is_file():
            raise Invalid(f"{file} is no file", "data")
    if problem not in PROBLEMS:
        raise Invalid(f"--problem {problem!r} is none of {', '.join(PROBLEMS)}", "problem")
    # Log loss tells more of a few labels than what is right.
    metric = metric or ("log_loss" if kind == "probes" and problem != "spans" else HEADLINES[problem])
    if metric not in METRICS[problem]:
        raise Invalid(f"--metric {metric!r} is none of {', '.join(METRICS[problem])}", "metric")
    names = tuple(dict.fromkeys(name.strip() for name in strategy.split(",")))
    runs(list(names) if kind == "strategy" else [], seeds, problem)
    if test is None:
        data, test = split(data, out / "data")
    stage, encoder = simulation.prepare(Inputs(data, test, model, text_field, problem, out))
    probes = kind == "probes"
    of = slices(stage, data, by, text_field, np.random.default_rng(0)) if probes else []
    experiment = Experiment(
        kind,
        digest(data),
        digest(test),
        model,
        problem,
        labels,
        shares(noise),
        times,
        frozen,
        names if kind == "strategy" else (),
        by if probes else "",
        more if probes else 0,
        large(of, more),
    )
    experiment.check()
    keep(experiment, out)
    console = Console()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    made = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("trials", total=seeds * len(experiment.variants()))
        for one in trials(stage, experiment, range(seeds), encoder, out, of):
            made.append(one)
            bar.advance(task)
    found = findings(made, metric)
    says = verdict(experiment, found, made, metric)
    header, rows = table(found, metric)
    (out / "table.md").write_text(f"{markdown_table(header, rows)}\n\n{says}\n", "utf-8")
    (out / "summary.json").write_bytes(
        msgspec.json.format(msgspec.json.encode({"findings": found, "verdict": says})) + b"\n"
    )
    plot(found, metric, out / "plot.html")
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in header:
        shown.add_column(name, justify="left" if name == "variant" else "right")
    for line in rows:
        shown.add_row(*line)
    console.print(shown)
    console.print(says, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Table, trials and plot are in {out}", markup=False, highlight=False, soft_wrap=True)


def split(exported: Path, to: Path) -> tuple[Path, Path]:
    """(labels that train, the hold-out) of a campaign's exported labels, JSONL. Raises Invalid."""
    parts: dict[bool, list[bytes]] = {True: [], False: []}
    for number, line in enumerate(exported.read_bytes().splitlines(), 1):
        try:
            role = msgspec.json.decode(line, type=dict).get("role")
        except msgspec.MsgspecError as error:
            raise Invalid(
                f"{exported}, line {number}: {error}; without --test it must be JSONL", "data"
            ) from None
        parts[role == "hold-out"].append(line)
    if len(parts[True]) < LEAST_MEASURED:
        raise Invalid(
            f"{exported} has {len(parts[True])} labels of role hold-out, and {LEAST_MEASURED} are needed to measure: "
            "give --test a file that measures",
            "test",
        )
    to.mkdir(parents=True, exist_ok=True)
    files = to / "train.jsonl", to / "test.jsonl"
    for file, part in zip(files, (parts[False], parts[True]), strict=True):
        file.write_bytes(b"\n".join(part) + b"\n")
    return files


def table(found: list[Finding], metric: str) -> tuple[list[str], list[list[str]]]:
    """(header, a row for each variant)"""
    header = ["variant", "labels", "wrong", metric, "gain", "seconds"]
    weighed = any(one.noise for one in found)
    rows = []
    for one in found:
        row = [
            one.variant,
            str(one.labels),
            f"{one.wrong:.1%}",
            f"{one.score:.3f}",
            "–" if one.gain is None else signed(one.gain),
            f"{one.seconds:.1f}",
        ]
        if weighed:
            row.append(_noise(one))
        rows.append(row)
    return header + ["taken to be wrong"] * weighed, rows


def _noise(one: Finding) -> str:
    if not one.noise:
        return "–"
    value, low, high = (
        float(np.mean([getattr(each, end) for each in one.noise])) for end in ("value", "low", "high")
    )
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def plot(found: list[Finding], metric: str, path: Path) -> None:
    """Seconds of compute against gain, with intervals."""
    first, *others = found
    figure = go.Figure()
    figure.add_scatter(
        x=[first.seconds], y=[0], mode="markers+text", text=[first.variant], textposition="top center"
    )
    gains = [(one, one.gain) for one in others if one.gain is not None]
    figure.add_scatter(
        x=[one.seconds for one, _ in gains],
        y=[gain.value for _, gain in gains],
        error_y={
            "array": [gain.high - gain.value for _, gain in gains],
            "arrayminus": [gain.value - gain.low for _, gain in gains],
        },
        mode="markers+text",
        text=[one.variant for one, _ in gains],
        textposition="top center",
    )
    figure.add_hline(y=0, line_dash="dot")
    figure.update_layout(
        template="plotly_white",
        xaxis_title="seconds of compute",
        yaxis_title=f"gain in {metric.replace('_', ' ')} over {first.variant}",
        showlegend=False,
    )
    figure.write_html(path, include_plotlyjs=True)
