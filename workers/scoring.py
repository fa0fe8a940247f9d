"""Which examples a round scores: written down when its adapter is there, read by a job for each shard."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from service.files import Files
from service.records import Campaign
from service.store import rounds
from strategies.blocks import blocks
from workers import candidates, situation
from workers.candidates import Floats, Probe
from workers.held import Held
from workers.material import Material
from workers.situation import TRAIN, Situation

ASKED_ROWS = 10_000
"""Of what was asked for so many are scored anew at most: the open tasks, and labeled examples to compare with."""
CELLS = 1 << 24
"""Numbers of embeddings that the probe looks at in a step: 64 MB."""
LAST, SHARDS = "last.npy", "shards.npy"
"""Of the whole pool: (n,) int32, the round that scored each example last; (s, 2), shards in order with their rows."""


def plan(
    held: Held, campaign: Campaign, round_: Row[Any], count: int, distilled: Callable[[], Probe | None]
) -> tuple[str, list[int], int]:
    """(folder of what was chosen, shards that have some of it, how many examples), at most `count` or what was asked.

    Chosen are examples of the round's shards that may become the queue's train picks, and what was asked for already.
    `distilled` makes the probe; it is called where not all can be scored.
    """
    files, rng = held.context.files, np.random.default_rng([round_.seed, round_.number, 2])
    with held.context.database.reading() as connection:
        now = situation.load(connection, files, campaign, 0)
        earlier = [row for row in rounds.all_of(connection, campaign.id) if row.number < round_.number]
    last = np.zeros(len(now.free), np.int32)
    planned = [row.candidates for row in earlier if row.candidates and files.exists(row.candidates)]
    if planned:
        _read_last(files, planned[-1], now, last)
    fine = np.isin(now.pool.numbers, round_.shards) & ~now.near
    may = np.flatnonzero(fine & now.free & (now.zone == TRAIN))
    asked = np.flatnonzero(fine & now.known)
    if len(asked) > ASKED_ROWS:
        asked = np.sort(rng.choice(asked, ASKED_ROWS, replace=False))
    chosen = candidates.choose(count, asked, may, last, lambda: _guesses(now, may, distilled()), rng)
    last[chosen] = round_.number
    name = held.folder(f"candidates/{campaign.id}/{round_.number}/rows")
    numbers = now.pool.numbers[chosen]
    shards = np.unique(numbers).tolist()
    with files.new(name) as folder:
        np.save(folder / LAST, last)
        np.save(folder / SHARDS, np.stack(np.unique(now.pool.numbers, return_counts=True), axis=1))
        for number in shards:
            np.save(folder / f"{number}.npy", now.pool.rows[chosen[numbers == number]].astype(np.int32))
    return name, shards, len(chosen)


def hands(held: Held, material: Material) -> int:
    """How many workers will score side by side."""
    return max(
        1,
        min(
            held.context.doorbell.workers("gpu"),
            len(material.encoded.keys() & material.whole.contents.keys()),
        ),
    )


def rows(files: Files, folder: str, shard: int) -> NDArray[np.int64]:
    """The rows of a shard that the round scores, ascending."""
    found: NDArray[np.int64] = np.load(files.path(folder) / f"{shard}.npy").astype(np.int64)
    return found


def _guesses(now: Situation, may: NDArray[np.int64], probe: Probe | None) -> Floats | None:
    if probe is None:
        return None
    steps = blocks(len(may), len(probe.weight), CELLS)
    return np.concatenate([probe.uncertainty(now.embeddings(may[step])) for step in steps])


def _read_last(files: Files, folder: str, now: Situation, last: NDArray[np.int32]) -> None:
    """An earlier round's note, shard by shard: others may have come in between."""
    noted, start = np.load(files.path(folder) / LAST), 0
    for number, size in np.load(files.path(folder) / SHARDS).tolist():
        own = int(np.searchsorted(now.pool.numbers, number))
        last[own : own + size] = noted[start : start + size]
        start += size
