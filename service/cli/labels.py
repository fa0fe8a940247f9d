"""Verbs that change a campaign's labels while it runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.campaign import split as split_names
from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, moment, print_json

if TYPE_CHECKING:
    from service.client.views import LabelChange

DONE = {"add": "added", "rename": "renamed", "merge": "merged", "split": "split"}
CAME_OF_IT = {
    "relabeled": "labels renamed",
    "asked_again": "examples asked again",
    "ended": "imported labels ended",
    "unmeasured": "test examples that measure no more",
}


def change(
    campaign: Name,
    add: Annotated[str | None, typer.Option(metavar="NAME", help="One more label.")] = None,
    rename: Annotated[
        tuple[str, str] | None, typer.Option(metavar="LABEL NAME", help="Another name for a label.")
    ] = None,
    merge: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="LABELS NAME", help="Labels, with commas between, become one of them or a new one."
        ),
    ] = None,
    split: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="LABEL NAMES", help="A label becomes several, itself among them if wished."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Add, rename, merge or split labels of a running campaign: --rename old new, --merge a,b c, --split a b,c."""
    from service.errors import Invalid

    asked: list[dict[str, Any]] = []
    if add is not None:
        asked.append({"add": add})
    if rename is not None:
        asked.append({"rename": rename[0], "to": rename[1]})
    if merge is not None:
        asked.append({"merge": split_names([merge[0]]), "into": merge[1]})
    if split is not None:
        asked.append({"split": split[0], "into": split_names([split[1]])})
    if len(asked) != 1:
        raise Invalid("name one change: --add, --rename, --merge or --split")
    with connect() as api:
        made = api.change_labels(campaign, **asked[0])
    print_json(made) if json else print(line(made))


def changes(campaign: Name, json: AsJson = False) -> None:
    """The labels that a campaign has, and the changes that were made of them."""
    with connect() as api:
        found = api.label_changes(campaign)
    if json:
        return print_json(found)
    print(", ".join(found["labels"]))
    for one in found["changes"]:
        print(f"{moment(one['made_at'])}  {line(one)}")


def line(change: "LabelChange") -> str:
    """A change and what came of it, for people."""
    old, new = ", ".join(change["old"]), ", ".join(change["new"])
    told = f"{old} {DONE[change['kind']]} into {new}"
    if change["kind"] in ("add", "rename"):
        told = f"{new} added" if not old else f"{old} renamed {new}"
    counts: dict[str, Any] = dict(change)
    return ", ".join(
        [told, *(f"{counts[name]:,} {words}" for name, words in CAME_OF_IT.items() if counts[name])]
    )
