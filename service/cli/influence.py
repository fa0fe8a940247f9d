"""The verb `postil influence`: which labels helped or hurt what measures."""

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import waiting
from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json
from service.cli.people import said
from service.errors import PostilError

if TYPE_CHECKING:
    from service.client.views import Influence, Told

SHOWN, TEXT_CHARS = 10, 90


def influence(
    campaign: Name,
    last: Annotated[bool, typer.Option("--last", help="Show the newest there is, work out none.")] = False,
    review: Annotated[
        int, typer.Option(min=0, max=100, help="Ask somebody else about so many of the most harmful labels.")
    ] = 0,
    json: AsJson = False,
) -> None:
    """Which labels helped or hurt the hold-out; and have the most harmful ones answered by somebody else."""
    with connect() as api:
        if not last:
            waiting.done("influence", api.begin_influence(campaign)["id"], lambda: api.influence(campaign))
        reviewed = api.review(campaign, review) if review else None
        found = api.influence(campaign)["influence"]
    if found is None:
        raise PostilError(f"no influence is known yet: `postil influence {campaign}` works it out")
    if json:
        return print_json({"influence": found, "review": reviewed} if review else found)
    for line in lines(found):
        print(line)
    if reviewed is not None:
        why = f"; {reviewed['reason']}" if reviewed["reason"] else ""
        print(f"Somebody else is asked about {reviewed['asked']:,} of them{why}.")
        print(reviewed["caveat"])


def lines(found: "Influence") -> list[str]:
    """For people."""
    where = "test set" if found["measured_on"] == "test" else "hold-out"
    made = [
        f"The adapter of round {found['round']}, of {found['labels']:,} labels: mean log loss "
        f"{found['log_loss']:.3f} on the {found['measured']:,} examples of the {where}",
        found["meaning"],
    ]
    for title, labels in (("Hurt most", found["harmful"]), ("Helped most", found["helpful"])):
        made.append(f"{title}:" if labels else f"{title}: none")
        for one in labels[:SHOWN]:
            made += _told(one)
        if len(labels) > SHOWN:
            made.append(f"  … and {len(labels) - SHOWN:,} more: --json")
    return made


def _told(one: "Told") -> list[str]:
    text = " ".join(one["text"].split())
    who = ", ".join("unknown" if each is None else str(each) for each in one["annotators"])
    notes = [f"by {who}" if who else "imported"]
    notes += ["one more is asked"] if one["waits"] else []
    notes += ["changed since"] if one["changed"] else []
    made = [
        f"  {one['id']} ({one['influence']:+.2g}): {text[:TEXT_CHARS]}{'…' if len(text) > TEXT_CHARS else ''}",
        f"    {said(one['label'])}, {', '.join(notes)}",
    ]
    return [*made, f"    {one['url']}"] if one["url"] else made
