"""A tagger of spans trained on a few random labels: entity-level micro F1.

    python -m tests.bench.spans FOLDER ... --labels 100 250 500 1000 --seeds 3

A FOLDER has train.jsonl and test.jsonl with `tokens` and `tags` in IOB2; a text is its tokens with spaces between. At
most 1,000 test rows are drawn (`--test`). One JSON line per run: F1 in percent with precision, recall and the
expected calibration error of spans, what the look at held-out texts saw, processor seconds of `fit`, and texts per
second of `predict`.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.demo import encoder
from service.measure import spans as measure
from tests.bench import labels
from workers import device, tagger
from workers.encoder import Encoder

Row = tuple[str, list[tuple[int, int, str]]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", nargs="+", type=int, default=[100, 250, 500, 1_000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=1_000)
    parser.add_argument("--model", default="")
    arguments = parser.parse_args()
    base = Encoder.load(arguments.model or encoder.path(), *device.best())
    for folder in arguments.folders:
        train, test = (read(folder / f"{part}.jsonl") for part in ("train", "test"))
        test = [test[at] for at in sorted(np.random.default_rng(7).permutation(len(test))[: arguments.test])]
        names = sorted({label for _, spans in train for _, _, label in spans})
        truth = np.array(
            [(at, *span) for at, (_, spans) in enumerate(test) for span in coded(spans, names)], np.int64
        )
        for n in arguments.labels:
            for seed in range(arguments.seeds):
                rows = np.random.default_rng(seed).permutation(len(train))[:n]
                texts = [train[row][0] for row in rows]
                answers = [coded(train[row][1], names) for row in rows]
                started = time.process_time()
                fitted = tagger.fit(base, texts, answers, np.ones(n, np.float32), len(names), seed)
                seconds = time.process_time() - started
                tagged = tagger.predict(base, fitted, [text for text, _ in test])
                found = measured(tagged, truth, len(test), len(names))
                line = {
                    "set": folder.name,
                    "labels": n,
                    "seed": seed,
                    **found,
                    "held": fitted.metrics["held"],
                    "temperature": round(fitted.temperature, 3),
                    "cpu_s": round(seconds, 1),
                    "rate": round(tagged.rate),
                }
                print(json.dumps(line), flush=True)


def read(file: Path) -> list[Row]:
    """Texts and their spans of characters (start, end, label)."""
    return [
        (row["text"], [(one["start"], one["end"], one["label"]) for one in row["spans"]])
        for row in labels.rows(file)
    ]


def coded(spans: list[tuple[int, int, str]], names: list[str]) -> list[tuple[int, int, int]]:
    return [(start, end, names.index(label)) for start, end, label in spans if label in names]


def measured(
    tagged: tagger.Tagged, truth: NDArray[np.int64], texts: int, classes: int
) -> dict[str, float | None]:
    spans = tagged.spans
    found = measure.measure(spans.rows, truth, texts, classes, np.random.default_rng(0), spans.confidence)
    assert found is not None  # there are texts
    numbers = {"f1": found.f1, "precision": found.precision, "recall": found.recall, "ece": found.ece}
    return {name: None if one is None else round(100 * one.value, 1) for name, one in numbers.items()}


if __name__ == "__main__":
    main()
