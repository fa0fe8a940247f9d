"""Verbs that send files: a pool, known labels, a test set."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json, progress
from service.pool import forms
from service.pool.forms import Form, encoding_of

if TYPE_CHECKING:
    from rich.console import Console

    from service.client.views import Receipt

app = typer.Typer(no_args_is_help=True)
labels_app = typer.Typer(no_args_is_help=True)

CHUNK_BYTES = 1 << 18
SHOWN_AT_MOST = 20

File = Annotated[
    str,
    typer.Argument(help="JSONL, CSV or Parquet file, plain or compressed (.gz, .zst); - for standard input."),
]
Format = Annotated[Form | None, typer.Option("--format", help="Where the file's suffix does not tell.")]


@app.callback()
def _pool() -> None:
    """Send pools of texts."""


@labels_app.callback()
def _labels() -> None:
    """Send labels that are known already, and test sets; change what labels a campaign has."""


@app.command("add")
def add_pool(campaign: Name, file: File, format: Format = None, json: AsJson = False) -> None:
    """Add unlabeled texts: a JSON object or CSV record each, with `text`, and `id`, `domain`, `meta` if wished."""
    form, encoding = form_of(file, format), encoding_of(file)
    with connect() as api, opened(file) as (source, size):
        api.campaign(campaign)  # a wrong name shows before the first byte is sent
        receipt = send(source, size, file, lambda chunks: api.add_pool(campaign, chunks, form, encoding))
    _print(receipt, json)


@app.command("import")
def import_pool(
    campaign: Name,
    url: Annotated[
        str, typer.Argument(help="Absolute path where the workers are, or an object store's URL.")
    ],
    json: AsJson = False,
) -> None:
    """Add texts of a file or object that a worker reads; POSTIL_SOURCES of the API and the workers says from where."""
    with connect() as api:
        upload = api.import_pool(campaign, url)
    if json:
        print_json({"upload": upload})
    else:
        print(f"upload {upload} waits for a worker; `postil watch {campaign}` shows how far it is")


@labels_app.command("add")
def add_labels(
    campaign: Name,
    file: File,
    test: Annotated[
        bool, typer.Option("--test", help="A test set: it measures every round, and never trains.")
    ] = False,
    format: Format = None,
    json: AsJson = False,
) -> None:
    """Add labels that are known: records with `label`, `labels` or `spans`, by the campaign's problem, and `text`, or
    the `id` of a text in the pool."""
    form, encoding = form_of(file, format), encoding_of(file)
    with connect() as api, opened(file) as (source, size):
        api.campaign(campaign)
        receipt = send(
            source, size, file, lambda chunks: api.add_labels(campaign, chunks, form, encoding, test)
        )
    _print(receipt, json)


def form_of(file: str, format: Form | None) -> Form:
    """The format as told, else by the file's name; raises Invalid where neither says."""
    from service.errors import Invalid

    found = format or forms.form_of(file)
    if found is None:
        raise Invalid(
            f"{file}: neither .jsonl, .ndjson, .csv nor .parquet: say --format jsonl, csv or parquet",
            "--format",
        )
    return found


@contextmanager
def opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file's bytes and how many they are; None for standard input. Raises Invalid where it cannot be read."""
    from service.errors import Invalid

    if file == "-":
        yield sys.stdin.buffer, None
        return
    with ExitStack() as closing:
        try:
            source = closing.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise Invalid(f"{file} cannot be read: {error.strerror}", "FILE") from None
        yield source, Path(file).stat().st_size


def send(
    source: BinaryIO,
    size: int | None,
    what: str,
    upload: Callable[[Iterable[bytes]], "Receipt"],
    console: "Console | None" = None,
) -> "Receipt":
    """Upload `source` in chunks under a progress bar (bytes); on standard error unless told otherwise."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with progress(console or Console(stderr=True), *columns) as bar:
        task = bar.add_task(f"sending {what}", total=size)

        def chunks() -> Iterator[bytes]:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk
                bar.advance(task, len(chunk))
            bar.update(task, description=f"storing {what}")

        return upload(chunks())


def counts(receipt: "Receipt") -> str:
    """A receipt in one line: what came and was added, and what else there is to tell."""
    words = [f"received {receipt['received']:,}", f"added {receipt['added']:,}"]
    if receipt["duplicates"]:
        words.append(f"duplicates {receipt['duplicates']:,}")
    if receipt["truncated"]:
        words.append(f"cut at the longest length {receipt['truncated']:,}")
    if receipt["labels"]:
        words.append(f"labels {receipt['labels']:,}")
    return ", ".join([*words, f"rejected {receipt['rejected']:,}"])


def _print(receipt: "Receipt", json: bool) -> None:
    if json:
        print_json(receipt)
    else:
        print(counts(receipt))
        for one in receipt["errors"][:SHOWN_AT_MOST]:
            print(f"  line {one['line']}: {one['reason']}", file=sys.stderr)
        if receipt["rejected"] > (shown := len(receipt["errors"][:SHOWN_AT_MOST])):
            print(f"  and {receipt['rejected'] - shown:,} more", file=sys.stderr)
    if receipt["received"] - receipt["rejected"] <= 0:
        print("error: no line of it could be used", file=sys.stderr)
        raise typer.Exit(1)
