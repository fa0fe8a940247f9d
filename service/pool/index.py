"""From a 16-byte key to a row: two sorted arrays beside each shard, memory-mapped."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MARK_BITS = 22
"""Many keys are looked for by so many bits of theirs first: one pass over a shard's keys leaves few candidates."""
MANY = 2_000


class Asked:
    """Keys (16 bytes each) to be looked up in any number of shards.

    Where they are few, of two keys in a shard that share their first 8 bytes but not the rest only one is found: one
    pair is expected among six billion texts, and the price is a duplicate that goes unnoticed.
    """

    def __init__(self, keys: Collection[bytes]) -> None:
        self._keys = frozenset(keys)
        self._words = _words(list(keys))[:, 0]
        self._marks = np.zeros(1 << MARK_BITS if len(keys) > MANY else 0, dtype=np.bool_)
        if len(self._marks):
            self._marks[_bits(self._words)] = True

    def find(self, folder: Path, name: str) -> dict[bytes, int]:
        """The row of each key that is there."""
        many = bool(len(self._marks))
        path = folder / f"{name}.keys.npy"
        stored = _read(path) if many else np.load(path, mmap_mode="r")
        if not len(stored) or not self._keys:
            return {}
        if many:
            near = self._marks[_bits(stored[:, 0])].nonzero()[0]
        else:
            near = np.minimum(np.searchsorted(stored[:, 0], self._words), len(stored) - 1)
        keys = stored[near].tobytes()
        found = [at for at in range(len(near)) if keys[16 * at : 16 * at + 16] in self._keys]
        if not found:
            return {}
        rows = np.load(folder / f"{name}.rows.npy", mmap_mode="r")[near[found]].tolist()
        return {keys[16 * at : 16 * at + 16]: row for at, row in zip(found, rows, strict=True)}


def write(folder: Path, name: str, keys: Sequence[bytes], rows: Sequence[int]) -> None:
    """Write `keys` (16 bytes each) and the rows that they stand for."""
    words = _words(keys)
    order = np.argsort(words[:, 0], kind="stable")
    np.save(folder / f"{name}.keys.npy", words[order])
    np.save(folder / f"{name}.rows.npy", np.asarray(rows, dtype=np.int32)[order])


def _read(path: Path) -> NDArray[np.uint64]:
    """As np.load, which parses the header as Python and takes as long for that as for all the rest."""
    raw = path.read_bytes()
    return np.frombuffer(raw, "<u8", offset=10 + int.from_bytes(raw[8:10], "little")).reshape(-1, 2)


def _bits(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return words >> np.uint64(64 - MARK_BITS)


def _words(keys: Sequence[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, 2).astype(np.uint64)
