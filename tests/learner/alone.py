"""Lines of the documentation, run where nothing of this project can be imported."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service import model_card, standalone
from service.standalone import Form
from tests.learner.conftest import WORDS
from workers import learner, tagger
from workers.alignment import Span
from workers.corpus import Corpus
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.recipe import Recipe
from workers.tagger import Tagger

LABELS = ["animals", "numbers", "weather"]
TEXTS = ["the old cat", "", "log of the prime root", "snow " * 40, "Cat,dog  was a\nfog"]
ASKED = '["The first text.", "And another one."]'
BARRED = ("service", "workers", "strategies")

ALONE = """\
import json, os, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in BARRED else self.finder.find_spec(name, path, target)

BARRED, given = json.loads(sys.stdin.read())
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
answers = {}
for problem, lines in given.items():
    os.chdir(problem)
    names = {}
    exec(lines, names)
    os.chdir("..")
    answers[problem] = [names["found"], names["p"].tolist() if "p" in names else None]
print(json.dumps(answers))
"""


Said = dict[str, list[object]]
"""By problem: what was found in each text, and the probabilities, where the lines have them."""


def run(
    folder: Path, texts: list[str], problems: list[str], form: Form = "adapter", barred: tuple[str, ...] = ()
) -> Said:
    """What the lines of a form say of texts; it lies in `folder`/<problem>/<form>. `barred`: further packages.

    Where there is a card, its lines are run.
    """
    lines = {}
    for problem in problems:
        card = folder / problem / form / model_card.NAME
        told = card.read_text().split("```")[1].partition("\n")[2] if card.exists() else ""
        lines[problem] = (told or standalone.use(problem, form)).replace(ASKED, repr(texts))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE],
        input=json.dumps([[*BARRED, *barred], lines]),
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found: Said = json.loads(done.stdout.splitlines()[-1])
    return found


def trained(encoder: Encoder, labeled: tuple[list[str], NDArray[np.int64]]) -> dict[str, Fitted | Tagger]:
    """An adapter of each problem, in which LoRA has a part; but for several labels, of which it has none."""
    texts, labels = labeled
    tokens = encoder.tokenize(texts)
    corpus, rows, ones = Corpus(tokens, encoder.embed(tokens)), np.arange(90), np.ones(90, np.float32)
    single = learner.fit(encoder, corpus, rows, labels, ones, 3, 4, Recipe(rate=1e-2, batch=32))
    assert not single.frozen
    sets = np.stack([labels == 0, labels != 1, np.arange(90) % 2 == 0], axis=1)
    several = learner.fit(encoder, corpus, rows, sets, ones, 3, 4, problem="multi_label")
    spans = tagger.fit(encoder, *spanned(texts), ones, 3, 0, Recipe(upper=False, rate=1e-2, batch=8))
    return {"single_label": single, "multi_label": several, "spans": spans}


def assert_postils(encoder: Encoder, models: Mapping[str, Fitted | Tagger], said: Said) -> None:
    """What was said of TEXTS is what Postil says of them."""
    asked = encoder.tokenize(TEXTS)
    for problem, fitted in models.items():
        found, p = said[problem]
        if isinstance(fitted, Tagger):
            assert found == by_postil(encoder, fitted, TEXTS)
            assert any(by_postil(encoder, fitted, TEXTS))
            continue
        expected = learner.predict(encoder, fitted, asked).probabilities
        assert np.allclose(np.array(p), expected, atol=1e-5)
        if fitted.thresholds is None:
            assert found == [LABELS[best] for best in expected.argmax(axis=1)]
        else:
            decided = expected >= np.array(fitted.thresholds)
            assert found == [[LABELS[at] for at in np.flatnonzero(row)] for row in decided]


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
