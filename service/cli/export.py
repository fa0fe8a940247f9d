"""Verbs that take things home: labels, annotations, adapters."""

import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from service.cli.connect import connect
from service.cli.output import progress

if TYPE_CHECKING:
    from rich.progress import Progress

Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Name or id.")]


def export(
    campaign: Name,
    what: Annotated[
        Literal["labels", "annotations", "pool", "auto-labels"],
        typer.Option(
            help="What the campaign believes, every revision of every answer, the pool with its near-duplicates, or "
            "the rest of the pool labeled by the model where that is right with --precision."
        ),
    ] = "labels",
    format: Annotated[Literal["jsonl", "csv"], typer.Option(help="Format of the output.")] = "jsonl",
    out: Annotated[str, typer.Option(help="File to write; - for standard output.")] = "-",
    precision: Annotated[float, typer.Option(help="Of auto-labels: the share that is right.")] = 0.97,
    level: Annotated[float, typer.Option(help="Of auto-labels: how sure that is.")] = 0.95,
) -> None:
    """Write labels, annotations or examples, one a line."""
    with connect() as api, api.export(campaign, what, format, precision=precision, level=level) as chunks:
        if out == "-":
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return
        path = Path(out)
        draft = path.with_name(f"{path.name}.part")
        try:
            with _open(draft) as file, _progress() as bar:
                for chunk in _told(chunks, bar, f"writing {path}"):
                    file.write(chunk)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    print(f"{path}: {path.stat().st_size:,} bytes", file=sys.stderr)


def adapter(
    campaign: Name,
    number: Annotated[int, typer.Argument(metavar="ROUND", help="Number of the round.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
) -> None:
    """Fetch a round's adapter, in PEFT's format, with its classifier and lineage."""
    from service.errors import Conflict, Invalid, PostilError

    if out.exists():
        raise Conflict(f"{out} exists already: name a folder that does not")
    with connect() as api, api.adapter(campaign, number) as chunks:
        try:
            passing = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.absolute().parent))
        except OSError as error:
            raise Invalid(f"{out} cannot be made: {error.strerror}", "--out") from None
        try:
            with tempfile.TemporaryFile() as spool:
                with _progress() as bar:
                    for chunk in _told(chunks, bar, f"fetching the adapter of round {number}"):
                        spool.write(chunk)
                spool.seek(0)
                with tarfile.open(fileobj=spool) as tar:
                    tar.extractall(passing, filter="data")
            passing.chmod(0o755)  # mkdtemp's own mode is for secrets
            os.rename(_inner(passing), out)
        except tarfile.TarError as error:
            raise PostilError(
                f"what came is no adapter ({error}): try again, and see the API's log"
            ) from None
        finally:
            shutil.rmtree(passing, ignore_errors=True)
    names = ", ".join(sorted(path.name for path in out.iterdir()))
    print(f"{out}: {names}", file=sys.stderr)


def _told(chunks: Iterator[bytes], bar: "Progress", doing: str) -> Iterator[bytes]:
    task = bar.add_task(doing, total=None)
    for chunk in chunks:
        bar.advance(task, len(chunk))
        yield chunk


def _inner(folder: Path) -> Path:
    """The folder with the files: `folder` itself, or the only one in it."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


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
