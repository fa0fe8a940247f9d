"""Auto-labels in simulated campaigns: how often the promise is broken, and how much of an oracle's coverage there is.

    make bench-auto DATA=folder [ARGS='--campaigns 200']
    python -m tests.bench.auto folder

`folder` holds one set as for bench-labels (banking77, say). In each campaign so many examples of the pool, drawn at
random, are its hold-out and others its labels; linear heads learn from these. The promise is broken where of the rest
of the pool with a confidence above the cut-off a smaller share is right than was promised. The oracle's cut-off is the
lowest whose share is the one promised, on the truth.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from service.demo import encoder
from service.measure.guarantee import cutoff
from tests.bench.labels import prepare
from workers import learner
from workers.recipe import Recipe
from workers.simulation import simulation
from workers.simulation.simulation import Inputs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--holdout", type=int, default=400)
    parser.add_argument("--labels", type=int, default=525)
    parser.add_argument("--precision", type=float, default=0.97)
    parser.add_argument("--level", type=float, default=0.95)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        data, test = prepare(arguments.folder, Path(folder))
        inputs = Inputs(data, test, encoder.path(), "text", "single_label", Path(folder))
        stage, base = simulation.prepare(inputs)
    truth, broken, refused = stage.pool.classes, 0, 0
    covered, possible = [], []
    for seed in range(arguments.campaigns):
        order = np.random.default_rng(seed).permutation(len(truth))
        held, train, rest = np.split(order, [arguments.holdout, arguments.holdout + arguments.labels])
        fitted = learner.fit(
            base,
            stage.corpus.take(np.concatenate([train, rest])),
            np.arange(len(train)),
            truth[train],
            np.ones(len(train), np.float32),
            len(stage.labels),
            seed,
            Recipe(contest=np.inf),
        )
        said = learner.predict(base, fitted, stage.corpus.tokens, stage.corpus.base).probabilities
        sure, right = said.max(axis=1), said.argmax(axis=1) == truth
        found = cutoff(sure[held], right[held], arguments.precision, arguments.level)
        means = np.cumsum(right[rest][np.argsort(-sure[rest])]) / np.arange(1, len(rest) + 1)
        possible.append(max(np.flatnonzero(means >= arguments.precision), default=-1) + 1)
        above = rest[sure[rest] > found.confidence] if not isinstance(found, str) else rest[:0]
        refused += isinstance(found, str)
        broken += len(above) > 0 and right[above].mean() < arguments.precision
        covered.append(len(above))
        if (seed + 1) % 20 == 0:
            share, of_rest = sum(covered) / max(1, sum(possible)), np.mean(covered) / len(rest)
            words = f"coverage {of_rest:.3f} of the rest, {share:.0%} of the oracle's"
            print(f"{seed + 1} campaigns: broken {broken}, refused {refused}, {words}", flush=True)


if __name__ == "__main__":
    main()
