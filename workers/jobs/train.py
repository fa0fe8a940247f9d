"""One round's training: an adapter on the labels of the snapshot, measured beside its references."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import Row

from service import advice, cost, curve, exam, predictions
from service.errors import Invalid
from service.exam import Sitting
from service.gain import behind
from service.predictions import ADAPTER, BASELINE
from service.records import HEADLINES, Campaign
from service.stopping import stopping
from service.store import campaigns, costs, events, labels, rounds
from service.store.database import Database
from workers import adapter, beliefs, encodings, learner, scoring, tagger, trackers
from workers.corpus import Corpus
from workers.encoder import Encoder
from workers.held import Held
from workers.learner import Fitted
from workers.material import Material
from workers.recipe import Recipe
from workers.tagger import Tagger
from workers.turn import probe, take

RATE_ROWS = 100
"""Fewer rows say too little of how fast the pool will be scored."""
RATE_SAMPLE = 256


def run(held: Held) -> None:
    number = held.args["round"]
    files = held.context.files
    campaign, material, encoder = _load(held)
    encodings.name(files, campaign, encoder)  # they may have changed
    people = beliefs.settle(held, material, encoder, number)
    with held.context.database.transaction() as connection:
        round_ = rounds.get(connection, campaign.id, number)
        known = labels.snapshot(connection, campaign.id, round_.label_version)
    places = material.measuring()
    lessons = material.lessons(encoder, known)
    taught, own = lessons.labels, len(lessons.places)
    measured = material.read(encoder, places)
    corpus = material.corpus(encoder, lessons.places)
    turn = take(
        campaign.problem,
        encoder,
        corpus,
        taught,
        len(campaign.labels),
        measured,
        round_.seed,
        lambda words: held.telling(f"round {number}: {words}"),
        Recipe(balance=campaign.class_balance),
        _earlier(held, encoder),
    )
    fitted, train_seconds, rate = turn.fitted, turn.train_seconds, turn.rate
    if len(places) < RATE_ROWS:
        rate = _rate(encoder, fitted, corpus, round_.seed)
    held.progress(0, 1, f"round {number}: choosing what to score")
    spare = np.arange(own, len(corpus))
    hands = scoring.hands(held, material)
    with held.context.database.reading() as connection:
        named = campaigns.get(connection, campaign.id).adapter
        asked = fitted
        if named is not None:  # the pool is not scored by what was just trained
            asked = held.context.fitted(encoder, rounds.get(connection, campaign.id, named).adapter)
    plan, planned_shards, planned = scoring.plan(
        held,
        campaign,
        round_,
        round(campaign.score_seconds * rate * hands),
        lambda: probe(campaign.problem, encoder, asked, corpus, spare, np.random.default_rng(round_.seed)),
    )
    facts: dict[str, Any] = {
        "trained_on": lessons.given - lessons.synthetic,
        "near_measured": lessons.near_measured,
        "propagated": own - lessons.given,
        "synthetic": lessons.synthetic,
        "control_labels": int(taught.control.sum()),
        "rate": rate,
        "score_share": planned / max(1, material.pool_rows),
        "thresholds": turn.thresholds,
        "annotators": people,
    }
    adapter_name = held.folder(f"adapters/{campaign.id}/r{number}")
    predictions_name = held.folder(f"predictions/{campaign.id}/r{number}")
    with files.new(predictions_name) as folder:
        predictions.write(folder, places, turn.models)
    with files.new(adapter_name) as folder:
        adapter.save(fitted, folder, campaign.labels, _lineage(campaign, round_, encoder), facts)
    with held.context.database.reading() as connection:
        today = campaigns.get(connection, campaign.id)  # labels may have changed meanwhile
        truth = curve.truth(connection, files, today)
        earlier = [row for row in rounds.all_of(connection, campaign.id) if row.number < number]
    changes = len(campaign.label_changes)
    marked = exam.exam(today, files.path(predictions_name), truth, round_.seed, turn.thresholds, changes)
    sat = curve.sittings(files, today, earlier, truth)
    sat.append(Sitting(number, facts["trained_on"], facts["control_labels"], marked))
    headline = HEADLINES[campaign.problem]
    why = advised(held.context.database, today, sat)
    scores = {headline: marked.score(ADAPTER), f"baseline_{headline}": marked.score(BASELINE)}
    with held.effects() as connection:
        rounds.change(
            connection,
            campaign.id,
            number,
            state="scoring",
            scored_by=named,
            shards=planned_shards,
            label_changes=changes,
            adapter=adapter_name,
            predictions=predictions_name,
            candidates=plan,
            metrics=facts | {"behind": behind(sat)},
            train_seconds=train_seconds,
            advice=why,
        )
        events.record(
            connection,
            campaign.id,
            "round-trained",
            round=number,
            trained_on=facts["trained_on"],
            **scores,
            seconds=round(train_seconds, 1),
            scoring_rows=planned,
            scoring_seconds=round(planned / rate / hands, 1),
        )
    if trackers.asked(held.context.settings):
        others = {"round": number, "labels": round_.labels, "trained_on": facts["trained_on"]}
        told = trackers.numbers(
            marked.metrics(),
            today.labels,
            {name: value for name, value in scores.items() if value is not None}
            | others
            | {"train_seconds": train_seconds},
        )
        for words in trackers.tell(held.context.settings, campaign, facts["trained_on"], told):
            with held.context.database.transaction() as connection:
                events.warn(connection, campaign.id, words)


def _earlier(held: Held, encoder: Encoder) -> Mapping[str, Any] | None:
    """What the last training found out about itself; this round has left nothing yet."""
    with held.context.database.reading() as connection:
        last = rounds.measured(connection, held.campaign)
    try:
        return None if last is None else held.context.fitted(encoder, last.adapter).metrics
    except Invalid:  # without it all is measured anew
        return None


def _load(held: Held) -> tuple[Campaign, Material, Encoder]:
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        material = Material.load(connection, held.context.files, campaign)
    held.progress(0, 1, f"round {held.args['round']}: loading the model")
    return campaign, material, held.context.encoder(campaign.model)


def advised(database: Database, campaign: Campaign, sat: list[Sitting]) -> str | None:
    """Why to stop after these rounds, for a campaign that heeds it; None where it is to go on, or too early to say."""
    if not campaign.stop_at_advice:
        return None
    signs = stopping(sat, HEADLINES[campaign.problem])
    with database.reading() as connection:
        rates = cost.Rates.of(campaign, costs.account(connection, campaign))
    prices = cost.Prices.of(campaign)
    stop, why = advice.verdict(signs, cost.forecast(rates, prices, signs.outlook), prices)
    return why if stop else None


def _rate(encoder: Encoder, fitted: Fitted | Tagger, corpus: Corpus, seed: int) -> float:
    """Texts per second now, from a sample."""
    rng = np.random.default_rng(seed)
    if isinstance(fitted, Fitted):
        return learner.measure_rate(encoder, fitted, corpus.tokens, corpus.base, rng)
    rows = rng.choice(len(corpus), min(RATE_SAMPLE, len(corpus)), replace=False)
    texts = corpus.some_texts(rows)
    tagger.predict(encoder, fitted, texts[:16])  # the first call pays for memory and compiled kernels
    return tagger.predict(encoder, fitted, texts).rate


def _lineage(campaign: Campaign, round_: Row[Any], encoder: Encoder) -> dict[str, Any]:
    return {
        "campaign": campaign.id,
        "round": round_.number,
        "label_version": round_.label_version,
        "seed": round_.seed,
        "base_model": campaign.model,
        "base_key": encoder.key,
    }
