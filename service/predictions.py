"""Predictions: what a round's models said of the examples that measure, as arrays in a folder.

    places.npy             int32 (n, 2): the examples, as (shard, row)
    <model>.npy            single_label, multi_label: probabilities (n, C)
                           spans: int32 (k, 4), rows of (position in places, start, end, class)
    <model>_confidence.npy spans: float32 (k,)

A model is `ADAPTER`, `BASELINE` (may be missing for spans) or `CONTROL` (may be missing). From which probability on a
label of a multi-label problem is decided, the round says: `metrics["thresholds"][model]`, C numbers. Classes are the
campaign's labels as they were when the round was trained, after the first `round.label_changes` changes of them
(`service.vocabulary.Columns` makes today's of them).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.records import Place
from service.vocabulary import Columns

ADAPTER, BASELINE, CONTROL = "adapter", "baseline", "control"
ROWS, PROBABILITIES = "rows.npy", "probabilities.npy"
"""Of a scored shard: which rows, ascending; (rows, C) float16."""
_PLACES = "places.npy"


@dataclass(frozen=True)
class Spans:
    """Spans that a model found: rows (k, 4) of (position of the example, start, end, class), confidence (k,), 0..1."""

    rows: NDArray[np.int32]
    confidence: NDArray[np.float32]

    def of(self, positions: NDArray[np.int64]) -> "Spans":
        """Those of the examples at these positions (ascending), which are numbered anew from 0."""
        kept = np.isin(self.rows[:, 0], positions)
        rows = self.rows[kept]
        rows[:, 0] = np.searchsorted(positions, rows[:, 0])
        return Spans(rows, self.confidence[kept])

    def renamed(self, columns: Columns) -> "Spans":
        """With today's classes. Of the same stretch twice, once labels were merged, the surer one."""
        if columns.to == tuple(range(columns.count)):
            return self
        rows = self.rows.copy()
        rows[:, 3] = columns.classes(rows[:, 3])
        surest = np.argsort(-self.confidence, kind="stable")
        kept = np.sort(surest[np.unique(rows[surest], axis=0, return_index=True)[1]])
        return Spans(rows[kept], self.confidence[kept])


def write(folder: Path, places: Sequence[Place], models: Mapping[str, NDArray[np.floating] | Spans]) -> None:
    """Fill a new folder: what each model said of `places`, probabilities (n, C) or spans."""
    table = np.array([(place.shard, place.row) for place in places], dtype=np.int32).reshape(-1, 2)
    np.save(folder / _PLACES, table)
    for model, said in models.items():
        if isinstance(said, Spans):
            np.save(folder / f"{model}.npy", said.rows.astype(np.int32))
            np.save(folder / f"{model}_confidence.npy", said.confidence.astype(np.float32))
        else:
            np.save(folder / f"{model}.npy", said)


def places(folder: Path) -> list[Place]:
    """The examples, in the order of the arrays."""
    return [Place(shard, row) for shard, row in np.load(folder / _PLACES).tolist()]


def has(folder: Path, model: str) -> bool:
    return (folder / f"{model}.npy").exists()


def probabilities(folder: Path, model: str) -> NDArray[np.floating]:
    """(n, C)."""
    return np.asarray(np.load(folder / f"{model}.npy"))


def spans(folder: Path, model: str) -> Spans:
    return Spans(np.load(folder / f"{model}.npy"), np.load(folder / f"{model}_confidence.npy"))
