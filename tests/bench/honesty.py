"""Whether a campaign's intervals hold: simulated campaigns whose truth is known.

    python -m tests.bench.honesty FOLDER --out OUT [--set banking77 --campaigns 50]

Campaigns by `postil simulate --frozen --holdout` with hold-outs of 100, 200, 300 and 400 labels, on a set's texts
shuffled: 3,000 of them are the test set, so that it and the hold-outs are drawn from the same texts. Said is how many
of the stated intervals of 95 % hold

- accuracy: the newest model's on the whole test set, at the end of each campaign;
- labels saved: the labels with which random draws (the mean curve of 10 seeds, no strategy) are as accurate on the test
  set as the campaign's newest model is, less the campaign's own.

Resumable; a campaign takes about half a minute, and a random curve one.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from service.demo import encoder
from service.measure.intervals import wilson
from tests.bench import labels
from workers.simulation import report
from workers.simulation.plan import Plan, Run, digest, keep
from workers.simulation.simulation import Inputs, simulate

TEST_ROWS = 3_000
HOLDOUTS = {100: (0.4, 500), 200: (0.6, 700), 300: (0.8, 750), 400: (0.8, 1_000)}
"""Labels that measure: the share of random draws, half of which they are, and all labels of the campaign."""
POINTS = 10
BEYOND = 100
"""Random curves go on in steps of so many labels."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", choices=["banking77", "snips_nlu"])
    parser.add_argument("--campaigns", type=int, default=50, help="of each set")
    parser.add_argument("--random-labels", type=int, default=1_500)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.set or ["banking77", "snips_nlu"]:
        bench = Bench(
            *prepare(arguments.folder / name, arguments.out / "data" / name),
            arguments.out / name,
            arguments.jobs,
        )
        chance = bench.points(
            "random",
            [Run("random", seed) for seed in range(10)],
            start=50,
            batch=BEYOND,
            labels=arguments.random_labels,
            random_share=0.0,
            holdout=0,
        )
        (curve,) = report.curves(chance, "accuracy", ())
        ends: list[dict[str, Any]] = []
        for at, (holdout, (share, most)) in enumerate(HOLDOUTS.items()):
            runs = [Run("auto", seed) for seed in range(at, arguments.campaigns, len(HOLDOUTS))]
            points = bench.points(
                f"holdout-{holdout}",
                runs,
                start=most // POINTS,
                batch=most // POINTS,
                labels=most,
                random_share=share,
                holdout=holdout,
            )
            ends += {point["seed"]: point for point in points}.values()  # the last of each
        print(json.dumps({"set": name, "random": curve.mean} | held(ends, curve)), flush=True)


@dataclass(frozen=True)
class Bench:
    data: Path
    test: Path
    out: Path
    jobs: int

    def points(self, name: str, runs: Sequence[Run], **numbers: Any) -> list[dict[str, Any]]:
        plan = Plan(
            digest(self.data),
            digest(self.test),
            "",
            noise=(0.0,),
            problem="single_label",
            frozen=True,
            **numbers,
        )
        out = self.out / name
        keep(plan, out)
        inputs = Inputs(self.data, self.test, encoder.path(), "text", "single_label", out)
        return simulate(inputs, plan, runs, self.jobs, lambda done: None)


def prepare(source: Path, to: Path) -> tuple[Path, Path]:
    """(pool, test set), drawn from all rows of the set."""
    rows = [row for part in ("train", "test") for row in labels.rows(source / f"{part}.jsonl")]
    order = np.random.default_rng(0).permutation(len(rows))
    test, pool = ([rows[at] for at in some] for some in (order[:TEST_ROWS], order[TEST_ROWS:]))
    return labels.write(to, pool, test)


def held(ends: Sequence[dict[str, Any]], random: report.Curve) -> dict[str, Any]:
    """How many intervals of the campaigns' last points hold the truth.

    Where random draws never came as far and the interval ends beyond them, that is not known.
    """
    heights = np.array(random.mean)
    accuracy, saved, above, widths, unknown = [], [], [], [], 0
    for point in ends:
        measured = point["measured"]
        accuracy.append(measured["low"] <= point["accuracy"] <= measured["high"])
        told = point["gain"] and point["gain"]["saved"]
        needed = report.needed(random.labels, heights, point["accuracy"])
        if not told:
            continue
        low = np.inf if told["low"] is None else told["low"]
        high = np.inf if told["high"] is None else told["high"]
        farthest = random.labels[-1] - point["gain"]["labels"]
        if needed is None and farthest <= high < np.inf:
            unknown += 1
            continue
        truth = (np.inf if needed is None else needed) - point["gain"]["labels"]
        saved.append(low <= truth <= high)
        above.append(truth > high)
        widths.append(high - low)
    whole = {"accuracy": accuracy, "labels saved": saved}
    found: dict[str, Any] = {
        name: {"of": len(each), "held": sum(map(bool, each))}
        | {"share": msgspec.to_builtins(wilson(sum(map(bool, each)), len(each)))}
        for name, each in whole.items()
        if each
    }
    return found | {
        "beyond the random curves": unknown,
        "truth above": int(sum(above)),
        "median width": float(np.median(widths)) if widths else None,
    }


if __name__ == "__main__":
    main()
