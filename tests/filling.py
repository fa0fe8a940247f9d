"""A campaign's pool filled and sealed as uploads and workers do it, in a transaction of the test's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.files import Files
from service.pool import pool, shards
from service.pool.batch import Batch
from service.pool.lines import Line
from service.pool.pool import Kind, Receipt
from service.records import Example
from service.store import campaigns, rounds
from workers.encodings import EMBEDDINGS


def numbered(examples: Sequence[Example]) -> list[Line]:
    return [Line(at + 1, example, False) for at, example in enumerate(examples)]


def fill(
    connection: Connection, files: Files, campaign: str, examples: Sequence[Example], kind: Kind = "pool"
) -> Receipt:
    receipt = Receipt()
    locked = campaigns.get(connection, campaign, lock=True)
    pool.add(connection, files, locked, kind, Batch.of(numbered(examples)), receipt)
    return receipt


def encode(
    connection: Connection, files: Files, campaign: str, number: int, embeddings: NDArray[np.floating]
) -> None:
    """Say of a sealed shard that an encoder `tiny` made these embeddings (rows, d) of it."""
    content = pool.shard_row(connection, campaign, number).content
    path = f"encodings/{content}"
    with files.new(path) as folder:
        np.save(folder / EMBEDDINGS, embeddings.astype(np.float16))
    rounds.add_encoding(
        connection,
        content=content,
        encoder="tiny",
        path=path,
        rows=len(embeddings),
        truncated=0,
        unknown_share=0.0,
        seconds=0.0,
    )


def seal(connection: Connection, files: Files, campaign: str) -> list[int]:
    """Close and seal every shard; their numbers."""
    numbers = pool.close_filling(connection, campaign)
    for number in numbers:
        content = shards.seal(files, pool.staged_rows(connection, campaign, number))
        pool.sealed(connection, campaign, number, content)
    return numbers
