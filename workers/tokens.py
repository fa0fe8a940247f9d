"""Token ids of many texts as flat arrays, in memory or mapped from a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid

FILES = ("ids", "offsets", "cut", "unknown")


@dataclass(frozen=True, eq=False)
class Tokens:
    """Row i's token ids, special ones included, are `ids[offsets[i]:offsets[i + 1]]`."""

    ids: NDArray[np.unsignedinteger]
    """(total,) uint16, or uint32 where the vocabulary has more than 65,536 entries."""
    offsets: NDArray[np.int64]
    """(n + 1,), starting at 0."""
    cut: NDArray[np.bool_]
    """(n,) whether the text was longer than the encoder reads."""
    unknown: NDArray[np.uint16]
    """(n,) tokens that stand for something the vocabulary does not have."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) tokens of each row."""
        return np.diff(self.offsets)

    @property
    def truncated(self) -> int:
        """How many rows were cut."""
        return int(self.cut.sum())

    @property
    def unknown_share(self) -> float:
        """Share of tokens the vocabulary does not have: above a few percent, a text in a foreign language."""
        return float(self.unknown.sum() / max(1, len(self.ids)))

    def take(self, rows: NDArray[np.integer]) -> "Tokens":
        """The tokens of `rows` (m,), in that order, in memory."""
        lengths = self.lengths[rows]
        offsets = _offsets(lengths)
        # Position j of the result lies in row i at j - offsets[i], so its source is that plus the row's start.
        shift = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths)
        ids = self.ids[np.arange(offsets[-1]) + shift]
        return Tokens(ids, offsets, self.cut[rows], self.unknown[rows])

    def save(self, folder: Path | str) -> None:
        """Write one .npy file per array into `folder`, which is made where it is missing."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name in FILES:
            np.save(Path(folder) / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path | str) -> "Tokens":
        """What `save` wrote, memory-mapped; raises Invalid where files are missing or do not fit together."""
        try:
            files = [Path(folder) / f"{name}.npy" for name in FILES]
            tokens = cls(*(np.load(file, mmap_mode="r", allow_pickle=False) for file in files))
        except (OSError, ValueError) as error:
            raise Invalid(f"no tokens can be read from {folder} ({error}): encode the shard again") from error
        if not len(tokens) == len(tokens.cut) == len(tokens.unknown) or tokens.offsets[-1] != len(tokens.ids):
            raise Invalid(f"the arrays of tokens in {folder} do not fit together: encode the shard again")
        return tokens


def pack(
    rows: Sequence[Sequence[int]], cut: Sequence[bool], vocabulary: int, unknown: int | None = None
) -> Tokens:
    """Tokens of `rows` of ids below `vocabulary`, of which `unknown` stands for what it does not have."""
    offsets = _offsets(np.array([len(row) for row in rows], np.int64))
    ids = np.fromiter((i for row in rows for i in row), _ids_type(vocabulary), offsets[-1])
    strangers = np.array([0 if unknown is None else row.count(unknown) for row in rows], np.uint16)
    return Tokens(ids, offsets, np.array(cut, bool), strangers)


def concat(parts: Sequence[Tokens]) -> Tokens:
    """All rows of `parts` (at least one), one after another, in memory."""
    return Tokens(
        np.concatenate([part.ids for part in parts]),
        _offsets(np.concatenate([part.lengths for part in parts])),
        np.concatenate([part.cut for part in parts]),
        np.concatenate([part.unknown for part in parts]),
    )


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _ids_type(vocabulary: int) -> type[np.unsignedinteger]:
    return np.uint16 if vocabulary <= 1 << 16 else np.uint32
