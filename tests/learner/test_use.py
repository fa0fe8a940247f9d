"""The lines of the documentation and of the model card, run where nothing of this project can be imported."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service import model_card
from tests.learner.conftest import WORDS
from workers import adapter, learner, tagger
from workers.alignment import Span
from workers.corpus import Corpus
from workers.encoder import Encoder
from workers.recipe import Recipe

PAGE = Path(model_card.__file__).parent / "docs" / "adapters.md"
LABELS = ["animals", "numbers", "weather"]
TEXTS = ["the old cat", "", "log of the prime root", "snow " * 40, "Cat,dog  was a\nfog"]
ASKED = '["The first text.", "And another one."]'

ALONE = """\
import json, os, sys

class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("service", "workers", "strategies"):
            raise ModuleNotFoundError(f"{name} is not to be had here")

sys.meta_path.insert(0, Nobody())
answers = {}
for problem, lines in json.loads(sys.stdin.read()).items():
    os.chdir(problem)
    names = {}
    exec(lines, names)
    os.chdir("..")
    answers[problem] = [names["found"], names["p"].tolist() if "p" in names else None]
print(json.dumps(answers))
"""


def test_the_page_and_the_card_have_the_same_lines() -> None:
    page = PAGE.read_text("utf-8")
    blocks = [block.partition("\n")[2] for block in page.split("```")[1::2]]
    for problem in ("single_label", "multi_label", "spans"):
        assert model_card.use(problem) in blocks
        assert model_card.use(problem).count(ASKED) == 1
    assert f"```python\n{model_card.use('single_label')}```" in page


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_they_say_what_postil_says(
    tiny: Encoder, labeled: tuple[list[str], NDArray[np.int64]], tmp_path: Path
) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts)
    corpus, rows, ones = Corpus(tokens, tiny.embed(tokens)), np.arange(90), np.ones(90, np.float32)
    recipe = Recipe(rate=1e-2, batch=32)
    single = learner.fit(tiny, corpus, rows, labels, ones, 3, 4, recipe)
    assert not single.frozen
    sets = np.stack([labels == 0, labels != 1, np.arange(90) % 2 == 0], axis=1)
    several = learner.fit(tiny, corpus, rows, sets, ones, 3, 4, problem="multi_label")
    spans = tagger.fit(tiny, *spanned(texts), ones, 3, 0, Recipe(upper=False, rate=1e-2, batch=8))
    for problem, fitted in {"single_label": single, "multi_label": several, "spans": spans}.items():
        adapter.save(fitted, tmp_path / problem / "adapter", LABELS, {}, {})

    said = run(tmp_path, TEXTS)

    asked = tiny.tokenize(TEXTS)
    expected = learner.predict(tiny, single, asked).probabilities
    assert said["single_label"][0] == [LABELS[best] for best in expected.argmax(axis=1)]
    assert np.allclose(said["single_label"][1], expected, atol=1e-5)
    expected = learner.predict(tiny, several, asked).probabilities
    assert several.thresholds is not None
    assert said["multi_label"][0] == [
        [LABELS[at] for at in np.flatnonzero(row >= np.array(several.thresholds))] for row in expected
    ]
    assert np.allclose(said["multi_label"][1], expected, atol=1e-5)
    assert said["spans"][0] == by_postil(tiny, spans, TEXTS)
    assert any(said["spans"][0])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("words", [True, False])
def test_spans_of_an_unsure_tagger_are_the_same_too(minilm: Encoder, tmp_path: Path, words: bool) -> None:
    """One with a head of noise: tags that may not follow each other, and words of several tokens, are everywhere."""
    untaught = tagger.fit(minilm, ["a text"], [[]], np.ones(1, np.float32), 3, 0)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=untaught.weight.shape).astype(np.float32)
    noisy = replace(untaught, weight=weight, bias=np.zeros_like(untaught.bias), words=words, temperature=0.5)
    adapter.save(noisy, tmp_path / "spans" / "adapter", LABELS, {}, {})
    pieces = ["cat", "uncopyrightable", "sum", " ", "  ", ",", "ß", "9", "é", "日", "\u00ad", "x"]
    texts = ["".join(rng.choice(pieces, 16)) for _ in range(60)]

    assert run(tmp_path, texts, ["spans"])["spans"][0] == by_postil(minilm, noisy, texts)


def run(folder: Path, texts: list[str], problems: list[str] | None = None) -> dict[str, list[object]]:
    lines = {
        problem: model_card.use(problem).replace(ASKED, repr(texts))
        for problem in problems or ["single_label", "multi_label", "spans"]
    }
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", ALONE],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def by_postil(encoder: Encoder, fitted: tagger.Tagger, texts: list[str]) -> list[list[list[object]]]:
    rows = tagger.predict(encoder, fitted, texts).spans.rows.tolist()
    return [
        [[start, end, LABELS[label]] for row, start, end, label in rows if row == at]
        for at in range(len(texts))
    ]


def spanned(texts: list[str]) -> tuple[list[str], list[list[Span]]]:
    """Words of a topic are spans of its class."""
    answers = []
    for text in texts:
        found, at = [], 0
        for word in text.split():
            at = text.index(word, at)
            topic = (WORDS.index(word) - 4) // 5
            if topic < 3:
                found.append((at, at + len(word), topic))
            at += len(word)
        answers.append(found)
    return texts, answers
