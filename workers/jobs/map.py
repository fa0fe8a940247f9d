"""A map: some thousand texts of the pool in the plane; what has a label or is asked, and a random sample of the rest.

The layout is kept from map to map, and what is new is placed in it, until the pool has doubled.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import maps
from service.maps import MOST, TEXT_CHARS, Drawn
from service.pool.text import draws
from service.records import Campaign, Place
from service.store import campaigns, events, rounds
from service.store.database import clock
from strategies.multi_label import mean_uncertainty
from strategies.tokens import MNLP_COLUMN
from strategies.uncertainty import margin
from workers import encodings, projection
from workers.held import Held
from workers.projection import LANDMARKS
from workers.situation import Pool, Scores

Positions = NDArray[np.int64]
GROWN = 2
"""Times the texts that there were when the layout was made: then it is made anew."""


def run(held: Held) -> None:
    files = held.context.files
    with held.context.database.reading() as connection:
        campaign = campaigns.get(connection, held.campaign)
        whole = Pool.load(connection, files, campaign)
        encoded = rounds.encodings(connection, campaign.id, campaign.encoder)
        known, queue = maps.whereabouts(connection, campaign)
        drawn = maps.newest(connection, campaign.id)
        scored = rounds.newest(connection, campaign.id, ranked=True)
        scores = rounds.scores(connection, campaign.id, scored.number) if scored else []
        at = clock(connection)
    held.progress(0, 1, "map: reading the pool")
    readable = np.isin(whole.numbers, list(encoded))
    places, before = maps.layout(files, drawn) if drawn is not None else ([], np.empty((0, 2), np.float32))
    stays = [(one, xy) for one, xy in zip(places, before, strict=True) if one.shard in encoded]
    old = whole.positions([one for one, _ in stays])
    old_xy = np.array([xy for _, xy in stays], np.float32).reshape(-1, 2)
    asked = [Place(shard, row) for shard, row in (*known, *queue)]
    chosen = _chosen(campaign, whole, readable, asked, old)
    embeddings = encodings.embeddings(files, encoded, whole.numbers[chosen], whole.rows[chosen])
    keeps = drawn is not None and len(old) > 0 and len(whole.numbers) < GROWN * drawn.laid_out
    held.progress(0, 1, f"map: laying out {len(chosen):,} texts")
    xy = _positions(campaign, chosen, embeddings, old, old_xy, keeps)
    said = Scores.load(files, whole, scored.number, scores) if scored and scores else None
    texts = [
        (
            one["ext_id"] if one["ext_id"] is not None else str(place),
            one["domain"],
            " ".join(one["text"].split())[:TEXT_CHARS],
        )
        for one, place in zip(whole.examples(files, chosen), whole.places(chosen), strict=True)
    ]
    path = held.folder(f"maps/{campaign.id}/{held.claim.id}")
    with files.new(path) as folder:
        maps.write(folder, whole.places(chosen), xy, _uncertainty(campaign, said, chosen), texts)
    n = len(whole.numbers)
    laid_out = drawn.laid_out if drawn is not None and keeps else n
    found = Drawn(path, len(chosen), n, laid_out, scored.number if said is not None and scored else None, at)
    with held.effects(msgspec.to_builtins(found)) as connection:
        events.record(connection, campaign.id, "map-drawn", points=len(chosen))


def _chosen(
    campaign: Campaign, whole: Pool, readable: NDArray[np.bool_], asked: list[Place], old: Positions
) -> Positions:
    """At most MOST positions, ascending: what is asked or labeled first, then what was on the map, then by a draw."""
    first = np.full(len(whole.numbers), 2)
    first[old] = 1
    first[whole.positions(asked)] = 0
    # Another draw than the one that roles follow: else the sample would be of hold-out texts alone.
    drawn = draws(whole.role_keys, campaign.seed + 1)
    candidates = np.flatnonzero(readable & (whole.leading | (first < 2)))
    if len(candidates) > MOST:
        order = first[candidates] + drawn[candidates]  # draws are below 1
        candidates = candidates[np.argpartition(order, MOST)[:MOST]]
    return np.sort(candidates)


def _positions(
    campaign: Campaign,
    chosen: Positions,
    embeddings: NDArray[np.floating],
    old: Positions,
    old_xy: NDArray[np.float32],
    keeps: bool,
) -> NDArray[np.float32]:
    order = np.argsort(old, kind="stable")
    rows = np.searchsorted(old, chosen, sorter=order)
    was = order[np.minimum(rows, len(order) - 1)] if len(order) else np.zeros(len(chosen), np.int64)
    there = old[was] == chosen if len(order) else np.zeros(len(chosen), np.bool_)
    xy = np.zeros((len(chosen), 2), np.float32)
    xy[there] = old_xy[was[there]]
    if there.any() and not there.all():
        xy[~there] = projection.place(embeddings[~there], embeddings[there], xy[there])
    if keeps and there.any():
        return xy
    rng = np.random.default_rng(campaign.seed)
    landmarks = np.sort(rng.choice(len(chosen), min(LANDMARKS, len(chosen)), replace=False))
    begin = xy[landmarks] if there.any() else None
    laid = projection.lay_out(embeddings[landmarks], campaign.seed, begin)
    rest = np.setdiff1d(np.arange(len(chosen)), landmarks)
    xy[landmarks] = laid
    if len(rest):
        xy[rest] = projection.place(embeddings[rest], embeddings[landmarks], laid)
    return xy


def _uncertainty(campaign: Campaign, said: Scores | None, chosen: Positions) -> NDArray[np.float32]:
    """(m,), the higher the less sure: as `margin`, of several labels `mean_uncertainty`, of spans MNLP."""
    found = np.full(len(chosen), np.nan, np.float32)
    if said is None or not len(said.positions):
        return found
    there, rows = said.at(chosen)
    rows = rows[there]
    if said.token_uncertainty is not None:
        found[there] = said.token_uncertainty[rows, MNLP_COLUMN]
    elif said.probabilities is not None:
        unsure = margin if campaign.problem == "single_label" else mean_uncertainty
        found[there] = unsure(said.probabilities[rows])
    return found
