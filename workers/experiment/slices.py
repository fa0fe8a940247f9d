"""Slices of labeled texts: by a field of theirs, in bands where it is a number, or by what they are like."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid
from service.pool import forms, lines
from service.pool.text import digest
from strategies.clusters import k_means
from workers.simulation.labeled import chunks
from workers.simulation.replay import Stage

CLUSTERS = 8
BANDS = 4
"""Quantiles of a number with more values than CLUSTERS."""
SHOWN = 40
"""Characters of the text that a cluster is named by."""


def slices(stage: Stage, data: Path, by: str, text_field: str, rng: np.random.Generator) -> list[str | None]:
    """(n,) the slice of each text of the pool; None where the field is missing.

    `by`: `cluster`, `domain`, a field of `meta`, or in JSONL any field of a line (`source`, `weight`, …, as labels are
    exported). Raises Invalid for a field that no line has.
    """
    if by == "cluster":
        return _clusters(stage, rng)
    fields = {key: found for key, found in _fields(data, by, text_field) if found is not None}
    values = [fields.get(digest(text)) for text in stage.pool.texts]
    if all(value is None for value in values):
        raise Invalid(f"--by {by!r}: no line of {data} has that field", "by")
    numbers = np.array([_number(value) for value in values])
    if len(np.unique(numbers[~np.isnan(numbers)])) > CLUSTERS:
        return _bands(by, numbers)
    return [None if value is None else _named(value) for value in values]


def large(of: list[str | None], least: int) -> tuple[str, ...]:
    """Slices of `least` texts and more, by their names."""
    names, counts = np.unique([one for one in of if one is not None], return_counts=True)
    return tuple(str(name) for name, count in zip(names, counts, strict=True) if count >= least)


def _fields(data: Path, by: str, text_field: str) -> Iterator[tuple[bytes, Any]]:
    form = forms.form_of(data.name) or "jsonl"
    raw = {}
    if form == "jsonl":
        for line in b"".join(chunks(data)).splitlines():
            one = msgspec.json.decode(line)
            raw[digest(one[text_field])] = one.get(by)
    for read in lines.read(chunks(data), form, text_field):
        if isinstance(read, lines.Line):
            example = read.example
            value = example.domain if by == "domain" else (example.meta or {}).get(by)
            key = digest(example.text)
            yield key, raw.get(key) if value is None else value


def _number(value: Any) -> float:
    """NaN of what is none; a cell of CSV may be one."""
    try:
        return float(value) if isinstance(value, int | float | str) else np.nan
    except ValueError:
        return np.nan


def _named(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _bands(by: str, numbers: NDArray[np.float64]) -> list[str | None]:
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, BANDS + 1)))
    band = np.clip(np.searchsorted(edges, numbers, "right") - 1, 0, len(edges) - 2)
    names = [f"{by} {low:g} to {high:g}" for low, high in pairwise(edges)]
    return [
        None if missing else names[at] for at, missing in zip(band.tolist(), np.isnan(numbers), strict=True)
    ]


def _clusters(stage: Stage, rng: np.random.Generator) -> list[str | None]:
    """Each named by the text in its middle."""
    points = stage.corpus.base.astype(np.float32)
    of, centres = k_means(points, min(CLUSTERS, len(points)), rng)
    names = []
    for one, centre in enumerate(centres):
        far = np.where(of == one, ((points - centre) ** 2).sum(axis=1), np.inf)
        names.append(f"like {stage.pool.texts[int(far.argmin())][:SHOWN]!r}")
    return [names[one] for one in of.tolist()]
