"""Teachers that read the pool: a classifier on this machine, a server; and what is said where they fail."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
)

from service import teachers
from service.errors import Invalid
from service.records import Example
from service.rounds.advance import advance
from service.store import campaigns, jobs
from service.store.campaigns import NewCampaign
from tests.filling import fill, seal
from tests.generator import away, generator
from tests.learner.conftest import FILLER, SIZES, TOPICS, build_encoder
from workers import door, situation
from workers.context import Context
from workers.device import CPU
from workers.server import ServerDown
from workers.teachers import NoTeacher, confidences

rng = np.random.default_rng(0)
TEXTS = [" ".join([*rng.choice(FILLER, 1 + at % 7), *rng.choice(TOPICS[at % 3], 2)]) for at in range(70)]


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of three classes, of three labels that do not exclude each other, and with one output."""
    folder = tmp_path_factory.mktemp("teachers")
    made = {}
    for name, outputs, problem in (
        ("one", 3, "single_label_classification"),
        ("several", 3, "multi_label_classification"),
        ("score", 1, "regression"),
    ):
        build_encoder(folder / name)
        torch.manual_seed(0)
        config = BertConfig(**SIZES, num_labels=outputs, problem_type=problem, initializer_range=0.5)
        BertForSequenceClassification(config).save_pretrained(folder / name)
        made[name] = folder / name
    return made


def said(folder: Path, text: str) -> float:
    """By the book, one text at a time."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        z = model(**AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")).logits[0]
    if len(z) == 1:
        return float(z.sigmoid())
    if model.config.problem_type == "multi_label_classification":
        p = z.sigmoid()
        return float(torch.maximum(p, 1 - p).mean())
    return float(z.softmax(0).max())


def quiet(done: float, total: float) -> None:
    pass


@pytest.mark.parametrize("name", ["one", "several", "score"])
def test_a_classifiers_confidence(classifiers: dict[str, Path], name: str) -> None:
    found = confidences(f"model:{classifiers[name]}", TEXTS, CPU, "", quiet)

    assert found.tolist() == pytest.approx([said(classifiers[name], text) for text in TEXTS], abs=1e-5)
    assert found.std() > 0.01


def test_what_is_no_classifier_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoTeacher, match=r"nowhere cannot be loaded as a classifier"):
        confidences(f"model:{tmp_path / 'nowhere'}", TEXTS, CPU, "", quiet)


def test_a_server_is_asked_in_pieces() -> None:
    def behaviour(body: dict[str, Any]) -> tuple[int, str]:
        return 200, "RAW" + json.dumps({"confidences": [len(text) / 100 for text in body["texts"]]})

    with generator(behaviour) as fake:
        found = confidences(fake.url, TEXTS, CPU, fake.url, quiet)
    assert found.tolist() == pytest.approx([len(text) / 100 for text in TEXTS])
    assert [len(one["texts"]) for one in fake.asked] == [64, 6]
    assert {one["path"] for one in fake.asked} == {"/v1"}


@pytest.mark.parametrize(
    "answer",
    ["no", "{}", '{"confidences": [0.5]}', '{"confidences": "all"}', json.dumps({"confidences": [2] * 64})],
)
def test_a_server_that_answers_otherwise(answer: str) -> None:
    with (
        generator(lambda body: (200, f"RAW{answer}")) as fake,
        pytest.raises(NoTeacher, match="with 64 numbers"),
    ):
        confidences(fake.url, TEXTS, CPU, fake.url, quiet)


def test_a_server_that_is_not_allowed_is_not_asked() -> None:
    with generator(lambda body: (200, "RAW{}")) as fake, pytest.raises(Invalid, match="POSTIL_GENERATORS"):
        confidences(fake.url, TEXTS, CPU, "https://other.example/v1", quiet)
    assert fake.asked == []


def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.server.time.sleep", lambda seconds: None)
    url = away()
    with pytest.raises(ServerDown, match=r"the teacher at .* cannot be reached"):
        confidences(url, TEXTS, CPU, url, quiet)


def test_what_a_teacher_may_be() -> None:
    assert [teachers.reads(one) for one in (None, "sure", "model:a/b", "https://a.example/v1")] == [
        0,
        0,
        1,
        1,
    ]
    assert [teachers.field(one) for one in (None, "sure", "model:a/b")] == [None, "sure", None]
    assert teachers.model("model: a/b") == "a/b"
    assert teachers.key("model:a") != teachers.key("model:b")


def campaign(context: Context, folder: Path, teacher: str) -> str:
    with context.database.transaction() as connection:
        new = NewCampaign(
            "one", ["a", "b"], str(folder), strategy="signal", teacher=teacher, near_duplicates="keep"
        )
        c = campaigns.create(connection, new).id
        campaigns.change(connection, c, paused=True)
        fill(connection, context.files, c, [Example(text) for text in dict.fromkeys(TEXTS)])
        seal(connection, context.files, c)
        advance(connection, c)
    while door.work(context, "gpu"):
        pass
    return c


def test_a_campaigns_teacher_reads_its_pool_once(context: Context, classifiers: dict[str, Path]) -> None:
    teacher = f"model:{classifiers['one']}"
    c = campaign(context, classifiers["one"], teacher)
    with context.database.transaction() as connection:
        now = situation.load(connection, context.files, campaigns.get(connection, c), 0)
        assert now.teacher is not None
        at = np.array([5, 0])
        texts = list(dict.fromkeys(TEXTS))
        assert now.teacher(at).tolist() == pytest.approx(
            [said(classifiers["one"], texts[row]) for row in at.tolist()], abs=1e-5
        )
        advance(connection, c)
        assert len(jobs.of_kind(connection, c, "teach")) == 1
        campaigns.change(connection, c, teacher=f"model:{classifiers['several']}")
        advance(connection, c)
        assert len(jobs.of_kind(connection, c, "teach")) == 2
        changed = situation.load(connection, context.files, campaigns.get(connection, c), 0)
        assert changed.teacher is not None
        assert changed.teacher(at).tolist() == [0.5, 0.5]


def test_a_teacher_that_is_away_stops_nothing(context: Context, classifiers: dict[str, Path]) -> None:
    c = campaign(context, classifiers["one"], f"model:{classifiers['one'].parent / 'nowhere'}")
    with context.database.transaction() as connection:
        (job,) = jobs.of_kind(connection, c, "teach")
        assert "cannot be loaded as a classifier" in job.error
        now = situation.load(connection, context.files, campaigns.get(connection, c), 0)
        assert now.teacher is not None
        assert now.teacher(np.arange(2)).tolist() == [0.5, 0.5]
