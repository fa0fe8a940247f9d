"""Verbs of the command line that need PyTorch; they join it through the entry-point group `postil.commands`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.errors import Invalid, PostilError


def worker(
    queue: Annotated[
        Literal["gpu", "cpu", "sync", "predict"],
        typer.Argument(
            help="gpu encodes, trains and scores; cpu selects; sync speaks with Label Studio; predict answers at once."
        ),
    ],
) -> None:
    """Run one worker until SIGTERM or Ctrl-C. It needs POSTIL_REDIS_URL and the data folder of the API."""
    from service.settings import Settings

    settings = Settings.read()
    if not settings.redis_url:
        raise Invalid(
            "POSTIL_REDIS_URL is empty: set it to the Redis of the API, or start all with `postil up`",
            "POSTIL_REDIS_URL",
        )
    try:
        if queue == "predict":
            from workers import scorer  # alone: an idle one is to take little memory

            return scorer.run(settings)
        from workers import resident
    except ModuleNotFoundError as error:
        raise PostilError(f"a worker needs {error.name}: pip install 'postil[worker]'") from None
    resident.run(settings, queue)


def simulate(
    data: Annotated[
        Path, typer.Option(help="JSONL, CSV or Parquet with a text and its label in each line: the pool.")
    ],
    test: Annotated[Path, typer.Option(help="The like, to measure on.")],
    model: Annotated[str, typer.Option(help="A Hugging Face encoder, by name or folder.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the results; what is there already is not done again.")
    ],
    strategy: Annotated[str, typer.Option(help="One or several, with commas between.")] = "random,auto",
    start: Annotated[int, typer.Option(help="Labels in the first batch.")] = 25,
    batch: Annotated[int, typer.Option(help="Labels in each further one.")] = 50,
    labels: Annotated[int, typer.Option(help="Labels at the end.")] = 525,
    seeds: Annotated[int, typer.Option(help="Campaigns of each strategy.")] = 3,
    noise: Annotated[
        str, typer.Option(help="Share of wrong answers; several with commas between are several annotators.")
    ] = "0",
    errors: Annotated[
        str,
        typer.Option(help="What wrong answers are: any other label, or, of single labels, a similar one."),
    ] = "any",
    overlap: Annotated[int, typer.Option(help="Annotators that answer each example.")] = 1,
    consensus: Annotated[
        str, typer.Option(help="How answers become labels: model, dawid_skene or majority.")
    ] = "model",
    second_opinions: Annotated[
        float, typer.Option(help="Share of a batch, at most, that asks again about labels in doubt.")
    ] = 0.2,
    random_share: Annotated[float, typer.Option(help="Share of each batch that is drawn at random.")] = 0.2,
    problem: Annotated[str, typer.Option(help="single_label, multi_label or spans.")] = "single_label",
    metric: Annotated[
        str | None, typer.Option(help="For table and plot: accuracy, macro_f1, worst_domain, worst_class, …")
    ] = None,
    text_field: Annotated[str, typer.Option(help="The field that holds the text.")] = "text",
    jobs: Annotated[int, typer.Option(help="Campaigns at a time, each in a process of its own.")] = 1,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Linear heads alone, without LoRA: a tenth of the time.")
    ] = False,
    holdout: Annotated[
        int, typer.Option(help="Labels that only measure, as in a campaign without a test set.")
    ] = 0,
    score_rows: Annotated[
        int, typer.Option(help="Examples scored after each batch, the others guessed at, as in a large pool.")
    ] = 10_000,
    near_duplicates: Annotated[
        str, typer.Option(help="Examples that repeat another: drop (they are not asked) or keep.")
    ] = "drop",
    weak_share: Annotated[
        float, typer.Option(help="Share of what is chosen that goes to the weakest domain, else class.")
    ] = 0.0,
    quota: Annotated[
        list[str] | None,
        typer.Option(help="Share of what is chosen that is kept for a domain: domain=share. Repeatable."),
    ] = None,
) -> None:
    """Replay a labeled file as campaigns, and see what each strategy would have made of your labels.

    Everything is what a real campaign does, without a server or people. Cut short, it goes on where it was.
    """
    from workers.simulation import command

    command.run(
        data,
        test,
        model,
        out,
        strategy,
        start,
        batch,
        labels,
        seeds,
        noise,
        random_share,
        metric,
        text_field,
        problem,
        jobs,
        frozen,
        holdout,
        score_rows,
        near_duplicates,
        errors,
        overlap,
        consensus,
        second_opinions,
        weak_share,
        quota or (),
    )


def experiment(
    kind: Annotated[
        Literal["quality-vs-quantity", "noise", "curriculum", "weights", "strategy", "probes"],
        typer.Argument(
            help="quality-vs-quantity: few right labels or many noisy ones. noise: what each wrong label costs. "
            "curriculum: LoRA on easy labels first. weights: labels weighed by trust, or by class. strategy: choosing. "
            "probes: what further labels of each slice are worth."
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="A text and its label in each line: JSONL, CSV or Parquet; what `postil export` wrote will do."
        ),
    ],
    model: Annotated[str, typer.Option(help="A Hugging Face encoder, by name or folder.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the results; what is there already is not done again.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="The like, to measure on; else the hold-out of exported labels does.")
    ] = None,
    labels: Annotated[int, typer.Option(help="Labels to train on.")] = 400,
    noise: Annotated[
        str,
        typer.Option(
            help="Share of wrong answers to plant; several with commas between, of which some use one."
        ),
    ] = "0.1,0.2,0.4",
    times: Annotated[
        int, typer.Option(help="How many noisy labels stand against each right one, in quality-vs-quantity.")
    ] = 10,
    strategy: Annotated[
        str, typer.Option(help="Several with commas between; the first is the yardstick.")
    ] = ("random,auto"),
    seeds: Annotated[int, typer.Option(help="Draws of texts and errors.")] = 5,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Linear heads alone, without LoRA: a tenth of the time.")
    ] = False,
    problem: Annotated[str, typer.Option(help="single_label, multi_label or spans.")] = "single_label",
    by: Annotated[
        str,
        typer.Option(
            help="Slices for probes: cluster, domain, or a field (source, weight, …), numbers in quarters."
        ),
    ] = "cluster",
    more: Annotated[
        int, typer.Option(help="Labels of each slice that its probe learns from, beside --labels.")
    ] = 50,
    metric: Annotated[
        str | None, typer.Option(help="For table and verdict: accuracy, macro_f1, micro_f1, log_loss, ece, …")
    ] = None,
    text_field: Annotated[str, typer.Option(help="The field that holds the text.")] = "text",
) -> None:
    """Find out on labels you have what teaches more: a table, compute against gain, and a verdict with its interval.

    Everything is trained and measured as a campaign does it. Cut short, it goes on where it was.
    """
    from workers.experiment import command

    command.run(
        kind,
        data,
        test,
        model,
        out,
        problem,
        text_field,
        labels,
        noise,
        times,
        seeds,
        frozen,
        strategy,
        metric,
        by,
        more,
    )
