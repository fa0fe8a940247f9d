"""Verbs that take things home: labels, annotations, adapters."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import progress
from service.export.forms import FORMS, Format, What

if TYPE_CHECKING:
    from rich.progress import Progress


def export(
    campaign: Name,
    what: Annotated[
        What,
        typer.Option(
            help="What the campaign believes, every revision of every answer, the pool with its near-duplicates, or "
            "the rest of the pool labeled by the model where that is right with --precision."
        ),
    ] = "labels",
    format: Annotated[
        Format | None,
        typer.Option(
            help="Lines, Parquet, a folder for Hugging Face's datasets (hf), Label Studio's JSON, or of spans CoNLL's "
            "tags or spaCy's JSON Lines; need not be named where the ending of --out tells it, else jsonl."
        ),
    ] = None,
    out: Annotated[
        str, typer.Option(help="File to write, or folder to make (hf; name/); - for standard output.")
    ] = "-",
    precision: Annotated[float, typer.Option(help="Of auto-labels: the share that is right.")] = 0.97,
    level: Annotated[float, typer.Option(help="Of auto-labels: how sure that is.")] = 0.95,
) -> None:
    """Write labels, annotations or examples, one a line, or in the form of another tool."""
    from service.client import archives

    form = format or named_by(out)
    unpacked = form == "hf" and out != "-" and not out.endswith(FORMS["hf"].ending)
    if unpacked:
        archives.absent(Path(out))
    with (
        connect() as api,
        api.export(campaign, what, form, precision=precision, level=level) as (chunks, told),
    ):
        if out == "-":
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        elif unpacked:
            _unpack(chunks, Path(out), zipped=True)
            _print_names(Path(out))
        else:
            _write(chunks, Path(out))
    if told.get("left-out") or told.get("widened"):
        print(
            f"{told['spans']:,} spans: {told['left-out']:,} left out, which meet a longer one in a token or hold none; "
            f"{told['widened']:,} widened to whole tokens",
            file=sys.stderr,
        )


def named_by(out: str) -> Format:
    """The format that a path's ending tells; jsonl where it tells none."""
    name = out.lower()
    if name.endswith("/"):
        return "hf"
    fits = [one for one, form in FORMS.items() if name.endswith(form.ending)]
    return max(fits, key=lambda one: len(FORMS[one].ending), default="jsonl")


def adapter(
    campaign: Name,
    number: Annotated[int, typer.Argument(metavar="ROUND", help="Number of the round.")],
    out: Annotated[Path | None, typer.Option(help="Folder to make.")] = None,
    activate: Annotated[
        bool, typer.Option("--activate", help="Have it choose and pre-annotate, in the newest one's place.")
    ] = False,
    merged: Annotated[
        bool,
        typer.Option(
            "--merged", help="Merged into its base model. It needs postil[worker] and the base model."
        ),
    ] = False,
    onnx: Annotated[
        bool,
        typer.Option("--onnx", help="As an ONNX graph. It needs postil[worker,onnx] and the base model."),
    ] = False,
) -> None:
    """Fetch a round's adapter, in PEFT's format, with its classifier and a model card; or make it the active one."""
    from service.client import archives
    from service.errors import Invalid

    if merged and onnx:
        raise Invalid("--merged and --onnx are two folders: ask for one after the other", "--onnx")
    form = "merged" if merged else "onnx" if onnx else None
    if form is not None and out is None:
        raise Invalid(f"--{form} needs a folder to make: name it with --out", "--out")
    if out is None and not activate:
        raise Invalid("nothing to do: name a folder with --out, or give --activate", "--out")
    if out is not None:
        archives.absent(out)
    with connect() as api:
        if out is not None:
            with api.adapter(campaign, number) as chunks:
                if form is None:
                    _unpack(chunks, out)
                else:
                    _make(chunks, out, form)
            _print_names(out)
        if activate:
            api.change(campaign, adapter=number)
            print(
                f"The adapter of round {number} is active: it scores the pool, then the queue is put in its order; "
                f"`postil campaign set {campaign} --adapter newest` ends that.",
                file=sys.stderr,
            )


def _write(chunks: Iterator[bytes], path: Path) -> None:
    draft = path.with_name(f"{path.name}.part")
    try:
        with _open(draft) as file, _progress() as bar:
            for chunk in _told(chunks, bar, f"writing {path}"):
                file.write(chunk)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    print(f"{path}: {path.stat().st_size:,} bytes", file=sys.stderr)


def _unpack(chunks: Iterator[bytes], out: Path, zipped: bool = False) -> None:
    from service.client import archives

    with _progress() as bar:
        archives.unpack(
            _told(chunks, bar, f"fetching {out}"), out, archives.unzip if zipped else archives.untar
        )


def _make(chunks: Iterator[bytes], out: Path, form: str) -> None:
    """Another form of an adapter: a folder that is there whole or not at all."""
    import tempfile

    from service.cli import plugins
    from service.errors import Invalid

    make = plugins.form(form)
    try:
        passing = tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.absolute().parent)
    except OSError as error:
        raise Invalid(f"{out} cannot be made: {error.strerror}", "--out") from None
    with passing as folder:
        fetched, made = Path(folder, "fetched"), Path(folder, "made")
        _unpack(chunks, fetched)
        print(f"making {out}, which may take a minute", file=sys.stderr)
        made.mkdir()
        print(make(fetched, made), file=sys.stderr)
        os.rename(made, out)


def _print_names(folder: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {', '.join(names)}", file=sys.stderr)


def _told(chunks: Iterator[bytes], bar: "Progress", doing: str) -> Iterator[bytes]:
    task = bar.add_task(doing, total=None)
    for chunk in chunks:
        bar.advance(task, len(chunk))
        yield chunk


def _open(path: Path) -> BinaryIO:
    from service.errors import Invalid

    try:
        return path.open("wb")
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}", "--out") from None


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import DownloadColumn, TransferSpeedColumn

    return progress(Console(stderr=True), DownloadColumn(), TransferSpeedColumn())
