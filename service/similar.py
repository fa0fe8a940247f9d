"""Labeled examples that are most like one, by the base model: for somebody who looks up how the like was answered."""

from collections import defaultdict
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, Row

from service import answers, blind
from service.errors import Conflict, NotFound
from service.files import Files
from service.pool import shards
from service.records import Campaign, Place
from service.settings import Settings
from service.store import labels, rounds, selections

EMBEDDINGS = "embeddings.npy"
"""Of an encoded shard: (rows, d) float16, of length 1."""
MOST = 10
STEP = 8_192
"""Embeddings that are looked at in one go."""


class Neighbour(msgspec.Struct, frozen=True):
    id: str
    text: str
    answer: Any
    """As it is believed now, by the campaign's problem."""
    source: str
    """annotation or import"""
    similarity: float
    """Cosine of the base model's embeddings, -1..1."""


class Similar(msgspec.Struct, frozen=True):
    """An example, and labeled ones, the most similar first."""

    id: str
    text: str
    similar: list[Neighbour]


def link(settings: Settings, campaign: Campaign, key: str) -> str:
    """Where a person's browser finds it."""
    return f"{(settings.page or settings.url).rstrip('/')}/similar/{campaign.id}/{key}"


def find(connection: Connection, files: Files, campaign: Campaign, key: str) -> Similar:
    """`key`: as in a task's `data.ext_id`. What measures is never among the similar ones: it is to teach nobody.

    Raises Invalid and NotFound for a key of no example, Conflict for a blind one and where the pool was not read yet.
    """
    place = blind.example(key)
    asked = selections.at(connection, campaign.id, [place]).get(place)
    if asked is not None and blind.is_blind(asked, campaign):
        raise Conflict(f"example {place} is asked blind: whoever answers it is shown nothing")
    every = rounds.encodings(connection, campaign.id, campaign.encoder)
    encoded = {number: row for number, row in every.items() if row.kind == "pool"}
    if place.shard not in encoded:
        raise Conflict(
            f"shard {place.shard} was not read by the base model, or there is none: try again later"
        )
    if place.row >= encoded[place.shard].rows:
        raise NotFound(f"shard {place.shard} of campaign {campaign.name!r} has no row {place.row}")
    known = [
        row
        for row in labels.current(connection, campaign.id)
        if row.role != "hold-out"
        and row.source != "synthetic"
        and row.shard in encoded
        and Place(row.shard, row.row) != place
    ]
    own = np.load(files.path(encoded[place.shard].path) / EMBEDDINGS, mmap_mode="r")[place.row]
    by_shard: dict[int, list[int]] = defaultdict(list)
    for at, row in enumerate(known):
        by_shard[row.shard].append(at)
    likeness = np.empty(len(known), np.float32)
    for number, its in by_shard.items():
        stored = np.load(files.path(encoded[number].path) / EMBEDDINGS, mmap_mode="r")
        inside = np.array([known[one].row for one in its])
        for start in range(0, len(its), STEP):
            some = stored[inside[start : start + STEP]].astype(np.float32)
            likeness[its[start : start + STEP]] = some @ own.astype(np.float32)
    best = np.argsort(-likeness, kind="stable")[:MOST].tolist()
    texts = _texts(files, encoded, [place, *(Place(known[at].shard, known[at].row) for at in best)])
    example, *found = texts
    return Similar(
        example[0],
        example[1],
        [
            Neighbour(
                id_,
                text,
                answers.read(campaign.problem, known[at].value),
                known[at].source,
                round(float(likeness[at]), 3),
            )
            for at, (id_, text) in zip(best, found, strict=True)
        ],
    )


def _texts(files: Files, encoded: dict[int, Row[Any]], places: list[Place]) -> list[tuple[str, str]]:
    """(id, text) of each, each shard's file read once."""
    found: dict[Place, tuple[str, str]] = {}
    for number in {place.shard for place in places}:
        rows = sorted({place.row for place in places if place.shard == number})
        for row, one in zip(rows, shards.examples(files, encoded[number].content, rows), strict=True):
            place = Place(number, row)
            found[place] = str(place) if one["ext_id"] is None else one["ext_id"], one["text"]
    return [found[place] for place in places]
