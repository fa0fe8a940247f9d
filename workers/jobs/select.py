"""Refill the queue."""

import time

import numpy as np

from service.store import campaigns, events, jobs, selections
from workers import selection, situation
from workers.held import Held
from workers.selection import SECOND_OPINION


def run(held: Held) -> None:
    args, started = held.args, time.monotonic()
    with held.context.database.transaction() as connection:
        campaign = campaigns.get(connection, held.campaign)
        now = situation.load(connection, held.context.files, campaign, args["round"])
    held.progress(0, 1, f"choosing {args['count']} examples")
    rng = np.random.default_rng([campaign.seed, args["batch"]])
    picks = selection.batch(now, args["count"], args["mode"], rng)
    chosen = selection.describe(
        held.context.files, now, picks, range(campaign.place, campaign.place + len(picks))
    )
    with held.effects({"chosen": len(chosen), "seconds": time.monotonic() - started}) as connection:
        new = [one for one in chosen if one.strategy != SECOND_OPINION]
        selections.choose(connection, campaign.id, args["batch"], args["round"], new, campaign.overlap)
        for one in chosen:
            if one.strategy == SECOND_OPINION:
                selections.ask_again(connection, campaign.id, one.place, one.rank, one.reason)
        campaigns.count_up(connection, campaign.id, "place", len(chosen))
        campaigns.change(
            connection,
            campaign.id,
            batches=args["batch"],
            exhausted_rows=len(now.draws) if now.short else None,
        )
        events.record(
            connection,
            campaign.id,
            "selected",
            count=len(chosen),
            second_opinions=len(chosen) - len(new),
            mode=args["mode"],
            round=args["round"],
        )
        for quota in now.quotas:
            if quota.domain is not None and not quota.among.any():
                words = f"no text of the pool has the domain {quota.domain!r}: its quota goes to the others"
                events.warn(connection, campaign.id, words)
        jobs.hint(connection, campaign.id, "sync")
