"""The opening of the demo: its campaign is made and filled, and the scripted annotators sit down."""

import io
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console

from service import client
from service.cli.output import say
from service.cli.pool import counts, form_of, opened, send
from service.client.views import Receipt
from service.demo import docstrings, encoder
from service.demo.docstrings import Corpus, Example
from service.demo.labeler import Labeler, Truth
from service.errors import Invalid, PostilError
from service.label_studio.annotator import Annotator, invite
from service.label_studio.client import Client
from service.label_studio.problems import problem
from service.pool.forms import encoding_of
from service.settings import Settings
from service.stack.credentials import credential

ROUND_SIZE = 50
SCORE_S = 5.0
"""A random part of the pool is scored for so long: the person who looks on has little time."""
QUESTION = "Which topic is this documentation about?"
PROJECT_WITHIN_S = 120.0
LOOK_S = 0.5
SHOWN_AT_MOST = 5


@dataclass(frozen=True)
class Opened:
    """The campaign by its name, Label Studio's id of its project, and who answers by script (perhaps nobody)."""

    name: str
    project: int
    labelers: list[Labeler] = field(default_factory=list)


def on_docstrings(
    api: client.Client, settings: Settings, annotators: int, console: Console, closing: ExitStack
) -> Opened:
    """A campaign on the docstrings, the gold ones as its test set; `closing` signs the annotators out."""
    with console.status("reading the docstrings of Python's standard library"):
        corpus = docstrings.corpus()
    name = _create(api, "docstrings", corpus.labels, QUESTION)
    # The test set goes first: without one, the first tasks would be asked for measuring too.
    gold = [_line(one) | {"label": one.label} for one in corpus.gold]
    _send("the test set", gold, partial(api.add_labels, name, form="jsonl", test=True), console)
    _send("the pool", [_line(one) for one in corpus.pool], partial(api.add_pool, name, form="jsonl"), console)
    project = _project(api, name, console)
    return Opened(name, project, _annotators(settings, annotators, project, corpus, closing))


def on_own(api: client.Client, file: str, labels: Sequence[str], console: Console) -> Opened:
    """A campaign on a person's own file, which the person labels. Raises Invalid where no line can be used."""
    form, encoding = form_of(file, None), encoding_of(file)
    with opened(file) as (source, size):
        name = _create(api, Path(file).stem, labels, "")
        receipt = send(source, size, file, partial(api.add_pool, name, form=form, encoding=encoding), console)
    _tell(file, receipt, console)
    if receipt["received"] <= receipt["rejected"]:
        raise Invalid(f"{file}: no line of it could be used", "--pool")
    return Opened(name, _project(api, name, console))


def free_name(stem: str, taken: set[str]) -> str:
    """`stem`, or the first of stem-2, stem-3, … that is not taken."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _create(api: client.Client, stem: str, labels: Sequence[str], instruction: str) -> str:
    name = free_name(stem, {one["name"] for one in api.campaigns()})
    values = {"name": name, "labels": list(labels), "model": encoder.path(), "instruction": instruction}
    api.create(**values, round_size=ROUND_SIZE, score_seconds=SCORE_S)
    return name


def _line(example: Example) -> dict[str, str]:
    return {"id": example.id, "text": example.text, "domain": example.domain}


def _send(what: str, lines: Sequence[dict[str, str]], upload: "partial[Receipt]", console: Console) -> None:
    body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    _tell(what, send(io.BytesIO(body), len(body), what, upload, console), console)


def _tell(what: str, receipt: Receipt, console: Console) -> None:
    say(console, f"{what}: {counts(receipt)}")
    for one in receipt["errors"][:SHOWN_AT_MOST]:
        say(console, f"  line {one['line']}: {one['reason']}")


def _project(api: client.Client, name: str, console: Console) -> int:
    """Label Studio's id of the project, once it is made."""
    until = time.monotonic() + PROJECT_WITHIN_S
    with console.status("making the project in Label Studio"):
        while not (found := api.campaign(name))["label_studio"]:
            if time.monotonic() > until:
                why = found["status"]["label_studio_error"] or "see the log of worker-sync"
                raise PostilError(
                    f"no project was made in Label Studio within {PROJECT_WITHIN_S:.0f} s: {why}"
                )
            time.sleep(LOOK_S)
        return found["label_studio"]["project"]


def _annotators(
    settings: Settings, count: int, project: int, corpus: Corpus, closing: ExitStack
) -> list[Labeler]:
    asks, made = problem("single_label", corpus.labels), []
    truth = Truth((example.text, example.label) for example in corpus.pool)
    with Client(settings.label_studio_url, settings.label_studio_token) as admin:
        for number in range(1, count + 1):
            password = credential(settings.folder / "secrets.json", f"annotator-{number}")
            token = invite(admin, f"annotator-{number}@postil.local", password)
            annotator = closing.enter_context(Annotator(settings.label_studio_url, token))
            made.append(Labeler(annotator, project, asks, truth))
    return made
