"""Synthetic texts: ask for some, look what became of them, take their labels back."""

from collections import Counter
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from service import answers, generators, synthesis
from service.errors import Conflict, Invalid
from service.http.api import Api
from service.http.schemas import Syntheses, SynthesisBody, SynthesisView, SyntheticText
from service.http.status import job_view
from service.pool import pool, shards
from service.records import Campaign
from service.store import adoptions, jobs, rounds, syntheses
from service.synthesis import Generator, Provenance

KIND, QUEUE = "synthesize", "gpu"
UNCHECKED = "people are asked about an adopted project's own tasks alone: ask for a checked_share of 0"
SHOWN = 5
"""Texts of each verdict."""


def begin(api: Api, c: str, body: SynthesisBody) -> SynthesisView:
    """Have texts made by perturbations of labeled ones, a model behind an API, or a local model, and filtered.

    What is kept trains with half a label's weight and never measures; a round must have been trained before, whose
    adapter judges labels. One synthesis is made at a time.
    """
    if isinstance(body.generator, synthesis.Endpoint):
        generators.allowed(body.generator.url, api.settings.generators)
    with api.changing(c) as (connection, campaign):
        _check(connection, campaign, body)
        if body.checked_share:
            adoptions.refuse(connection, campaign.id, UNCHECKED)
        number = syntheses.begin(
            connection, campaign.id, body.generator, body.per_label, body.seed, body.checked_share
        )
        args = {"synthesis": number}
        jobs.add(connection, jobs.NewJob(campaign.id, f"{KIND}:{number}", KIND, QUEUE, args, priority=4))
        return _view(api, connection, campaign, syntheses.get(connection, campaign.id, number), {})


def list_all(api: Api, c: str) -> Syntheses:
    """All of them with counts for each verdict, what people say of those they were asked about, and examples."""
    with api.reading(c) as (connection, campaign):
        held = syntheses.holding(connection, campaign.id)
        rows = reversed(syntheses.all_of(connection, campaign.id))
        return Syntheses([_view(api, connection, campaign, row, held) for row in rows])


def undo(api: Api, c: str, s: int) -> SynthesisView:
    """End the labels of one synthesis; its texts stay stored and marked, and what people answered stays."""
    with api.changing(c) as (connection, campaign):
        syntheses.undo(connection, campaign.id, s)
        held = syntheses.holding(connection, campaign.id)
        return _view(api, connection, campaign, syntheses.get(connection, campaign.id, s), held)


def _check(connection: Connection, campaign: Campaign, body: SynthesisBody) -> None:
    if campaign.problem == "spans":
        raise Invalid("spans have no synthetic texts: what changes a text moves its spans", "generator")
    if body.per_label * len(campaign.labels) > synthesis.MOST:
        most = max(1, synthesis.MOST // len(campaign.labels))
        raise Invalid(
            f"{synthesis.MOST:,} texts at a time at most: ask for {most} of each label", "per_label"
        )
    if not any(row.adapter for row in rounds.all_of(connection, campaign.id)):
        raise Conflict("no round was trained yet, whose adapter is to judge synthetic texts: label some more")
    waiting = [row.number for row in syntheses.all_of(connection, campaign.id) if row.state == "waiting"]
    if waiting:
        raise Conflict(f"synthesis {waiting[0]} is being made: wait until it has ended")


def _view(
    api: Api, connection: Connection, campaign: Campaign, row: Row[Any], held: dict[int, int]
) -> SynthesisView:
    made = row.shard is not None
    job = None
    if row.state == "waiting":
        mine = [
            one for one in jobs.of_kind(connection, campaign.id, KIND) if one.args["synthesis"] == row.number
        ]
        job = job_view(mine[-1]) if mine else None
    return SynthesisView(
        number=row.number,
        generator=msgspec.convert(row.generator, Generator),
        per_label=row.per_label,
        seed=row.seed,
        checked_share=row.checked_share,
        state=row.state,
        error=row.error,
        made_at=row.made_at,
        ended_at=row.ended_at,
        undone_at=row.undone_at,
        nonsense=row.nonsense,
        verdicts=row.verdicts,
        labels=held.get(row.shard, 0) if made else 0,
        checked=syntheses.checked(connection, campaign.id, row.shard) if made else None,
        examples=_examples(api, connection, campaign, row.shard) if made else [],
        job=job,
    )


def _examples(api: Api, connection: Connection, campaign: Campaign, number: int) -> list[SyntheticText]:
    content = pool.shard_row(connection, campaign.id, number).content
    found: list[SyntheticText] = []
    seen = Counter[str]()
    for one in shards.pages(api.files, content, shards.GROUP_ROWS):
        for example in one:
            made = msgspec.convert(example["meta"][synthesis.META], Provenance)
            seen[made.verdict] += 1
            if seen[made.verdict] <= SHOWN:
                answer = answers.read(campaign.problem, example["label"])
                found.append(SyntheticText(example["ext_id"], example["text"], answer, made))
    return found
