"""An adapter against logistic regression on frozen embeddings, trained on the same few random labels.

    python -m tests.bench.learner docstrings FOLDER ... --labels 100 200 300 --seeds 3

A FOLDER has train.jsonl and test.jsonl with `text` and `label`; `docstrings` is the demo's own text. At most
1,000 test rows are drawn. One JSON line per run: test accuracy of both, what the contest saw, and the
processor seconds of `fit`.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.demo import docstrings, encoder
from workers import baseline, device, learner
from workers.encoder import Encoder

Labeled = tuple[list[str], list[str]]
TEST_ROWS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--labels", nargs="+", type=int, default=[100, 200, 300])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="")
    arguments = parser.parse_args()
    base = Encoder.load(arguments.model or encoder.path(), device.best())
    for name in arguments.sets:
        (texts, labels), (test_texts, test_labels) = read(name)
        names = sorted(set(labels))
        classes, right = indices(labels, names), indices(test_labels, names)
        measured = base.tokenize(test_texts)
        frozen = base.embed(measured)
        for n in arguments.labels:
            for seed in range(arguments.seeds):
                rows = np.random.default_rng(100 + seed).choice(len(texts), n, replace=False)
                tokens, weights = base.tokenize([texts[row] for row in rows]), np.ones(n, np.float32)
                own = base.embed(tokens)
                linear = baseline.fit_predict(own, classes[rows], weights, frozen, len(names))
                started = time.process_time()
                fitted = learner.fit(base, tokens, classes[rows], weights, len(names), seed, base=own)
                seconds = time.process_time() - started
                line = {
                    "set": Path(name).name,
                    "labels": n,
                    "seed": seed,
                    "linear": accuracy(linear, right),
                    "fitted": accuracy(learner.predict(base, fitted, measured, frozen).probabilities, right),
                    "contest": fitted.metrics,
                    "temperature": round(fitted.temperature, 3),
                    "cpu_s": round(seconds, 1),
                }
                print(json.dumps(line), flush=True)


def read(name: str) -> tuple[Labeled, Labeled]:
    """(training, test) texts and labels."""
    if name == "docstrings":
        corpus = docstrings.corpus(seed=0, gold=TEST_ROWS)
        parts = [[(one.text, one.label) for one in part] for part in (corpus.pool, corpus.gold)]
    else:
        parts = []
        for file in ("train.jsonl", "test.jsonl"):
            rows = [json.loads(line) for line in (Path(name) / file).read_text("utf-8").splitlines()]
            parts.append([(row["text"], row["label"]) for row in rows])
        order = np.random.default_rng(7).permutation(len(parts[1]))[:TEST_ROWS]
        parts[1] = [parts[1][at] for at in order]
    train, test = (([text for text, _ in part], [label for _, label in part]) for part in parts)
    return train, test


def indices(labels: list[str], names: list[str]) -> NDArray[np.int64]:
    at = {name: i for i, name in enumerate(names)}
    return np.array([at.get(label, -1) for label in labels])


def accuracy(probabilities: NDArray[np.float32], right: NDArray[np.int64]) -> float:
    return round(float((probabilities.argmax(1) == right).mean()), 4)


if __name__ == "__main__":
    main()
