"""Whether the intervals of `service.gain` and `service.stopping` hold on real text, by campaigns that are replayed.

    python -m tests.bench.gain_text docstrings FOLDER ... [--campaigns 60]

A FOLDER has train.jsonl and test.jsonl with `text` and `label`; `docstrings` is the demo's own text. The learner is
logistic regression on the base model's embeddings; each round adds 40 texts of the smallest margins and 5 random
ones, on which a reference is trained. 400 random texts measure; half of the set, kept apart, tells the truth, and so
does random learning, in the mean of many draws.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from service import gain, stopping
from service.demo import encoder
from service.measure import jackknife, power_law, single_label
from service.measure.intervals import Floats
from tests.bench import texts
from workers import device
from workers.encoder import Encoder

ROUNDS, TESTS, MOST = 10, 400, 9_000
SIZES = np.array([10, 20, 40, 80, 160, 320, 640, 1280, 2500])


class Part:
    """Embeddings (n, d) and classes (n,)."""

    def __init__(self, base: Floats, classes: NDArray[np.int64]) -> None:
        self.base, self.classes = base, classes

    def fit(self, rows: NDArray[np.int64]) -> LogisticRegression:
        return LogisticRegression(C=50, max_iter=300).fit(self.base[rows], self.classes[rows])

    def right(self, model: LogisticRegression) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = model.predict(self.base) == self.classes
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--campaigns", type=int, default=60)
    parser.add_argument("--draws", type=int, default=12)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of convergence: as far as it came is what the learner is
    base = Encoder.load(encoder.path(), *device.best())
    for name in arguments.sets:
        pool, apart = _halves(base, name)
        rng = np.random.default_rng(1)
        sizes = SIZES[len(pool.classes) > SIZES]
        chance = [
            np.mean([_error(apart, pool.fit(_drawn(pool, n, rng))) for _ in range(arguments.draws)])
            for n in sizes
        ]
        print(
            Path(name).name, "random:", dict(zip(sizes.tolist(), np.round(chance, 3).tolist(), strict=True))
        )
        found = [_campaign(pool, apart, seed) for seed in range(arguments.campaigns)]
        mean = np.mean([true for _, _, true in found], axis=0)
        print("chosen:", np.round(mean, 3).tolist())
        _report(found, mean, sizes, np.array(chance))


def _halves(base: Encoder, name: str) -> tuple[Part, Part]:
    read = texts.read(None if name == "docstrings" else Path(name))
    every = read.texts + read.test_texts
    rows = np.random.default_rng(0).permutation(len(every))[:MOST]
    embedded = base.embed(base.tokenize([every[row] for row in rows])).astype(np.float64)
    classes = np.concatenate([read.classes, read.test_classes])[rows]
    half = len(rows) // 2
    return Part(embedded[:half], classes[:half]), Part(embedded[half:], classes[half:])


def _drawn(pool: Part, n: int, rng: Generator) -> NDArray[np.int64]:
    """Rows of n random labels, two classes at least."""
    while True:
        rows = rng.choice(len(pool.classes), n, replace=False)
        if len(np.unique(pool.classes[rows])) > 1:
            return rows


def _error(part: Part, model: LogisticRegression) -> float:
    return float(1 - part.right(model).mean())


def _campaign(pool: Part, apart: Part, seed: int) -> tuple[gain.Gain, stopping.Outlook | None, list[float]]:
    """What it says after ten rounds, and the true errors after each, and two rounds on."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(pool.classes))
    test, rest = Part(pool.base[rows[:TESTS]], pool.classes[rows[:TESTS]]), rows[TESTS:].tolist()
    labeled: list[int] = []
    control: list[int] = []
    own, random, sizes, true = [], [], [], []
    model = None
    for number in range(1, ROUNDS + 3):
        control += [rest.pop() for _ in range(5)]
        if model is None:
            chosen = [rest.pop() for _ in range(40)]
        else:
            said = np.sort(model.predict_proba(pool.base[rest]), axis=1)
            chosen = np.array(rest)[np.argsort(said[:, -1] - said[:, -2])[:40]].tolist()
            rest = [row for row in rest if row not in set(chosen)]
        labeled += chosen + control[-5:]
        model = pool.fit(np.array(labeled))
        true.append(_error(apart, model))
        if number > ROUNDS:
            continue
        own.append(test.right(model))
        if number > 1 and len(np.unique(pool.classes[control])) > 1:
            random.append(test.right(pool.fit(np.array(control))))
            sizes.append(len(control))
    chosen_sizes = 45.0 * np.arange(1, ROUNDS + 1)
    scores, covariance = jackknife.jointly(map(single_label.parts, own + random), single_label.score)
    covariance = jackknife.careful(1 - scores, covariance, TESTS)
    n = np.concatenate([chosen_sizes, np.array(sizes, np.float64)])
    said_gain = gain.estimate(n, np.arange(len(n)) >= ROUNDS, 1 - scores, covariance)
    alone = covariance[:ROUNDS, :ROUNDS]
    laws = power_law.posterior([chosen_sizes], [1 - scores[:ROUNDS]], alone, np.random.default_rng(0))
    return said_gain, None if laws is None else stopping.outlook(laws[0], 90), true


def _report(
    found: list[tuple[gain.Gain, stopping.Outlook | None, list[float]]],
    mean: Floats,
    sizes: Floats,
    chance: Floats,
) -> None:
    def needed(error: float) -> float:
        return float(np.exp(np.interp(-error, -chance, np.log(sizes), right=np.inf)))

    curve = needed(float(mean[ROUNDS - 1]))
    told = [(one, needed(true[ROUNDS - 1])) for one, _, true in found]
    spans = [(one.random, model) for one, model in told if one.random]
    ends = [(one.low or 0, np.inf if one.high is None else one.high, model) for one, model in spans]
    median = np.median([one.value or np.inf for one, _ in spans])
    more = float(mean[ROUNDS - 1] - mean[ROUNDS + 1])
    gains = [one.gain for _, one, _ in found if one]
    print(
        f"needed for {45 * ROUNDS}: true {curve:.0f}, median {median:.0f}, "
        f"held {np.mean([low <= curve <= high for low, high, _ in ends]):.2f} (curve) "
        f"{np.mean([low <= model <= high for low, high, model in ends]):.2f} (model), "
        f"above {np.mean([curve > high for _, high, _ in ends]):.2f}, "
        f"open {np.mean([high == np.inf for _, high, _ in ends]):.2f}, "
        f"×{np.median([high / max(low, 1) for low, high, _ in ends]):.0f}; "
        f"90 more: true {more:.4f}, held {np.mean([one.low <= more <= one.high for one in gains]):.2f}, "
        f"above {np.mean([more > one.high for one in gains]):.2f}; no answer {len(found) - len(spans)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
