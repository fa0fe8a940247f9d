"""What choosing 100 out of a million takes: seconds and memory of every strategy; beside other libraries' on 20,000.

    make bench-selection [ARGS='--rows 100000 --strategy badge,k_center']
    python -m tests.bench.selection

Made-up pools that look like real ones: 384 numbers of length 1 in 1,000 clusters of unequal size, 77 classes, and
probabilities as a head on them would give, in float32 as a campaign gives them; 500 examples are asked for already.
Every strategy runs in a process of its own. `gib` is the most memory that process held, the arrays it chose from with
it (1.4 GiB of embeddings, 0.3 of probabilities, 1.4 of ten passes), less what Python took before; on Linux alone.
`vs_peers` needs the extra `bench`, many GB and on a busy machine half an hour; `tests.bench.peers` says what it is.
"""

import argparse
import json
import multiprocessing
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.memory import told
from strategies import registry
from strategies.base import ARRAYS, View
from workers.baseline import softmax

DIMENSION, CLUSTERS, CLASSES, LABELED, COUNT, PASSES = 384, 1_000, 77, 500, 100, 10
BLOCK = 50_000
PEER_ROWS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--strategy", default=",".join(registry.names()), help="with commas between")
    parser.add_argument("--turns", type=int, default=1, help="beside other libraries")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with TemporaryDirectory(prefix="postil-bench-") as folder:
        make(Path(folder), arguments.rows, arguments.seed)
        print(f"{'strategy':22} {'seconds':>8} {'GiB':>6}", flush=True)
        for name in arguments.strategy.split(","):
            with multiprocessing.get_context("spawn").Pool(1) as process:
                found[name] = process.apply(select, (Path(folder), name, arguments.seed))
            print(f"{name:22} {found[name]['seconds']:8.1f} {found[name]['gib']:6.2f}", flush=True)
    by_kind = {
        kind: {name: round(numbers[kind], 2) for name, numbers in found.items()}
        for kind in ("seconds", "gib")
    }
    print(f"\n{'on ' + format(PEER_ROWS, ','):22} {'':15} {'seconds':>8} {'times':>8} {'worse':>8}")
    vs_peers = beside_peers(arguments.strategy.split(","), arguments.turns, arguments.seed)
    print(json.dumps({"rows": arguments.rows, "count": COUNT, **by_kind, "vs_peers": vs_peers}))


def beside_peers(names: list[str], turns: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """By strategy and library, as `peers.compare` has it."""
    from tests.bench import peers  # a second and 100 MB, which the measured processes need not have

    found = {}
    with TemporaryDirectory(prefix="postil-bench-") as folder:
        make(Path(folder), PEER_ROWS + LABELED, seed)
        view = view_of(Path(folder), frozenset(ARRAYS), "single_label")
        for name in names:
            if name in peers.PEERS:
                found[name] = peers.compare(name, view, COUNT, turns)
                for library, one in found[name].items():
                    numbers = f"{one['seconds']:8.2f} {one['times']:8.1f} {one['worse']:8.4f}"
                    print(f"{name:22} {library:15} {numbers}", flush=True)
    return found


def make(folder: Path, rows: int, seed: int) -> None:
    """Files of the arrays a View has, by their names."""
    rng = np.random.default_rng(seed)
    centres = _unit(rng.normal(size=(CLUSTERS, DIMENSION)))
    heads = _unit(rng.normal(size=(CLASSES, DIMENSION)))
    shares = rng.dirichlet(np.full(CLUSTERS, 0.5))
    arrays = {
        "embeddings": _empty(folder, "embeddings", (rows, DIMENSION), np.float32),
        "probabilities": _empty(folder, "probabilities", (rows, CLASSES), np.float32),
        "committee": _empty(folder, "committee", (PASSES, rows, CLASSES), np.float16),
    }
    for start in range(0, rows, BLOCK):
        part = slice(start, min(start + BLOCK, rows))
        size = part.stop - start
        points = _unit(
            centres[rng.choice(CLUSTERS, size, p=shares)]
            + rng.normal(0, 0.7 / DIMENSION**0.5, (size, DIMENSION)).astype(np.float32)
        )
        logits = 20 * points @ heads.T
        arrays["embeddings"][part] = points
        arrays["probabilities"][part] = softmax(logits)
        for one in arrays["committee"]:
            one[part] = softmax(logits + rng.normal(0, 1, logits.shape).astype(np.float32))
    for array in arrays.values():
        array.flush()
    np.save(folder / "prototypes.npy", heads)


def select(folder: Path, name: str, seed: int) -> dict[str, float]:
    """In a process of its own: seconds and GiB of one selection."""
    strategy = registry.get(name)
    problem = "single_label" if "single_label" in strategy.problems else min(strategy.problems)
    before = most_memory()
    view = view_of(folder, strategy.needs | strategy.optional, problem)
    started = time.perf_counter()
    picks = strategy.select(view, COUNT, np.random.default_rng(seed))
    seconds = time.perf_counter() - started
    assert len(picks.positions) == COUNT
    return {"seconds": seconds, "gib": (most_memory() - before) / 2**30}


def most_memory() -> int:
    """Bytes that this process held at most; what `getrusage` says may be its parent's."""
    found = told("VmHWM")
    assert found
    return found


def view_of(folder: Path, wanted: frozenset[str], problem: str) -> View:
    """A view with these arrays, the first LABELED examples out of reach."""

    def load(name: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(folder / f"{name}.npy")
        return found

    arrays: dict[str, NDArray[Any]] = {}
    size = len(np.load(folder / "embeddings.npy", mmap_mode="r")) - LABELED
    said = {"probabilities", "labeled_probabilities", "labels", "label_sets", "token_uncertainty"}
    for name, used in (("embeddings", {"embeddings", "labeled_embeddings"}), ("probabilities", said)):
        if used & wanted:
            whole = load(name)
            arrays |= {name: whole[LABELED:], f"labeled_{name}": whole[:LABELED]}
    if "committee" in wanted:
        arrays["committee"] = load("committee")[:, LABELED:]
    if "prototypes" in wanted:
        arrays["prototypes"] = load("prototypes")
    if "labels" in wanted:
        arrays["labels"] = arrays["labeled_probabilities"].argmax(axis=1)
    if "label_sets" in wanted:
        arrays["label_sets"] = arrays["labeled_probabilities"] > 0.2
    if "token_uncertainty" in wanted:
        top = arrays["probabilities"].max(axis=1)
        arrays["token_uncertainty"] = np.stack([-np.log(top), 1 - top], axis=1)
    return View(
        size,
        **{name: array for name, array in arrays.items() if name in wanted},
        classes=CLASSES,
        problem=problem,
    )


def _empty(folder: Path, name: str, shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)


def _unit(table: NDArray[np.floating]) -> NDArray[np.float32]:
    return (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main()
