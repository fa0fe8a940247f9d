"""Labels needed for a given score: `postil simulate` on the standard sets, with the settings that ship.

    make bench-labels DATA=FOLDER [ARGS='--set banking77 --seeds 5']
    python -m tests.bench.labels FOLDER --out OUT --screen        every strategy, linear heads alone

FOLDER holds one folder for each of SETS, with train.jsonl (or .gz) and test.jsonl: `text` and `label`, `labels`, or
`tokens` and `tags` in IOB2, of which the text is the tokens with spaces between. dolly_filtered_3k has `instruction`
and `label` and no test set: 1,000 of its rows are drawn for that. OUT gets a folder for each set with curves.json,
table.md and plot.html, and labels.md with all tables. Cut short, it goes on where it was; sets and seeds may be run
piece by piece.

How long it will run is said first, from what a curve took on 2 cores with AMX, alone on the machine.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.demo import encoder
from strategies import registry
from workers.simulation import command

TEST_ROWS, TEST_SEED = 1_000, 7
DEFAULT = "random,auto"


@dataclass(frozen=True)
class Set:
    problem: str = "single_label"
    start: int = 25
    batch: int = 50
    labels: int = 525
    minutes: float = 4.0
    """Of one curve with the settings that ship, and without LoRA."""
    frozen_minutes: float = 1.0


SETS = {
    "banking77": Set(minutes=5),
    "snips_nlu": Set(minutes=3),
    "dolly_filtered_3k": Set(minutes=3),
    "goemotions": Set("multi_label", 100, 100, 1_000, minutes=15, frozen_minutes=5),
    "wnut17": Set("spans", 100, 100, 1_000, minutes=15),
    "bc5cdr": Set("spans", 100, 100, 1_000, minutes=15),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", choices=SETS, help="one or several; else all")
    parser.add_argument("--strategy", default="", help=f"with commas between; else {DEFAULT}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--screen", action="store_true", help="every strategy, without LoRA; not for spans")
    parser.add_argument("--model", default="")
    arguments = parser.parse_args()
    names = [
        name for name in arguments.set or SETS if not (arguments.screen and SETS[name].problem == "spans")
    ]
    wanted = {name: strategies(SETS[name], arguments.strategy, arguments.screen) for name in names}
    minutes = sum(
        arguments.seeds * len(wanted[name]) * (one.frozen_minutes if arguments.screen else one.minutes)
        for name, one in SETS.items()
        if name in names
    )
    print(f"About {minutes / arguments.jobs / 60:.1f} h, less what is there already", flush=True)
    for name in names:
        case = SETS[name]
        data, test = prepare(arguments.folder / name, arguments.out / "data" / name)
        print(f"\n{name}", flush=True)
        command.run(
            data,
            test,
            arguments.model or encoder.path(),
            arguments.out / (f"{name}-frozen" if arguments.screen else name),
            ",".join(wanted[name]),
            case.start,
            case.batch,
            case.labels,
            arguments.seeds,
            noise="0",
            random_share=0.2,
            metric=None,
            text_field="text",
            problem=case.problem,
            jobs=arguments.jobs,
            frozen=arguments.screen,
        )
    tables = [
        f"## {file.parent.name}\n\n{file.read_text('utf-8')}"
        for file in sorted(arguments.out.glob("*/table.md"))
    ]
    (arguments.out / "labels.md").write_text("\n".join(tables), "utf-8")
    print(f"All tables: {arguments.out / 'labels.md'}")


def strategies(case: Set, asked: str, screen: bool) -> list[str]:
    if asked:
        return [name for name in asked.split(",") if case.problem in registry.get(name).problems]
    return registry.names(case.problem) if screen else DEFAULT.split(",")


def prepare(source: Path, to: Path) -> tuple[Path, Path]:
    """(pool, test set) as `postil simulate` reads them."""
    pool, test = (list(rows(source / f"{part}.jsonl")) for part in ("train", "test"))
    if not test:
        order = np.random.default_rng(TEST_SEED).permutation(len(pool))
        test, pool = ([pool[at] for at in some] for some in (order[:TEST_ROWS], order[TEST_ROWS:]))
    return write(to, pool, test)


def write(to: Path, pool: list[dict[str, Any]], test: list[dict[str, Any]]) -> tuple[Path, Path]:
    to.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", pool), ("test", test)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (to / f"{name}.jsonl").write_text(lines, "utf-8")
    return to / "train.jsonl", to / "test.jsonl"


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """Of the file or the file gzipped; none where there is neither."""
    packed = file.with_name(f"{file.name}.gz")
    if file.exists():
        lines = file.read_bytes()
    elif packed.exists():
        lines = gzip.decompress(packed.read_bytes())
    else:
        return
    for line in lines.splitlines():
        row = json.loads(line)
        if "tokens" in row:
            yield {"text": " ".join(row["tokens"]), "spans": spans(row["tokens"], row["tags"])}
            continue
        answer = {name: row[name] for name in ("label", "labels") if name in row}
        yield {"text": row.get("text") or row["instruction"]} | answer


def spans(tokens: list[str], tags: list[str]) -> list[dict[str, Any]]:
    """IOB2 tags of tokens with spaces between as spans of characters."""
    found: list[dict[str, Any]] = []
    at, inside = 0, ""
    for token, tag in zip(tokens, tags, strict=True):
        prefix, _, label = tag.partition("-")
        end = at + len(token)
        if prefix == "I" and label == inside:
            found[-1]["end"] = end
        elif label:
            found.append({"start": at, "end": end, "label": label})
        at, inside = end + 1, label
    return found


if __name__ == "__main__":
    main()
