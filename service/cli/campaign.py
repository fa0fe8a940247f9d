"""Verbs about campaigns."""

import csv
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.cli.connect import connect
from service.cli.names import Name, Strategy
from service.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from service.client.views import Campaign

app = typer.Typer(help="Make, list, show and change campaigns.", no_args_is_help=True)

Seed = Annotated[int | None, typer.Option(help="Of every random draw.")]
Budget = Annotated[int | None, typer.Option(min=1, help="Answers to ask for at most.")]
RandomShare = Annotated[
    float | None, typer.Option(min=0, max=1, help="Share of the queue that is drawn at random.")
]
HoldoutSize = Annotated[int | None, typer.Option(min=0, help="Random examples that only measure, at most.")]
RoundSize = Annotated[int | None, typer.Option(min=1, help="New labels after which a round begins.")]
LowWater = Annotated[int | None, typer.Option(min=1, help="Open tasks below which the queue is refilled.")]
ScoreSeconds = Annotated[float | None, typer.Option(min=0, help="Time for scoring in one round.")]
NearDuplicates = Annotated[
    Literal["drop", "propagate", "keep"] | None,
    typer.Option(
        help="Of examples that repeat another: ask one, let the others train with its label, too, or ask each."
    ),
]
Consensus = Annotated[
    Literal["model", "dawid_skene", "majority"] | None,
    typer.Option(
        help="How answers become labels: by who is how often right, the model being a voter or not; or most count."
    ),
]
SecondOpinions = Annotated[
    float | None,
    typer.Option(min=0, max=0.9, help="Share of a batch, at most, that asks again about labels in doubt."),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        help="Who says how sure a text's label is, for the strategy signal: a field of `meta`, model:NAME, or a URL."
    ),
]
Formula = Annotated[
    str | None,
    typer.Option(help="For the strategy weighted, such as 'uncertainty + 0.5 * meta.upvotes - duplication'."),
]
WeakShare = Annotated[
    float | None,
    typer.Option(
        min=0, max=0.5, help="Share of what is chosen that goes where the newest adapter is weakest."
    ),
]
Quotas = Annotated[
    list[str] | None,
    typer.Option(
        "--quota",
        help="Share of what is chosen kept for a domain: domain=share. Repeatable; `none` for none.",
    ),
]
ClassBalance = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="How far rare classes weigh more in training: 0 not at all, 1 all the same."
    ),
]
Price = Annotated[str | None, typer.Option(help="Of an annotator's hour; `none` for none.")]
ComputePrice = Annotated[str | None, typer.Option(help="Of a worker's hour; `none` for none.")]
PointPrice = Annotated[
    str | None,
    typer.Option(
        help="What one point of accuracy or F1 is worth, for the advice to stop; `none` for nothing."
    ),
]
Currency = Annotated[str | None, typer.Option(help="Of all prices, such as EUR.")]
BudgetHours = Annotated[str | None, typer.Option(help="Hours of annotators at most; `none` for no end.")]
BudgetMoney = Annotated[
    str | None, typer.Option(help="Money at most, by the prices that are set; `none` for no end.")
]
StopAtAdvice = Annotated[
    bool | None,
    typer.Option(
        "--stop-at-advice/--never-stop",
        help="Ask for no more once three rounds in a row advised to stop; or go on, and never stop by itself.",
    ),
]
Instruction = Annotated[str | None, typer.Option(help="What annotators read before they begin.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the new campaign.")],
    labels: Annotated[
        list[str], typer.Option(help='Labels, with commas between them: a,b,"c, with a comma". Repeatable.')
    ],
    model: Annotated[str, typer.Option(help="Hugging Face encoder, by name or folder.")],
    problem: Annotated[
        str | None, typer.Option(help="What is asked of a text: single_label, multi_label or spans.")
    ] = None,
    strategy: Strategy = None,
    text_field: Annotated[str | None, typer.Option(help="Name of the text's field in uploads.")] = None,
    instruction: Instruction = None,
    seed: Seed = None,
    round_size: RoundSize = None,
    budget: Budget = None,
    low_water: LowWater = None,
    random_share: RandomShare = None,
    holdout_size: HoldoutSize = None,
    score_seconds: ScoreSeconds = None,
    near_duplicates: NearDuplicates = None,
    overlap: Annotated[
        int | None, typer.Option(min=1, help="Answers that every example is to have, each by somebody else.")
    ] = None,
    consensus: Consensus = None,
    second_opinions: SecondOpinions = None,
    teacher: Teacher = None,
    formula: Formula = None,
    class_balance: ClassBalance = None,
    weak_share: WeakShare = None,
    quota: Quotas = None,
    hour_price: Price = None,
    compute_price: ComputePrice = None,
    currency: Currency = None,
    point_price: PointPrice = None,
    budget_hours: BudgetHours = None,
    budget_money: BudgetMoney = None,
    stop_at_advice: StopAtAdvice = None,
    json: AsJson = False,
) -> None:
    """Begin a campaign."""
    numbers = _numbers(
        hour_price=hour_price,
        compute_price=compute_price,
        point_price=point_price,
        budget_hours=budget_hours,
        budget_money=budget_money,
    )
    asked = {
        "name": name,
        "labels": split(labels),
        "model": model,
        "problem": problem,
        "strategy": strategy,
        "text_field": text_field,
        "instruction": instruction,
        "seed": seed,
        "round_size": round_size,
        "budget": budget,
        "low_water": low_water,
        "random_share": random_share,
        "holdout_size": holdout_size,
        "score_seconds": score_seconds,
        "near_duplicates": near_duplicates,
        "overlap": overlap,
        "consensus": consensus,
        "second_opinions": second_opinions,
        "teacher": teacher,
        "formula": formula,
        "class_balance": class_balance,
        "weak_share": weak_share,
        "quotas": _quotas(quota),
        "currency": currency,
        "stop_at_advice": stop_at_advice,
    }
    with connect() as api:
        made = api.create(**_given(asked), **numbers)
    if json:
        return print_json(made)
    print(f"Campaign {made['name']} ({made['id']}) is made. Next: postil pool add {made['name']} FILE")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """Every campaign, oldest first."""
    with connect() as api:
        campaigns = api.campaigns()
    if json:
        return print_json(campaigns)
    if not campaigns:
        return print(
            "There are no campaigns yet: make one with `postil campaign create`, or try `postil demo`."
        )
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "id", "phase", "strategy", box=None, pad_edge=False)
    for title in ("pool", "answers", "rounds"):
        table.add_column(title, justify="right")
    for one in campaigns:
        status = one["status"]
        counts = (status["examples"], status["annotations"].get("answer", 0), status["rounds_done"])
        table.add_row(
            Text(one["name"]), one["id"], status["phase"], one["strategy"], *(f"{n:,}" for n in counts)
        )
    Console().print(table)


@app.command()
def show(campaign: Name, json: AsJson = False) -> None:
    """All there is to know of one campaign now."""
    with connect() as api:
        found = api.campaign(campaign)
    _print(found, json)


@app.command("set")
def set_(
    campaign: Name,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    strategy: Strategy = None,
    round_size: RoundSize = None,
    budget: Annotated[str | None, typer.Option(help="Answers to ask for at most; `none` for no end.")] = None,
    low_water: LowWater = None,
    score_seconds: ScoreSeconds = None,
    near_duplicates: NearDuplicates = None,
    consensus: Consensus = None,
    second_opinions: SecondOpinions = None,
    teacher: Teacher = None,
    formula: Formula = None,
    class_balance: ClassBalance = None,
    weak_share: WeakShare = None,
    quota: Quotas = None,
    hour_price: Price = None,
    compute_price: ComputePrice = None,
    currency: Currency = None,
    point_price: PointPrice = None,
    budget_hours: BudgetHours = None,
    budget_money: BudgetMoney = None,
    stop_at_advice: StopAtAdvice = None,
    instruction: Instruction = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="The round whose adapter chooses and pre-annotates; `newest` for that of the newest."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Change a campaign; it takes effect at once."""
    from service.errors import Invalid

    changes = _given({"name": name, "strategy": strategy, "round_size": round_size, "low_water": low_water})
    changes |= _given({"score_seconds": score_seconds, "near_duplicates": near_duplicates})
    changes |= _given({"consensus": consensus, "second_opinions": second_opinions})
    changes |= _given({"instruction": instruction, "teacher": teacher, "formula": formula})
    changes |= _given({"class_balance": class_balance})
    changes |= _given({"weak_share": weak_share, "quotas": _quotas(quota)})
    changes |= _given({"currency": currency, "stop_at_advice": stop_at_advice})
    changes |= _numbers(
        hour_price=hour_price,
        compute_price=compute_price,
        point_price=point_price,
        budget_hours=budget_hours,
        budget_money=budget_money,
    )
    if budget is not None:
        if budget != "none" and not budget.isdecimal():
            raise Invalid(f"--budget is {budget!r}: give a whole number, or `none`", "budget")
        changes["budget"] = None if budget == "none" else int(budget)
    if adapter is not None:
        if adapter != "newest" and not adapter.isdecimal():
            raise Invalid(f"--adapter is {adapter!r}: give the number of a round, or `newest`", "adapter")
        changes["adapter"] = None if adapter == "newest" else int(adapter)
    if not changes:
        raise Invalid(
            "nothing to change: name a setting, such as --budget 500 (see postil campaign set --help)"
        )
    with connect() as api:
        changed = api.change(campaign, **changes)
    _print(changed, json)


@app.command()
def pause(campaign: Name, json: AsJson = False) -> None:
    """Ask for no more answers. What was answered is still trained on."""
    _set_paused(campaign, True, json)


@app.command()
def resume(campaign: Name, json: AsJson = False) -> None:
    """Go on with a paused campaign."""
    _set_paused(campaign, False, json)


@app.command()
def train(campaign: Name, json: AsJson = False) -> None:
    """Begin a round now, although fewer labels than its round size are new."""
    with connect() as api:
        asked = api.begin_round(campaign)
    if json:
        return print_json(asked)
    print(
        f"Round {asked['round']} is asked for; {asked['changes']:,} labels are new. See postil watch {campaign}"
    )


@app.command()
def delete(
    campaign: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a campaign with its pool, labels and adapters. Its project in Label Studio stays."""
    with connect() as api:
        found = api.campaign(campaign)
        labels = sum(found["status"]["labels"].values())
        what = f"{found['name']} with {found['status']['examples']:,} texts and {labels:,} labels"
        if not yes:
            typer.confirm(f"Delete {what}, for ever?", abort=True)
        api.delete(found["id"])
    print(f"Deleted {what}.")
    if there := found["label_studio"]:
        print(f"Its project in Label Studio is still there: {there['url']}")


def split(labels: list[str]) -> list[str]:
    """Labels out of comma-separated lists; one in double quotes may hold commas itself."""
    found = [cell.strip() for row in csv.reader(labels, skipinitialspace=True) for cell in row]
    return [label for label in found if label]


def _quotas(said: list[str] | None) -> dict[str, float] | None:
    from service import quotas

    return quotas.read(said) if said else None


def _numbers(**said: str | None) -> dict[str, float | None]:
    """Those that were said; `none` is null."""
    return {name: _number(name, words) for name, words in said.items() if words is not None}


def _number(name: str, words: str) -> float | None:
    from math import isfinite

    from service.errors import Invalid

    if words == "none":
        return None
    try:
        number = float(words)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise Invalid(f"--{name.replace('_', '-')} is {words!r}: give a number, or `none`", name)
    return number


def _set_paused(campaign: str, paused: bool, json: bool) -> None:
    with connect() as api:
        changed = api.change(campaign, paused=paused)
    if json:
        return print_json(changed)
    print(f"Campaign {changed['name']}: {changed['status']['phase']}.")


def _print(campaign: "Campaign", json: bool) -> None:
    if json:
        return print_json(campaign)
    from rich.console import Console

    from service.cli.board import summary

    Console().print(summary(campaign))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
