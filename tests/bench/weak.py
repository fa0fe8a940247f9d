"""What a quota for the weakest domain or class buys: the worst one's score and that of all, against none.

    make bench-weak DATA=FOLDER [ARGS='--set sources --seeds 5 --jobs 2']
    python -m tests.bench.weak FOLDER

FOLDER is as for bench-labels. Sets, of which two have unequal domains:

    sources   up to 4,000 texts each of banking77, snips_nlu and dolly_filtered_3k in one campaign: a domain each
    intents   banking77, its intents by the word that stands for a subject in their names: SUBJECTS are domains
    dolly     dolly_filtered_3k, without domains: its eight classes are unequal

In `sources` the weakest is the one that a hold-out names, a tenth of the labels, and the result is measured on test
texts that the campaign does not see; groups of the others are too small for that, so there the test set is posted and
names it. Linear heads alone. Shares are compared by seed; the table has paired 95 % intervals
over seeds (t), at the end and in the mean of all points from the second third on.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from service.demo import encoder
from tests.bench.labels import TEST_ROWS, rows, write
from workers.simulation import simulation
from workers.simulation.plan import Plan, Run, digest
from workers.simulation.simulation import Inputs

SHARES = (0.0, 0.2, 0.4)
MOST = 4_000
SOURCES = ("banking77", "snips_nlu", "dolly_filtered_3k")
SUBJECTS = (
    "top_up",
    "topping_up",
    "transfer",
    "exchange",
    "cash",
    "atm",
    "verif",
    "identity",
    "refund",
    "pin",
    "card",
)
SETS = {"sources": ("worst_domain", 400), "intents": ("worst_domain", 0), "dolly": ("worst_class", 0)}
"""What is compared, and the size of the hold-out."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(".postil/bench-weak"))
    parser.add_argument("--set", action="append", choices=SETS, help="one or several; else all")
    parser.add_argument("--labels", type=int, default=425)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.set or SETS:
        data, test = write(arguments.out / "data" / name, *_read(arguments.folder, name))
        found = {}
        for share in SHARES:
            plan = Plan(
                digest(data),
                digest(test),
                encoder.path(),
                25,
                50,
                arguments.labels,
                noise=(0.0,),
                random_share=0.2,
                problem="single_label",
                frozen=True,
                holdout=SETS[name][1],
                weak_share=share,
            )
            plan.check()
            out = arguments.out / f"{name}-{arguments.strategy}-{share:g}"
            plan.keep(out)
            runs = [Run(arguments.strategy, seed) for seed in range(arguments.seeds)]
            inputs = Inputs(data, test, plan.model, "text", plan.problem, out)
            found[share] = simulation.simulate(inputs, plan, runs, arguments.jobs, lambda done: None)
        print(_table(name, found), flush=True)


def _read(folder: Path, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(pool, test set), each row with a domain where the set has some."""
    pool: list[dict[str, Any]] = []
    test: list[dict[str, Any]] = []
    for source in (
        SOURCES if name == "sources" else ["banking77" if name == "intents" else "dolly_filtered_3k"]
    ):
        train, its = (list(rows(folder / source / f"{part}.jsonl")) for part in ("train", "test"))
        if not its:
            order = np.random.default_rng(7).permutation(len(train))
            its, train = ([train[at] for at in some] for some in (order[:TEST_ROWS], order[TEST_ROWS:]))
        if name == "sources":
            train = [train[at] for at in np.random.default_rng(0).permutation(len(train))[:MOST]]
        for to, part in ((pool, train), (test, its)):
            for row in part:
                label = row["label"]
                domain = {"sources": source, "intents": _subject(label), "dolly": None}[name]
                to.append({"text": row["text"], "label": label} | ({"domain": domain} if domain else {}))
    return pool, test


def _subject(label: str) -> str:
    return next((one for one in SUBJECTS if one in label.lower()), "other")


def _table(name: str, found: dict[float, list[dict[str, Any]]]) -> str:
    worst = SETS[name][0]
    lines = [
        f"{name}: {_counts(found[0.0])}",
        f"| share | {worst} | – minus none | accuracy | – minus none |",
    ]
    lines += ["| --- | --- | --- | --- | --- |"]
    for late in (False, True):
        table = {
            share: {metric: _by_seed(points, metric, late) for metric in (worst, "accuracy")}
            for share, points in found.items()
        }
        for share, each in table.items():
            cells = [f"{share:g}, {'from the second third on' if late else 'at the end'}"]
            for metric in (worst, "accuracy"):
                cells += [f"{each[metric].mean():.4f}", _paired(each[metric] - table[0.0][metric])]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _by_seed(points: list[dict[str, Any]], metric: str, late: bool) -> np.ndarray:
    """(seeds,) at the end, or the mean of the later two thirds of the curve."""
    most = max(point["labels"] for point in points)
    kept = [point for point in points if point["labels"] >= (most / 3 if late else most)]
    seeds = sorted({point["seed"] for point in kept})
    return np.array([np.mean([one[metric] for one in kept if one["seed"] == seed]) for seed in seeds])


def _paired(gaps: np.ndarray) -> str:
    if not gaps.any() or len(gaps) < 2:
        return ""
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return f"{gaps.mean():+.4f} [{gaps.mean() - half:+.4f}, {gaps.mean() + half:+.4f}]"


def _counts(points: list[dict[str, Any]]) -> str:
    """Which one the hold-outs named, and how the domains stand at the end of the first seed."""
    named: Counter[str] = Counter()
    for point in points:
        weak = point["weakest"]["domain"] or point["weakest"]["class"]
        named[weak["group"]["name"] if weak["group"] else "none"] += 1
    last = [point for point in points if point["seed"] == 0][-1]
    return f"named {json.dumps(dict(named.most_common()))}; at the end {json.dumps(last['domains'])}"


if __name__ == "__main__":
    main()
