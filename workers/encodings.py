"""Reading what was computed of shards: tokens, base embeddings and scores, aligned with their rows."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from service.files import Files
from service.records import Campaign, Place
from service.similar import EMBEDDINGS as EMBEDDINGS
from workers.corpus import words

if TYPE_CHECKING:
    from workers.encoder import Encoder

Ints = NDArray[np.int64]

TEACHER = "confidence.npy"
"""What a teacher said of a shard: (rows,) float32."""
COMMITTEE = "committee.npy"
"""Of a scored shard, beside `service.predictions.ROWS`: where a strategy asks for it (k, rows, C) float16."""
SPANS, CONFIDENCE, TOKEN_UNCERTAINTY = "spans.npy", "confidence.npy", "token_uncertainty.npy"
"""Instead of probabilities, where spans are asked for: as in `service.predictions.Spans`; (rows, 2) float32."""


def embeddings(
    files: Files, encodings: dict[int, Row[Any]], numbers: Ints, rows: Ints
) -> NDArray[np.float16]:
    """(n, d) base embeddings of n rows of shards, which are all encoded."""
    found: NDArray[np.float16] | None = None
    for number, at, inside in by_shard(numbers, rows):
        stored = np.load(files.path(encodings[number].path) / EMBEDDINGS, mmap_mode="r")
        if found is None:
            found = np.empty((len(rows), stored.shape[1]), dtype=np.float16)
        found[at] = stored[inside]
    return np.empty((0, 0), dtype=np.float16) if found is None else found


def names(campaign: Campaign, encoder: str) -> str:
    """Folder of the embeddings of the campaign's label names."""
    key = hashlib.blake2b(json.dumps(campaign.labels).encode(), digest_size=16).hexdigest()
    return f"names/{key}-{encoder}"


def name(files: Files, campaign: Campaign, encoder: "Encoder") -> None:
    """See to it that the embeddings of the campaign's label names are there."""
    folder = names(campaign, encoder.key)
    if not files.exists(folder):
        with files.new(folder) as path:
            tokens = encoder.tokenize([words(label) for label in campaign.labels])
            np.save(path / EMBEDDINGS, encoder.embed(tokens))


def prototypes(files: Files, campaign: Campaign) -> NDArray[np.float32] | None:
    """(C, d) embeddings of the campaign's label names, where they are there."""
    folder = names(campaign, campaign.encoder) if campaign.encoder else ""
    if not folder or not files.exists(folder):
        return None
    found: NDArray[np.float32] = np.load(files.path(folder) / EMBEDDINGS)
    return found


def split(places: Sequence[Place]) -> tuple[Ints, Ints]:
    """(shard, row) of each."""
    table = np.array([(place.shard, place.row) for place in places], dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def by_shard(numbers: Ints, rows: Ints) -> list[tuple[int, Ints, Ints]]:
    """(shard, where it is among `numbers`, its rows), by shard."""
    found = []
    for number in np.unique(numbers):
        at = np.flatnonzero(numbers == number)
        found.append((int(number), at, rows[at]))
    return found
