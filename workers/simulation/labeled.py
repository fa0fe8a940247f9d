"""Labeled files: a pool whose answers are known, and the test set beside it."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid
from service.pool import lines
from service.pool.text import digest, role_key

CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Labeled:
    """Texts with their classes (n,), positions in a list of labels."""

    texts: list[str]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def role_keys(self) -> NDArray[np.int64]:
        return np.array([role_key(text) for text in self.texts], dtype=np.int64)


def read(data: Path, test: Path, text_field: str) -> tuple[list[str], Labeled, Labeled]:
    """(labels, pool, test set) of two files; labels are all that occur in either, sorted.

    JSONL or CSV, by the name's end, plain or gzipped. As in a campaign, a text that occurs twice counts once, and what
    is like a text of the test set does not train. Raises Invalid for lines without a text or a label.
    """
    pool, measured = dict(_pairs(data, text_field)), dict(_pairs(test, text_field))
    forbidden = {role_key(text) for text in measured}
    pool = {text: label for text, label in pool.items() if role_key(text) not in forbidden}
    labels = sorted({*pool.values(), *measured.values()})
    if len(labels) < 2 or not pool:
        raise Invalid(f"{data} has {len(pool)} texts that are not in {test}, of {len(labels)} labels", "data")
    at = {label: number for number, label in enumerate(labels)}
    made = [
        Labeled(list(part), np.array([at[label] for label in part.values()], dtype=np.int64))
        for part in (pool, measured)
    ]
    return labels, made[0], made[1]


def _pairs(path: Path, text_field: str) -> Iterator[tuple[str, str]]:
    seen: set[bytes] = set()
    form = "csv" if path.name.removesuffix(".gz").endswith(".csv") else "jsonl"
    for line in lines.read(_chunks(path), form, text_field):
        if isinstance(line, lines.Rejection):
            raise Invalid(f"{path}, line {line.line}: {line.reason}", "data")
        label = line.example.label
        if not isinstance(label, str):
            raise Invalid(f"{path}, line {line.number}: 'label' is missing", "data")
        key = digest(line.example.text)
        if key not in seen:
            seen.add(key)
            yield line.example.text, label


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error}", "data") from None
