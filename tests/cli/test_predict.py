"""What a campaign's adapter says of texts, on the command line."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import doorbell
from service.cli import predict
from service.client import Client
from service.stack.stack import Stack
from tests.adapters import LABELS, leave, trained
from tests.learner.conftest import build_encoder
from workers.context import Context
from workers.encoder import Encoder
from workers.scorer import Scorer


def test_one_line_a_text(postil: Callable[..., Any], api: Client, stack: Stack, tmp_path: Path) -> None:
    encoder = Encoder.load(str(build_encoder(tmp_path / "tiny")))
    made = api.create(name="asked", labels=LABELS, model=encoder.name)
    context = Context(stack.settings)
    with context.database.transaction() as connection:
        leave(connection, context.files, made["id"], 1, trained(encoder, "single_label"))
    over = threading.Event()
    redis = doorbell.connect(stack.settings.redis_url, patient=True)
    thread = threading.Thread(target=Scorer(context, redis).run, args=(over.is_set,))
    thread.start()
    try:
        told = postil("predict", "asked", "the cat", "fog")
        lines = postil("predict", "asked", "-", "--json", stdin=b"the cat\n\nfog\n")
    finally:
        over.set()
        thread.join()

    assert (told.status, told.err) == (0, "")
    said = json.loads(lines.out)
    assert (said["round"], len(said["predictions"])) == (1, 2)
    assert told.out.splitlines() == [
        f"{one['label']} {one['confidence']:.0%}\t{text}"
        for one, text in zip(said["predictions"], ["the cat", "fog"], strict=True)
    ]


def test_a_campaign_without_an_adapter(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="unasked", labels=["a", "b"], model="none")

    told = postil("predict", "unasked", "fog")

    assert (told.status, told.out) == (1, "")
    assert told.err.startswith("error: campaign 'unasked' has no adapter yet")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"labels": ["a"], "probabilities": {"a": 0.71, "b": 0.2}}, "a 71%"),
        ({"labels": [], "probabilities": {"a": 0.1, "b": 0.2}}, "none"),
        ({"spans": [{"start": 4, "end": 7, "label": "PET", "confidence": 0.9}]}, "'cat' PET 90%"),
        ({"spans": []}, "none"),
    ],
)
def test_words_for_each_problem(one: dict[str, Any], words: str) -> None:
    assert predict.said("the cat", one) == words


def test_texts_go_in_as_many_requests_as_they_need() -> None:
    assert [len(some) for some in predict.chunks(["a"] * 2_500)] == [1_000, 1_000, 500]
    assert [len(some) for some in predict.chunks(["é" * 200_000] * 3)] == [1, 1, 1]
    assert list(predict.chunks([])) == []
