"""What people's errors cost, and what consensus, weights and second opinions win back.

    make bench-noise DATA=folder [ARGS='--seeds 5 --jobs 2']
    python -m tests.bench.noise folder

`folder` holds one set as for bench-labels (banking77, say). Three simulated annotators err with 5, 15 and 40 %, and
take a class for one like it; which for which is written to confusion.json. All cases spend as many answers:

    clean           nobody errs
    clean, weighed  nobody errs, with the settings that ship: what they cost where there is nothing to find
    single          one answer each, taken as it is
    majority        three answers each, most count
    new             one answer each, weighed
    again           as many second opinions as there may be (nine in ten)
    ships           weighed, with second opinions where labels are in doubt

table.md has accuracies by seed, what of the loss from clean to single, and to majority, each wins back, paired 95 %
intervals over seeds (t), and the precision of suspicion: of the 50 answers least likely to be right, how many are
wrong. In `new` these are raw single answers. And what an audit says of the labels' noise, beside what it is.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from service.demo import encoder
from tests.bench.labels import prepare
from workers.simulation import simulation
from workers.simulation.plan import Plan, Run, digest, keep
from workers.simulation.replay import confusion
from workers.simulation.simulation import Inputs

RATES = (0.05, 0.15, 0.40)
NOBODY = (0.0, 0.0, 0.0)
CASES: dict[str, dict[str, Any]] = {
    "clean": {"noise": NOBODY, "consensus": "majority", "second_opinions": 0.0},
    "clean, weighed": {"noise": NOBODY},
    "single": {"consensus": "majority", "second_opinions": 0.0},
    "majority": {"consensus": "majority", "second_opinions": 0.0, "overlap": 3},
    "new": {"second_opinions": 0.0},
    "again": {"second_opinions": 0.9},
    "ships": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(".postil/bench-noise"))
    parser.add_argument("--answers", type=int, default=800)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--case", action="append", choices=CASES, help="one or several; else all")
    parser.add_argument("--lora", action="store_true", help="with LoRA: about eight times as long")
    arguments = parser.parse_args()
    data, test = prepare(arguments.folder, arguments.out / "data")
    model = encoder.path()
    found: dict[str, list[dict[str, Any]]] = {}
    for name in arguments.case or CASES:
        plan = Plan(
            digest(data),
            digest(test),
            model,
            arguments.batch,
            arguments.batch,
            arguments.answers,
            random_share=0.2,
            problem="single_label",
            frozen=not arguments.lora,
            **{"noise": RATES, "errors": "similar", **CASES[name]},
        )
        plan.check()
        out = arguments.out / name.replace(", ", "-")
        keep(plan, out)
        runs = [Run(arguments.strategy, seed) for seed in range(arguments.seeds)]
        inputs = Inputs(data, test, model, "text", "single_label", out)
        simulation.simulate(inputs, plan, runs, arguments.jobs, lambda done: None)
        found[name] = [simulation.points(out, run)[-1] for run in runs]
        print(name, [point["accuracy"] for point in found[name]], found[name][0]["annotators"], flush=True)
    stage, _ = simulation.prepare(Inputs(data, test, model, "text", "single_label", arguments.out))
    shares = {"labels": stage.labels, "shares": confusion(stage).round(5).tolist()}
    (arguments.out / "confusion.json").write_text(json.dumps(shares), "utf-8")
    text = table({name: np.array([point["accuracy"] for point in ends]) for name, ends in found.items()})
    suspicion = {name: [point["suspicion"] for point in ends] for name, ends in found.items()}
    text += "\nPrecision of suspicion at 50, by seed:\n\n"
    text += "".join(f"- {name}: {' '.join(map(str, each))}\n" for name, each in suspicion.items())
    text += "\nNoise as an audit says it, its interval, and the share of labels that is wrong, by seed:\n\n"
    for name, ends in found.items():
        said = [point["noise"] for point in ends]
        words = "; ".join("{value:.3f} [{low:.3f}, {high:.3f}], {wrong:.3f}".format(**one) for one in said)
        text += f"- {name}: {words}\n"
    (arguments.out / "table.md").write_text(text, "utf-8")
    print(text)


def table(accuracy: dict[str, np.ndarray[Any, Any]]) -> str:
    lines = ["| case | accuracy, mean and by seed | minus single | of single's loss | of majority's loss |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name, each in accuracy.items():
        by_seed = " ".join(f"{one:.3f}" for one in each)
        less = paired(each - accuracy["single"]) if "single" in accuracy else "–"
        won = [share(accuracy, each, name_) for name_ in ("single", "majority")]
        lines.append(f"| {name} | {each.mean():.4f}: {by_seed} | {less} | {won[0]} | {won[1]} |")
    return "\n".join(lines) + "\n"


def share(accuracy: dict[str, np.ndarray[Any, Any]], each: np.ndarray[Any, Any], plain: str) -> str:
    """Of the accuracy lost between clean labels and `plain`, what is won back; a ratio of means."""
    if not {"clean", plain} <= accuracy.keys():
        return "–"
    lost = accuracy["clean"].mean() - accuracy[plain].mean()
    return f"{(each.mean() - accuracy[plain].mean()) / lost:.0%}"


def paired(differences: np.ndarray[Any, Any]) -> str:
    n = len(differences)
    if n < 2:
        return f"{differences.mean():+.4f}"
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5
    return f"{differences.mean():+.4f} [{differences.mean() - half:+.4f}, {differences.mean() + half:+.4f}]"


if __name__ == "__main__":
    main()
