"""Influence: which labels of the newest adapter helped or hurt what measures today."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import influence
from service.errors import Conflict
from service.influence import SHOWN, Effect, Found, most_harmful
from service.store import campaigns, events, labels
from service.store.database import clock
from workers.coding import classes
from workers.held import Held
from workers.influence import of
from workers.learner import Fitted
from workers.material import Lessons, Material

TEXT_CHARS = 300


def run(held: Held) -> None:
    files = held.context.files
    with held.context.database.reading() as connection:
        campaign = campaigns.get(connection, held.campaign)
        round_, truth = influence.subject(connection, files, campaign)
        material = Material.load(connection, files, campaign)
        known = labels.snapshot(connection, campaign.id, round_.label_version)
        at = clock(connection)
    held.progress(0, 1, "influence: loading the model")
    encoder = held.context.encoder(campaign.model)
    lessons = material.lessons(encoder, known)
    places = [place for place in truth.answers if place.shard in material.encoded]
    if not places or not lessons.given:
        raise Conflict("what measures, or what trains, was not read yet: ask again in a while")
    fitted = held.context.fitted(encoder, round_.adapter)
    assert isinstance(fitted, Fitted)  # spans were refused
    true = classes(campaign.problem, [truth.answers[place] for place in places], len(campaign.labels))
    effects, log_loss = of(
        encoder,
        fitted,
        material.corpus(encoder, lessons.places),
        lessons.labels,
        material.read(encoder, places),
        true,
        held.telling(f"influence on {len(places)} examples"),
    )
    effects = _by_label(lessons, effects)
    order = np.argsort(effects, kind="stable")
    # Synthetic texts are not of the pool, and nobody is to be asked of them again.
    order = order[[lessons.places[row].shard in material.whole.contents for row in order]]
    harmful = [row for row in order[: most_harmful(lessons.given)] if effects[row] < 0]
    helpful = [row for row in order[::-1][:SHOWN] if effects[row] > 0]
    found = Found(
        at,
        round_.number,
        lessons.given,
        truth.source,
        len(places),
        log_loss,
        _shown(material, lessons, harmful, effects),
        _shown(material, lessons, helpful, effects),
    )
    with held.effects(msgspec.to_builtins(found)) as connection:
        events.record(connection, campaign.id, "influence-known", round=found.round, labels=found.labels)


def _by_label(lessons: Lessons, effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """(given,) of each label, with what it did through examples that repeat its own."""
    at = {row.version: position for position, row in enumerate(lessons.rows[: lessons.given])}
    owners = [at[row.version] for row in lessons.rows]
    found = np.zeros(lessons.given)
    np.add.at(found, owners, effects)
    return found


def _shown(
    material: Material, lessons: Lessons, rows: list[int], effects: NDArray[np.float64]
) -> list[Effect]:
    places = [lessons.places[row] for row in rows]
    texts = material.whole.examples(material.files, material.whole.positions(places))
    return [
        Effect(
            place.shard,
            place.row,
            text["ext_id"] if text["ext_id"] is not None else str(place),
            text["text"][:TEXT_CHARS],
            lessons.rows[row].value,
            float(effects[row]),
        )
        for row, place, text in zip(rows, places, texts, strict=True)
    ]
