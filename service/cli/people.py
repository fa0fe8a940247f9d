"""Verbs about those who answer: who they are, and where they differ."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from service.client.views import Interval

TEXT_CHARS = 300


def annotators(campaign: Name, json: AsJson = False) -> None:
    """Who answered how much, how often they are right, and how far they agree."""
    with connect() as api:
        found = api.annotators(campaign)
    if json:
        return print_json(found)
    if not found["annotators"]:
        return print("Nobody answered yet.")
    from rich.console import Console
    from rich.table import Table

    table = Table("annotator", box=None, pad_edge=False)
    for title in ("answers", "skips", "seconds", "changes suggestions", "right", "agrees with others"):
        table.add_column(title, justify="right")
    for one in found["annotators"]:
        right = "–" if one["accuracy"] is None else f"{one['accuracy']:.0%}"
        who = "unknown" if one["annotator"] is None else str(one["annotator"])
        pace = "–" if one["seconds"] is None else f"{one['seconds']['value']:.0f}"
        changed = _share(one["changed"])
        table.add_row(
            who, f"{one['answers']:,}", f"{one['skips']:,}", pace, changed, right, _share(one["agreement"])
        )
    console = Console()
    console.print(table)
    review = found["review"]
    if review["asked"]:
        words = "" if review["changed"] is None else f", {_share(review['changed'])} changed their label"
        console.print(f"Second opinions: {review['answered']:,} of {review['asked']:,}{words}", markup=False)
    if alpha := found["alpha"]:
        console.print(
            f"Krippendorff's alpha: {alpha['value']:.2f} [{alpha['low']:.2f}, {alpha['high']:.2f}]",
            markup=False,
        )


def disagreements(
    campaign: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show at most.")] = 20,
    json: AsJson = False,
) -> None:
    """Texts of which not all say the same, the least sure ones first, with links into Label Studio."""
    with connect() as api:
        found = api.disagreements(campaign, limit)
    if json:
        return print_json(found)
    shown = found["disagreements"]
    if not shown:
        return print("No two people said different things of a text.")
    for one in shown:
        sure = "" if one["probability"] is None else f" (right with {one['probability']:.0%})"
        text = one["text"].replace("\n", " ")
        print(f"{one['id']}: {text[:TEXT_CHARS]}{'…' if len(text) > TEXT_CHARS else ''}")
        print(f"  believed: {said(one['believed'])}{sure}{', one more is asked' if one['waits'] else ''}")
        for given in one["answers"]:
            print(f"  {given['annotator'] or 'unknown'}: {said(given['answer'])}")
        if one["url"]:
            print(f"  {one['url']}")
    if found["total"] > len(shown):
        print(f"… and {found['total'] - len(shown):,} more: --limit")


def said(answer: Any) -> str:
    """An answer in one line."""
    if isinstance(answer, str):
        return answer
    words = [one if isinstance(one, str) else f"{one['label']} {one['start']}–{one['end']}" for one in answer]
    return ", ".join(words) or "none"


def _share(value: "Interval | None") -> str:
    return "–" if value is None else f"{value['value']:.0%} [{value['low']:.0%}, {value['high']:.0%}]"
