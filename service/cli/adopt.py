"""Verbs about projects that people made: adopt one, and give it back."""

import time
from typing import Annotated

import typer

from service.cli import campaign
from service.cli.connect import connect
from service.cli.names import Name, Strategy
from service.cli.output import AsJson, print_json

POLL_S = 0.5


def adopt(
    project: Annotated[int, typer.Argument(min=1, help="Number of the project in Label Studio.")],
    name: Annotated[str, typer.Option(help="Name of the new campaign.")],
    model: Annotated[str, typer.Option(help="Hugging Face encoder, by name or folder.")],
    strategy: Strategy = None,
    instruction: campaign.Instruction = None,
    seed: campaign.Seed = None,
    round_size: campaign.RoundSize = None,
    budget: campaign.Budget = None,
    low_water: campaign.LowWater = None,
    random_share: campaign.RandomShare = None,
    holdout_size: campaign.HoldoutSize = None,
    score_seconds: campaign.ScoreSeconds = None,
    near_duplicates: campaign.NearDuplicates = None,
    json: AsJson = False,
) -> None:
    """Begin a campaign in a project of Label Studio that people made, on its tasks and annotations."""
    asked = {
        "name": name,
        "model": model,
        "adopt": project,
        "strategy": strategy,
        "instruction": instruction,
        "seed": seed,
        "round_size": round_size,
        "budget": budget,
        "low_water": low_water,
        "random_share": random_share,
        "holdout_size": holdout_size,
        "score_seconds": score_seconds,
        "near_duplicates": near_duplicates,
    }
    with connect() as api:
        made = api.create(**{key: value for key, value in asked.items() if value is not None})
    if json:
        return print_json(made)
    labels = ", ".join(made["labels"])
    print(
        f"Campaign {made['name']} ({made['id']}) works in project {project}: {made['problem']} of {labels}."
    )
    print(f"Its tasks are being read. Next: postil watch {made['name']}")


def release(
    name: Name,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")] = False,
    json: AsJson = False,
) -> None:
    """Give an adopted project back as it was. Its tasks and annotations stay, and so does the campaign."""
    from rich.console import Console

    from service.cli import board

    with connect() as api, Console(stderr=True).status("giving the project back") as status:
        found = api.release(name)
        while not no_wait and (theirs := found.get("adopted")) and not theirs["released_at"]:
            if error := found["status"]["label_studio_error"]:
                status.update(error)
            time.sleep(POLL_S)
            found = api.campaign(found["id"])
    if json:
        return print_json(found)
    if theirs := found.get("adopted"):
        print(f"Campaign {found['name']}: {board.adopted(theirs)}.")
