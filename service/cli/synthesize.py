"""The verb `postil synthesize`: synthetic texts for a campaign, what became of them, and taking them back."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json, share
from service.errors import PostilError

if TYPE_CHECKING:
    from service.client import Client
    from service.client.views import Synthesis

POLL_S = 0.5
SHOWN, TEXT_CHARS = 2, 90


def synthesize(
    campaign: Name,
    perturb: Annotated[bool, typer.Option("--perturb", help="Change labeled texts a little.")] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            metavar="URL",
            help="An OpenAI-compatible API that POSTIL_GENERATORS allows, with --model.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Which model of that API.")] = None,
    local: Annotated[
        str | None,
        typer.Option(
            "--local", metavar="MODEL", help="A causal language model that the worker loads: name or folder."
        ),
    ] = None,
    per_label: Annotated[int, typer.Option("--per-label", help="Texts of each label, at most.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same perturbations.")] = 0,
    check: Annotated[
        float, typer.Option("--check", metavar="SHARE", help="Of what is kept, people are asked about.")
    ] = 0.1,
    all_: Annotated[bool, typer.Option("--list", help="Show those there are, make none.")] = False,
    undo: Annotated[
        int | None,
        typer.Option("--undo", metavar="NUMBER", help="End the labels of one; its texts stay, marked."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Have synthetic texts made and filtered: they train with half a label's weight, are marked, and never measure."""
    generators = _generators(perturb, endpoint, model, local)
    if len(generators) + all_ + (undo is not None) != 1:
        raise typer.BadParameter(
            "say one of --perturb, --endpoint URL --model MODEL, --local MODEL, --list, --undo NUMBER"
        )
    with connect() as api:
        if all_:
            found = api.syntheses(campaign)
        elif undo is not None:
            found = [api.undo_synthesis(campaign, undo)]
        else:
            asked = {"per_label": per_label, "seed": seed, "checked_share": check}
            found = [_made(api, campaign, api.begin_synthesis(campaign, generator=generators[0], **asked))]
    if json:
        return print_json(found if all_ else found[0])
    for one in found:
        for line in lines(one):
            print(line)
    if not all_ and undo is None and found[0]["error"]:
        raise PostilError(found[0]["error"])


def lines(one: "Synthesis") -> list[str]:
    """One synthesis, for people."""
    verdicts = one["verdicts"]
    state = "undone" if one["undone_at"] else one["state"]
    made = [f"Synthesis {one['number']} by {_name(one['generator'])}: {state}"]
    if verdicts:
        total = sum(verdicts.values())
        refused = ", ".join(f"{word} {number}" for word, number in verdicts.items() if word != "kept")
        made.append(
            f"  {total:,} texts, {verdicts.get('kept', 0):,} kept; refused: {refused or 'none'}; "
            f"{one['labels']:,} labels hold"
        )
    if one["nonsense"]:
        made.append(f"  {one['nonsense']:,} answers of the generator held no new text")
    if checked := one["checked"]:
        made.append(
            f"  {checked['answered']:,} of {checked['asked']:,} checked by people, who agree with "
            f"{share(checked['agreed'])}"
        )
    shown: dict[str, int] = {}
    for text in one["examples"]:
        verdict = text["made"]["verdict"]
        shown[verdict] = shown.get(verdict, 0) + 1
        if shown[verdict] <= SHOWN:
            answer = text["answer"] if isinstance(text["answer"], str) else ", ".join(text["answer"])
            made.append(f"  {verdict:<14} {answer}: {_short(text['text'])}")
    return made


def _generators(
    perturb: bool, endpoint: str | None, model: str | None, local: str | None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"kind": "perturb"}] if perturb else []
    if (endpoint is None) != (model is None):
        raise typer.BadParameter("--endpoint URL and --model MODEL go together")
    if endpoint is not None:
        found.append({"kind": "endpoint", "url": endpoint, "model": model})
    if local is not None:
        found.append({"kind": "local", "model": local})
    return found


def _made(api: "Client", campaign: str, begun: "Synthesis") -> "Synthesis":
    """Wait for it."""
    from rich.console import Console

    with Console(stderr=True).status("synthesis: waiting for a worker") as status:
        while True:
            (found,) = [one for one in api.syntheses(campaign) if one["number"] == begun["number"]]
            if found["state"] != "waiting":
                return found
            if found["job"] and found["job"]["progress"]:
                status.update(found["job"]["progress"]["doing"])
            time.sleep(POLL_S)


def _name(generator: dict[str, str]) -> str:
    match generator["kind"]:
        case "endpoint":
            return f"{generator['model']} at {generator['url']}"
        case "local":
            return generator["model"]
    return "perturbation"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= TEXT_CHARS else f"{one[:TEXT_CHARS]}…"
