"""A campaign's pool filled and sealed as uploads and workers do it, in a transaction of the test's."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service import annotations
from service.annotations import Given
from service.files import Files
from service.pool import pool, shards
from service.pool.batch import Batch
from service.pool.lines import Line
from service.pool.pool import Kind, Receipt
from service.pool.text import digest, role_key
from service.records import Example, Place, Role
from service.store import campaigns, labels, rounds, selections, syntheses
from service.store.selections import Chosen
from service.synthesis import META, Perturb, Provenance, Verdict, ext_id
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


def answer(
    connection: Connection,
    campaign: str,
    given: Mapping[int, Mapping[int, Any]],
    role: Role = "train",
    wanted: int = 1,
) -> None:
    """Have rows of shard 0 asked and answered: {row: {annotator: answer}}; who has the lower number came first."""
    places = {Place(0, row) for row in given}
    new = [
        Chosen(place, place.row, role, "margin", 0.5, "why", f"text {place.row}", None, None, place.row, None)
        for place in sorted(places - selections.at(connection, campaign, places).keys())
    ]
    selections.choose(connection, campaign, 1, 0, new, wanted)
    chosen = selections.in_states(connection, campaign, ["chosen"])
    selections.opened(connection, {row.id: row.row + 1 for row in chosen})
    made = [
        Given(
            id=10_000 * who + row,
            task=row + 1,
            ext_id=f"0-{row}",
            result=said,
            skipped=False,
            annotator=who,
            made_at=f"2026-01-01T00:00:{who:02}+00:00",
            revision="1",
            lead_time=None,
        )
        for row, answers in given.items()
        for who, said in answers.items()
    ]
    annotations.take(connection, campaigns.get(connection, campaign), made, lambda result, text: result)


def synthesise(
    connection: Connection, files: Files, campaign: str, texts: Sequence[tuple[str, str, Verdict]]
) -> int:
    """A synthesis as a worker writes it down, of (text, answer as it is stored, verdict); its shard's number."""
    number = syntheses.begin(connection, campaign, Perturb(), 2, 5, 0.1)
    facts = [Provenance(number, Perturb(), 5, "key", ["0-0"], verdict, 0.5, 0.6) for _, _, verdict in texts]
    rows = [
        shards.Row(
            one,
            digest(one),
            role_key(one),
            ext_id(number, at),
            None,
            {META: msgspec.to_builtins(facts[at])},
            given,
        )
        for at, (one, given, _) in enumerate(texts)
    ]
    shard = pool.put_synthetic(connection, campaign, shards.seal(files, rows), len(rows))
    kept = {
        Place(shard, at): (given, row.role_key)
        for at, ((_, given, verdict), row) in enumerate(zip(texts, rows, strict=True))
        if verdict == "kept"
    }
    labels.add_synthetic(connection, campaign, kept, "synthetic: perturbation", dict.fromkeys(kept, 0.5))
    verdicts = Counter(verdict for _, _, verdict in texts)
    syntheses.end(connection, campaign, number, "done", shard=shard, verdicts=dict(verdicts))
    return shard
