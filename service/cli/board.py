"""One campaign on a screen: what it is, its rounds, its jobs, its last events."""

import time
from collections import deque
from typing import cast

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from service.cli import output
from service.cli.cost import spent
from service.cli.signs import signs
from service.client import views
from service.client.events import Event
from service.client.views import Adoption, Campaign, Class, Cost, Curve, Job, LogEvent, Point, Round, Status

ROUND_EVENTS = {
    "labels-changed",
    "round-started",
    "round-trained",
    "round-scored",
    "queue-ranked",
    "annotations-deleted",
    "job-failed",
}
"""After these the rounds and the curve look different."""
BESIDE = {
    "accuracy": ["macro_f1"],
    "macro_f1": ["micro_f1", "subset_accuracy"],
    "f1": ["precision", "recall"],
}
"""What stands in a curve's table beside its headline metric."""
EVENTS_SHOWN, ROUNDS_SHOWN, JOBS_SHOWN, GROUPS_SHOWN = 8, 12, 6, 20


class Board:
    """What is known of a campaign; `take` keeps it up to date, `render` draws it."""

    def __init__(
        self,
        campaign: Campaign,
        rounds: list[Round],
        curve: Curve,
        jobs: list[Job],
        log: list[LogEvent],
        cost: Cost | None = None,
    ) -> None:
        self.campaign, self.rounds, self.curve, self.jobs = campaign, rounds, curve, jobs
        self.cost = cost
        self.log = deque(log, maxlen=EVENTS_SHOWN)
        self.newest = log[-1]["id"] if log else 0
        """Number of the newest event."""
        self.trouble = ""
        """Why nothing new comes in, in words."""

    def take(self, event: Event) -> bool:
        """Note an event; True where rounds and curve are to be fetched anew."""
        if event.kind == "status":
            self.campaign["status"] = cast(Status, event.data)
        elif event.kind == "progress":
            self.jobs = event.data["jobs"]
        elif event.id is not None and event.id > self.newest:
            self.newest = event.id
            data = {name: value for name, value in event.data.items() if name != "at"}
            self.log.append(
                {"id": event.id, "at": event.data.get("at", 0.0), "kind": event.kind, "data": data}
            )
            return event.kind in ROUND_EVENTS
        return False

    def render(self) -> RenderableType:
        parts: list[RenderableType] = [summary(self.campaign)]
        if self.trouble:
            parts.append(Text(self.trouble, style="bold red"))
        if self.rounds:
            headline = self.campaign["headline"]
            points = self.curve["points"]
            parts += [Rule(style="dim"), rounds_table(self.rounds, points, headline, ROUNDS_SHOWN)]
            parts += [Text(words) for words in signs(self.curve)]
        if self.cost is not None:
            parts.append(Text(spent(self.cost)))
        if running := [job for job in self.jobs if job["progress"] or job["error"]]:
            parts += [Rule(style="dim"), jobs_table(running[:JOBS_SHOWN])]
        if self.log:
            parts += [Rule(style="dim"), *(log_line(one) for one in self.log)]
        return Group(*parts)


def summary(campaign: Campaign) -> RenderableType:
    """A campaign and its state, a fact a line."""
    status, studio = campaign["status"], campaign["label_studio"]
    labels, answers, queue = status["labels"], status["annotations"], status["queue"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")

    def line(name: str, words: str, style: str = "") -> None:
        grid.add_row(name, Text(words, style=style))

    line("campaign", f"{campaign['name']} ({campaign['id']}): {status['phase']}", "bold")
    if why := status.get("phase_reason"):
        line("", f"no more is asked: {why}")
    line("problem", campaign["problem"].replace("_", " "))
    line("labels", " | ".join(campaign["labels"]))
    line("model", f"{campaign['model']}, strategy {campaign['strategy']}")
    if campaign.get("adapter") is not None:
        line("adapter", f"that of round {campaign['adapter']}, named by hand")
    near = f" ({status['near_duplicates']:,} near-duplicates)" if status.get("near_duplicates") else ""
    line("pool", f"{status['examples']:,} examples{near}, {status['test_examples']:,} test examples")
    if shares := _shares(campaign):
        line("quotas", shares)
    left = "" if status["budget_left"] is None else f", {status['budget_left']:,} left in the budget"
    line("queue", f"{queue['open']:,} open, {queue['chosen']:,} on the way{left}")
    line("answers", f"{_counts(answers) or 'none yet'}, {status['pace'] * 60:.0f} a minute")
    line(
        "labeled",
        f"{_counts(labels) or 'none yet'}; {status['changes']} of {campaign['round_size']} for a round",
    )
    if status["round"]:
        line("round", f"{status['round']['number']}: {status['round']['state']}")
    line("Label Studio", studio["url"] if studio else "its project is not made yet")
    if theirs := campaign.get("adopted"):
        line("", adopted(theirs))
    if status["label_studio_error"]:
        line("", status["label_studio_error"], "bold red")
    for warning in campaign["warnings"]:
        line("warning", warning, "yellow")
    return grid


def adopted(theirs: Adoption) -> str:
    """How an adopted project stands, in words."""
    if theirs["released_at"]:
        return "adopted, and released: its settings are as they were"
    if theirs["release_at"]:
        return "is being released"
    if not theirs["read_at"]:
        return f"adopted; {theirs['read']:,} of {theirs['tasks']:,} tasks are read"
    return f"adopted, with {theirs['read']:,} tasks"


def rounds_table(rounds: list[Round], points: list[Point], headline: str, last: int | None = None) -> Table:
    """Rounds with their points on the curve, by its headline metric; the `last` ones only, where told."""
    measured = {point["round"]: point for point in points}
    table = Table(box=None, pad_edge=False)
    for title in ("round", "labels", output.metric(headline), "change", "baseline", "training", "scoring"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("state")
    for one in rounds[-last:] if last else rounds:
        point = measured.get(one["number"])
        metrics = point["metrics"] if point else None
        baseline = point["baseline"] if point else None
        table.add_row(
            str(one["number"]),
            f"{one['labels']:,}",
            output.share(metrics[headline] if metrics else None),
            output.change(point["change"] if point else None),
            "–" if baseline is None else f"{baseline:.3f}",
            output.seconds(one["train_seconds"]),
            output.seconds(one["score_seconds"]),
            Text(one["error"] or _state(one), style="bold red" if one["error"] else ""),
        )
    return table


def curve_table(points: list[Point]) -> Table:
    """The learning curve, a round a line; there is one at least."""
    headline = points[0]["headline"]
    beside = BESIDE[headline]
    table = Table(box=None, pad_edge=False)
    names = map(output.metric, beside)
    for title in ("round", "labels", "trained on", output.metric(headline), "change", *names, "baseline"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("measured on")
    for point in points:
        metrics, baseline = point["metrics"], point["baseline"]
        table.add_row(
            str(point["round"]),
            f"{point['labels']:,}",
            f"{point['trained_on']:,}",
            output.share(metrics[headline] if metrics else None),
            output.change(point["change"]),
            *(output.share(metrics[name] if metrics else None) for name in beside),
            "–" if baseline is None else f"{baseline:.3f}",
            f"{point['measured_on']}, {metrics['n']:,} examples" if metrics else "nothing yet",
        )
    return table


def domains_table(domains: list[views.Group], headline: str) -> Table:
    """The weakest domains, the weakest first, a line each."""
    table = _table("domain", "examples", output.metric(headline), "of the examples", "of the errors")
    for one in domains[:GROUPS_SHOWN]:
        table.add_row(*_group(one, "without a domain"), _percent(one["share"]), _percent(one["errors"]))
    return _told_more(table, len(domains))


def classes_table(classes: list[Class]) -> Table:
    """The weakest classes, the weakest first, a line each."""
    table = _table("class", "examples", "F1", "precision", "recall", "of the errors")
    for one in classes[:GROUPS_SHOWN]:
        rates = _share(one["precision"]), _share(one["recall"])
        table.add_row(*_group(one, ""), *rates, _percent(one["errors"]))
    return _told_more(table, len(classes))


def _told_more(table: Table, count: int) -> Table:
    if count > GROUPS_SHOWN:
        table.add_row(f"and {count - GROUPS_SHOWN:,} more: --json")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for title in others:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _group(one: views.Group, nameless: str) -> tuple[Text, str, str]:
    return Text(one["name"] or nameless), f"{one['n']:,}", output.share(one["score"])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def jobs_table(jobs: list[Job]) -> Table:
    """Jobs in hand, with how far they are, or what keeps failing in them."""
    table = Table.grid(padding=(0, 2))
    for job in jobs:
        progress = job["progress"]
        if progress:
            total = max(progress["total"], 1e-9)
            bar = ProgressBar(total=total, completed=progress["done"], width=30)
            table.add_row(job["kind"], bar, f"{progress['done'] / total:.0%}", Text(progress["doing"]))
        else:
            table.add_row(job["kind"], "", "", Text(job["error"] or "", style="bold red"))
    return table


def log_line(event: LogEvent) -> Text:
    """One event: when, what, and its data."""
    at = time.strftime("%H:%M:%S", time.localtime(event["at"]))
    style = "red" if event["kind"] in ("job-failed", "warning", "label-studio-away") else ""
    return Text.assemble(
        (at, "dim"), "  ", (event["kind"], style), "  ", (output.facts(event["data"]), "dim")
    )


def _state(one: Round) -> str:
    words = "done, the queue is in order" if one["ranked_at"] else one["state"]
    return words if one.get("scored_by") is None else f"{words}, by the adapter of round {one['scored_by']}"


def _shares(campaign: Campaign) -> str:
    """Of what is chosen, by whom it is for."""
    found = [f"{share:.0%} domain {domain!r}" for domain, share in campaign.get("quotas", {}).items()]
    weak = campaign.get("weak_share", 0)
    return ", ".join(found + ([f"{weak:.0%} where the adapter is weakest"] if weak else []))


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items() if number)
