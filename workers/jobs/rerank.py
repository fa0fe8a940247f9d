"""After a round, and when the pool was first read: open tasks that nobody has begun are put in a new order, or
give way to better ones.

What stays where it is: the head of the queue (somebody may have it open), and every random draw.
"""

import time
from typing import Any

import numpy as np
from sqlalchemy import Row

from service import annotations, maps, synthesis
from service.records import Campaign, Place
from service.rounds.decide import Mode
from service.store import campaigns, events, jobs, rounds, selections
from service.store.database import clock
from workers import selection, situation
from workers.held import Held

HEAD = 20
HEAD_EACH = 3


def run(held: Held) -> None:
    number, started = held.args["round"], time.monotonic()
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        queue = selections.in_states(connection, campaign.id, ["open", "chosen"])
        people = len(annotations.annotators(connection, campaign.id))
        begun = selections.begun(connection, campaign.id)
        kept = _head(queue, people)
        # Who waits for another's opinion stays, too.
        kept |= begun
        # Synthetic texts are not of the pool: they keep their places, too.
        queue = [row for row in queue if row.strategy != synthesis.STRATEGY]
        loose = [row for row in queue if row.id not in kept and row.role == "train"]
        places = [Place(row.shard, row.row) for row in loose]
        now = situation.load(connection, held.context.files, campaign, number, released=places)
    held.progress(0, 1, f"round {number}: ordering the queue anew")
    rng = np.random.default_rng([campaign.seed, number, 1])
    picks = selection.train(now, len(loose), _mode(campaign, number), rng)
    # Each pick takes one of the places that the loose ones held, so random draws stay at theirs.
    slots = sorted(row.place for row in loose)[: len(picks)]
    at = dict(zip(places, loose, strict=True))
    chosen = selection.describe(held.context.files, now, picks, slots)
    again = {one.place: one for one in chosen if one.place in at}
    new = [one for one in chosen if one.place not in at]
    fixed = selection.predictions(now, now.pool.positions([Place(row.shard, row.row) for row in queue]))
    with held.effects({"new": len(new), "kept": len(again)}) as connection:
        unstarted = selections.in_states(connection, campaign.id, ["open", "chosen"])
        # People went on meanwhile: what comes next now may be on a screen.
        kept |= _head(unstarted, people) | selections.begun(connection, campaign.id)
        left, freed = {row.id for row in unstarted}, 0
        for row, prediction in zip(queue, fixed, strict=True):
            if row.id not in left:
                continue
            pick = None if row.id in kept else again.get(Place(row.shard, row.row))
            if row.id in kept or pick is not None:
                rank = row.place if pick is None else pick.rank
                shown = prediction if row.role == "train" and row.id not in begun else None
                selections.rank(connection, row.id, rank, shown, row.predictions)
            elif row.role == "train":
                freed += 1
                # Also where it is only chosen: it may be on its way into Label Studio at this moment.
                selections.move(connection, [row.id], "withdrawing")
        # Of the new ones only as many as give way now: answers that came meanwhile left their places for good.
        news = new[:freed]
        selections.choose(connection, campaign.id, campaign.batches, number, news, campaign.overlap)
        seconds = time.monotonic() - started
        if number:
            rounds.change(
                connection, campaign.id, number, ranked_at=clock(connection), select_seconds=seconds
            )
        events.record(connection, campaign.id, "queue-ranked", round=number, new=len(news), kept=len(again))
        jobs.hint(connection, campaign.id, "sync")
        maps.keep_up(connection, campaign.id)
    for old in range(max(1, number - 3), number - 1):
        for kind in ("scores", "candidates"):
            held.context.files.remove(f"{kind}/{campaign.id}/{old}")


def _head(queue: list[Row[Any]], people: int) -> set[int]:
    """Ids of the open tasks that somebody may have on the screen."""
    return {row.id for row in [row for row in queue if row.state == "open"][: max(HEAD, HEAD_EACH * people)]}


def _mode(campaign: Campaign, round_: int) -> Mode:
    if campaign.strategy == "random":
        return "random"
    return "strategy" if round_ else "coverage"
