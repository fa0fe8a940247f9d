"""One round's training: an adapter on the labels of the snapshot, measured beside its references."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from service import curve, exam, predictions
from service.pool import pool, shards
from service.pool.text import draws
from service.predictions import ADAPTER, BASELINE, CONTROL
from service.records import HEADLINES, Campaign, Place
from service.store import campaigns, events, labels, rounds, selections
from workers import adapter, baseline, encodings, learner
from workers.encoder import Encoder
from workers.held import Held
from workers.tokens import Tokens, concat

CONTROL_AT_LEAST = 10
RATE_ROWS = 100
"""Fewer rows say too little of how fast the pool will be scored."""


class Labels:
    """The labels that train: positions aligned over places, classes (n,) and weights (n,)."""

    def __init__(self, rows: list[Row[Any]], campaign: Campaign) -> None:
        index = {name: at for at, name in enumerate(campaign.labels)}
        self.places = [Place(row.shard, row.row) for row in rows]
        self.classes = np.array([index[row.value] for row in rows], dtype=np.int64)
        self.weights = np.array([row.weight for row in rows], dtype=np.float32)


class Read:
    """What the base model made of examples: their tokens, and its embeddings (n, d)."""

    def __init__(
        self, held: Held, encoder: Encoder, encoded: dict[int, Row[Any]], places: list[Place]
    ) -> None:
        self.tokens = _tokens(held, encoded, places)
        self.base: NDArray[np.float16] = np.empty((0, encoder.dimension), np.float16)
        if places:
            self.base = encodings.embeddings(held.context.files, encoded, places)


def run(held: Held) -> None:
    number = held.args["round"]
    files = held.context.files
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        round_ = rounds.get(connection, campaign.id, number)
        known = labels.snapshot(connection, campaign.id, round_.label_version)
        taken = selections.taken(connection, campaign.id)
        encoded = rounds.encodings(connection, campaign.id, campaign.encoder)
        tests = [row for row in pool.all_shards(connection, campaign.id, "test") if row.number in encoded]
        sealed = [row for row in pool.all_shards(connection, campaign.id) if row.number in encoded]
    held.progress(0, 1, f"round {number}: loading the model")
    encoder = held.context.encoder(campaign.model)
    places = _measuring(held, campaign, taken, sealed, tests)
    forbidden = _measured_keys(held, taken, tests)
    train = [row for row in known if row.role != "hold-out" and row.shard in encoded]
    usable = [row for row in train if row.role_key not in forbidden]
    own = Labels(usable, campaign)
    control = Labels(
        [row for row in usable if row.role == "control" and row.source == "annotation"], campaign
    )
    learned, measured = (Read(held, encoder, encoded, some) for some in (own.places, places))

    def fit(these: Labels, read: Read, words: str) -> learner.Fitted:
        return learner.fit(
            encoder,
            read.tokens,
            these.classes,
            these.weights,
            len(campaign.labels),
            round_.seed,
            base=read.base,
            progress=_telling(held, f"round {number}: {words}"),
        )

    def ask(fitted: learner.Fitted) -> learner.Predictions:
        words = f"round {number}: measuring on {len(places)} examples"
        return learner.predict(
            encoder, fitted, measured.tokens, measured.base, progress=_telling(held, words)
        )

    started = time.monotonic()
    fitted = fit(own, learned, f"training on {len(usable)} labels")
    train_seconds = time.monotonic() - started
    predicted = ask(fitted)
    models = {
        ADAPTER: predicted.probabilities,
        BASELINE: baseline.fit_predict(
            learned.base, own.classes, own.weights, measured.base, len(campaign.labels)
        ),
    }
    if len(control.places) >= CONTROL_AT_LEAST and len(np.unique(control.classes)) > 1:
        words = f"a reference on {len(control.places)} random labels"
        reference = fit(control, Read(held, encoder, encoded, control.places), words)
        models[CONTROL] = ask(reference).probabilities
    rate = predicted.rate
    if len(places) < RATE_ROWS:
        rng = np.random.default_rng(round_.seed)
        rate = learner.measure_rate(encoder, fitted, learned.tokens, learned.base, rng)
    pool_rows = sum(row.rows for row in sealed)
    facts = {
        "trained_on": len(usable),
        "near_measured": len(train) - len(usable),
        "control_labels": len(control.places),
        "rate": rate,
        "score_share": min(1.0, campaign.score_seconds * rate / max(1, pool_rows)),
    }
    adapter_name = held.folder(f"adapters/{campaign.id}/r{number}")
    predictions_name = held.folder(f"predictions/{campaign.id}/r{number}")
    with files.new(predictions_name) as folder:
        predictions.write(folder, places, models)
    with files.new(adapter_name) as folder:
        adapter.save(fitted, folder, campaign.labels, _lineage(campaign, round_, encoder), facts)
    with held.context.database.reading() as connection:
        truth = curve.truth(connection, files, campaign)
    marked = exam.exam(campaign, files.path(predictions_name), truth, round_.seed)
    headline = HEADLINES[campaign.problem]
    scores = {headline: marked.score(ADAPTER), f"baseline_{headline}": marked.score(BASELINE)}
    with held.effects() as connection:
        rounds.change(
            connection,
            campaign.id,
            number,
            state="scoring",
            adapter=adapter_name,
            predictions=predictions_name,
            metrics=facts,
            train_seconds=train_seconds,
        )
        events.record(
            connection,
            campaign.id,
            "round-trained",
            round=number,
            trained_on=len(usable),
            **scores,
            seconds=round(train_seconds, 1),
            scoring_rows=round(pool_rows * facts["score_share"]),
            scoring_seconds=round(pool_rows * facts["score_share"] / rate, 1),
        )


def _measuring(
    held: Held, campaign: Campaign, taken: list[Row[Any]], sealed: list[Row[Any]], tests: list[Row[Any]]
) -> list[Place]:
    """Every example that measures or may come to: the test set, else the hold-out and who is drawn next for it."""
    if tests:
        return [Place(row.number, at) for row in tests for at in range(row.rows)]
    ready = {row.number for row in sealed}
    drawn = [Place(row.shard, row.row) for row in taken if row.role == "hold-out" and row.shard in ready]
    missing = campaign.holdout_size - len(drawn)
    if missing <= 0 or not sealed:
        return drawn
    keys = [draws(shards.role_keys(held.context.files, row.content), campaign.seed) for row in sealed]
    flat = np.concatenate(keys)
    numbers = np.repeat([row.number for row in sealed], [len(part) for part in keys])
    at = np.concatenate([np.arange(len(part)) for part in keys])
    first = np.argsort(flat, kind="stable")[: campaign.holdout_size + len(drawn)]
    first = first[flat[first] < campaign.random_share / 2]
    have = set(drawn)
    coming = [place for one in first if (place := Place(int(numbers[one]), int(at[one]))) not in have]
    return drawn + coming[:missing]


def _measured_keys(held: Held, taken: list[Row[Any]], tests: list[Row[Any]]) -> set[int]:
    """Role keys of all texts that measure: what is like them must not train."""
    keys = {row.role_key for row in taken if row.role == "hold-out"}
    for row in tests:
        keys.update(shards.role_keys(held.context.files, row.content).tolist())
    return keys


def _tokens(held: Held, encoded: dict[int, Row[Any]], places: list[Place]) -> Tokens:
    """Tokens of these examples, in their order."""
    order: list[NDArray[np.int64]] = []
    parts: list[Tokens] = []
    for number, at, rows in encodings.by_shard(places):
        parts.append(Tokens.load(held.context.files.path(encoded[number].path)).take(rows))
        order.append(at)
    if not parts:
        return Tokens.load(held.context.files.path(next(iter(encoded.values())).path)).take(
            np.empty(0, np.int64)
        )
    return concat(parts).take(np.argsort(np.concatenate(order)))


def _lineage(campaign: Campaign, round_: Row[Any], encoder: Encoder) -> dict[str, Any]:
    return {
        "campaign": campaign.id,
        "round": round_.number,
        "label_version": round_.label_version,
        "seed": round_.seed,
        "base_model": campaign.model,
        "base_key": encoder.key,
    }


def _telling(held: Held, words: str) -> Any:
    return lambda done, total: held.progress(done, total, words)
