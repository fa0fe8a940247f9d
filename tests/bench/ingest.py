"""Ingest, beside pyarrow alone: lines a second of a JSONL upload over HTTP, and what the API needs of memory.

    make bench-ingest [ARGS='--rows 100000 --repeats 1']
    python -m tests.bench.ingest [--rows 1000000] [--repeats 3]

The lines, about 190 bytes each, have `id`, `text` and `domain`; their texts are the beginning of one docstring of
Python's standard library and the end of another, no two the same. In turn, --repeats times:

    pyarrow    pyarrow.json.read_json of the file, and what it reads as Parquet, compressed by zstd
    postil     a client streams the file to a real API, SQLite behind it, into an empty campaign; until its receipt

Both may use every core. A rate is the best of its side, since other users of a shared machine only ever take away;
processor seconds, of the same turn, are pyarrow's own and the API's, without its client. No worker runs. `api_mib` is
the most that the API's process ever had resident, over all turns (VmHWM, so Linux).
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.json
import pyarrow.parquet

from service.client import Client
from service.demo import docstrings
from service.memory import told
from service.settings import Settings
from service.stack.stack import Stack

HEAD_CHARS, TAIL_CHARS = 80, 52
CHUNK_BYTES = 1 << 18


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="postil-bench-") as name:
        folder = Path(name)
        file = folder / "pool.jsonl"
        write(file, arguments.rows)
        settings = replace(
            Settings.read(),
            data=str(folder / "data"),
            label_studio_url="http://127.0.0.1:9",
            label_studio_token="none",
        )
        with Stack(settings, workers=False) as stack:
            stack.start()
            pid = stack.states()["api"].pid
            assert pid is not None
            with Client.of(stack.settings) as api:
                taken = measure(file, arguments.rows, arguments.repeats, api, pid)
            api_mib = peak_mib(pid)
    best = {side: min(turns) for side, turns in taken.items()}
    print(f"{'':8} {'lines/s':>9} {'s':>7} {'processor s':>12}   each turn, s")
    for side, (seconds, worked) in best.items():
        each = " ".join(f"{turn[0]:.2f}" for turn in taken[side])
        print(f"{side:8} {arguments.rows / seconds:9,.0f} {seconds:7.2f} {worked:12.2f}   {each}")
    ratio = best["pyarrow"][0] / best["postil"][0]
    print(json.dumps({"rows": arguments.rows, "vs_pyarrow": round(ratio, 3), "api_mib": round(api_mib)}))


def write(file: Path, rows: int) -> None:
    """`rows` lines; raises ValueError where the docstrings do not make so many."""
    found = docstrings.corpus(gold=0).pool
    heads = list({cut(one.text, HEAD_CHARS): one for one in found}.items())
    tails = list({cut(one.text[::-1], TAIL_CHARS)[::-1] for one in found})
    if rows > len(heads) * len(tails):
        raise ValueError(f"{rows:,} rows are more than {len(heads) * len(tails):,}, which is all there are")
    size = 0
    with file.open("w") as out:
        for at in range(rows):
            head, source = heads[at % len(heads)]
            tail = tails[(at + at // len(heads)) % len(tails)]
            line = {"id": f"{source.label}-{at}", "text": f"{head} {tail}", "domain": source.domain}
            size += out.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{rows:,} lines, {size / 1e6:.0f} million characters")


def cut(text: str, chars: int) -> str:
    """The first `chars` characters, and the rest of the word in which they end."""
    return text[:chars] + text[chars:].split(" ", 1)[0]


def measure(
    file: Path, rows: int, repeats: int, api: Client, pid: int
) -> dict[str, list[tuple[float, float]]]:
    """Side -> (seconds, processor seconds) of each turn; `pid`: the API's process."""

    def pyarrow_alone() -> None:
        table = pyarrow.json.read_json(file)
        pyarrow.parquet.write_table(table, file.with_suffix(".parquet"), compression="zstd")

    def postil() -> None:
        campaign = api.create(name=f"turn {len(taken['postil'])}", labels=["a", "b"], model="none")
        receipt = api.add_pool(campaign["id"], chunks(file), "jsonl")
        assert receipt["added"] == rows, receipt

    sides: dict[str, tuple[Callable[[], None], Callable[[], float]]] = {
        "pyarrow": (pyarrow_alone, time.process_time),
        "postil": (postil, lambda: processor_s(pid)),
    }
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, (work, worked) in sides.items():
            started, before = time.perf_counter(), worked()
            work()
            taken[side].append((time.perf_counter() - started, worked() - before))
    return taken


def chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk


def processor_s(pid: int) -> float:
    """What a process has had of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most that a process ever had resident."""
    found = told("VmHWM", pid)
    assert found, f"process {pid} does not tell its memory"
    return found / 2**20


if __name__ == "__main__":
    main()
