"""One round's training: an adapter on the labels of the snapshot, measured beside its references."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from service import answers, curve, exam, predictions
from service.exam import Sitting
from service.gain import behind
from service.pool import pool, shards
from service.predictions import ADAPTER, BASELINE
from service.records import HEADLINES, Campaign, Place
from service.store import campaigns, events, labels, rounds, selections
from workers import adapter, encodings, learner, scoring, situation, tagger
from workers.coding import classes
from workers.corpus import Corpus, words
from workers.encoder import Encoder
from workers.held import Held
from workers.learner import Fitted
from workers.situation import Pool
from workers.tagger import Tagger
from workers.tokens import Tokens, concat
from workers.turn import Labels, probe, take

RATE_ROWS = 100
"""Fewer rows say too little of how fast the pool will be scored."""
RATE_SAMPLE = 256
PROPAGATED = 0.5
"""Weight of a label that a near-duplicate passes on, beside its own."""
UNLABELED_ROWS = 10_000
"""Texts of the pool that the learner looks at without a label, beside the labeled ones."""


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
        whole = Pool.load(connection, files, campaign)
    held.progress(0, 1, f"round {number}: loading the model")
    encoder = held.context.encoder(campaign.model)
    places = _measuring(campaign, taken, whole, encoded, tests)
    forbidden = situation.measured(files, whole, taken, tests)
    train = [row for row in known if row.role != "hold-out" and row.shard in encoded]
    at = whole.positions([Place(row.shard, row.row) for row in train])
    usable = [row for row, bad in zip(train, forbidden[at], strict=True) if not bad]
    own = [Place(row.shard, row.row) for row in usable]
    repeats: list[tuple[Place, Row[Any]]] = []
    if campaign.near_duplicates == "propagate":
        repeats = _repeats(whole, usable, np.isin(whole.numbers, list(encoded)) & ~forbidden)
    own += [place for place, _ in repeats]
    lessons = usable + [row for _, row in repeats]
    unlabeled = _unlabeled(campaign, whole, encoded, forbidden, bool(tests), set(own))
    contents = {row.number: row.content for row in [*sealed, *tests]}
    measured = _read(held, encoder, encoded, contents, places)
    corpus = _read(held, encoder, encoded, contents, own + unlabeled, campaign.labels)
    code = answers.coder(campaign.problem, campaign.labels)
    taught = Labels(
        np.arange(len(own)),
        classes(campaign.problem, [code(row.value) for row in lessons], len(campaign.labels)),
        np.array(
            [row.weight for row in usable] + [PROPAGATED * row.weight for _, row in repeats], np.float32
        ),
        np.array(
            [row.role == "control" and row.source == "annotation" for row in usable] + [False] * len(repeats),
            np.bool_,
        ),
    )
    turn = take(
        campaign.problem,
        encoder,
        corpus,
        taught,
        len(campaign.labels),
        measured,
        round_.seed,
        lambda words: _telling(held, f"round {number}: {words}"),
    )
    fitted, train_seconds, rate = turn.fitted, turn.train_seconds, turn.rate
    if len(places) < RATE_ROWS:
        rate = _rate(encoder, fitted, corpus, round_.seed)
    pool_rows = sum(row.rows for row in sealed)
    held.progress(0, 1, f"round {number}: choosing what to score")
    spare = np.arange(len(own), len(corpus))
    hands = max(1, min(held.context.doorbell.workers("gpu"), len(sealed)))
    plan, planned_shards, planned = scoring.plan(
        held,
        campaign,
        round_,
        round(campaign.score_seconds * rate * hands),
        lambda: probe(campaign.problem, encoder, fitted, corpus, spare, np.random.default_rng(round_.seed)),
    )
    facts = {
        "trained_on": len(usable),
        "near_measured": len(train) - len(usable),
        "propagated": len(repeats),
        "control_labels": int(taught.control.sum()),
        "rate": rate,
        "score_share": planned / max(1, pool_rows),
        "thresholds": turn.thresholds,
    }
    adapter_name = held.folder(f"adapters/{campaign.id}/r{number}")
    predictions_name = held.folder(f"predictions/{campaign.id}/r{number}")
    with files.new(predictions_name) as folder:
        predictions.write(folder, places, turn.models)
    with files.new(adapter_name) as folder:
        adapter.save(fitted, folder, campaign.labels, _lineage(campaign, round_, encoder), facts)
    with held.context.database.reading() as connection:
        truth = curve.truth(connection, files, campaign)
        earlier = [row for row in rounds.all_of(connection, campaign.id) if row.number < number]
    marked = exam.exam(campaign, files.path(predictions_name), truth, round_.seed, turn.thresholds)
    sat = curve.sittings(files, campaign, earlier, truth)
    sat.append(Sitting(number, len(usable), facts["control_labels"], marked))
    headline = HEADLINES[campaign.problem]
    scores = {headline: marked.score(ADAPTER), f"baseline_{headline}": marked.score(BASELINE)}
    with held.effects() as connection:
        rounds.change(
            connection,
            campaign.id,
            number,
            state="scoring",
            shards=planned_shards,
            adapter=adapter_name,
            predictions=predictions_name,
            candidates=plan,
            metrics=facts | {"behind": behind(sat)},
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
            scoring_rows=planned,
            scoring_seconds=round(planned / rate / hands, 1),
        )


def _measuring(
    campaign: Campaign,
    taken: list[Row[Any]],
    whole: Pool,
    encoded: dict[int, Row[Any]],
    tests: list[Row[Any]],
) -> list[Place]:
    """Every example that measures or may come to: the test set, else the hold-out and who is drawn next for it."""
    if tests:
        return [Place(row.number, at) for row in tests for at in range(row.rows)]
    drawn = [Place(row.shard, row.row) for row in taken if row.role == "hold-out" and row.shard in encoded]
    missing = campaign.holdout_size - len(drawn)
    if missing <= 0:
        return drawn
    drawn_by = whole.draws(campaign.seed, campaign.random_share)
    keys = np.where(np.isin(whole.numbers, list(encoded)), drawn_by, 1.0)
    first = np.argsort(keys, kind="stable")[: campaign.holdout_size + len(drawn)]
    first = first[keys[first] < campaign.random_share / 2]
    have = set(drawn)
    return drawn + [place for place in whole.places(first) if place not in have][:missing]


def _repeats(whole: Pool, labeled: list[Row[Any]], fine: NDArray[np.bool_]) -> list[tuple[Place, Row[Any]]]:
    """The `fine` (n,) examples without a label that repeat a labeled one, and its label: the first of those."""
    at = whole.positions([Place(row.shard, row.row) for row in labeled])
    label: dict[int, Row[Any]] = {}
    for leader, row in zip(whole.leaders[at].tolist(), labeled, strict=True):
        label.setdefault(leader, row)
    fine = fine.copy()
    fine[at] = False
    found = np.flatnonzero(fine & np.isin(whole.leaders, list(label)))
    leaders = whole.leaders[found].tolist()
    return [(place, label[leader]) for place, leader in zip(whole.places(found), leaders, strict=True)]


def _unlabeled(
    campaign: Campaign,
    whole: Pool,
    encoded: dict[int, Row[Any]],
    forbidden: NDArray[np.bool_],
    tested: bool,
    known: set[Place],
) -> list[Place]:
    """A sample of the pool, the same in every round; never of texts that measure or may come to."""
    fine = np.isin(whole.numbers, list(encoded)) & ~forbidden
    if not tested:
        fine &= whole.draws(campaign.seed, campaign.random_share) >= campaign.random_share / 2
    at = np.flatnonzero(fine)
    rng = np.random.default_rng(campaign.seed)
    sample = np.sort(rng.choice(at, min(UNLABELED_ROWS, len(at)), replace=False))
    return [place for place in whole.places(sample) if place not in known]


def _read(
    held: Held,
    encoder: Encoder,
    encoded: dict[int, Row[Any]],
    contents: dict[int, str],
    places: list[Place],
    names: Sequence[str] | None = None,
) -> Corpus:
    """What the base model made of these examples, in their order, and of the labels' names."""
    read, files = None, held.context.files
    if names is not None:
        tokens = encoder.tokenize([words(name) for name in names])
        read = Corpus(tokens, encoder.embed(tokens))
    base: NDArray[np.float16] = np.empty((0, encoder.dimension), np.float16)
    if places:
        base = encodings.embeddings(files, encoded, *encodings.split(places))

    def texts(rows: NDArray[np.integer]) -> list[str]:
        found: dict[int, str] = {}
        for number, at, inside in encodings.by_shard(*encodings.split([places[row] for row in rows])):
            content = shards.examples(files, contents[number], inside.tolist())
            found.update(zip(at.tolist(), (one["text"] for one in content), strict=True))
        return [found[at] for at in range(len(rows))]

    return Corpus(_tokens(held, encoded, places), base, read, texts)


def _tokens(held: Held, encoded: dict[int, Row[Any]], places: list[Place]) -> Tokens:
    """Tokens of these examples, in their order."""
    order: list[NDArray[np.int64]] = []
    parts: list[Tokens] = []
    for number, at, rows in encodings.by_shard(*encodings.split(places)):
        parts.append(Tokens.load(held.context.files.path(encoded[number].path)).take(rows))
        order.append(at)
    if not parts:
        return Tokens.load(held.context.files.path(next(iter(encoded.values())).path)).take(
            np.empty(0, np.int64)
        )
    return concat(parts).take(np.argsort(np.concatenate(order)))


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


def _telling(held: Held, words: str) -> Any:
    return lambda done, total: held.progress(done, total, words)
