"""A round that somebody asks for, although fewer labels than `round_size` are new."""

import msgspec
from sqlalchemy import Connection

from service.errors import Conflict
from service.records import Campaign
from service.store import campaigns, events, labels, rounds


class Asked(msgspec.Struct, frozen=True):
    """`round`: its number; `changes`: examples whose label changed since the round before began.

    It begins at once where the pool was read; else as soon as it is.
    """

    round: int
    changes: int


def ask(connection: Connection, campaign: Campaign) -> Asked:
    """Write down that a round is wanted; whoever brings the campaign forward then begins it. Twice is as once.

    Raises Conflict where one is at work, and where there is nothing new to learn from.
    """
    last = rounds.newest(connection, campaign.id)
    if last is not None and last.state in ("training", "scoring"):
        raise Conflict(f"round {last.number} is {last.state} already: ask again when it is done")
    changes = labels.changes_since(connection, campaign.id, 0 if last is None else last.label_version)
    if not changes:
        since = "yet" if last is None else f"since round {last.number} began"
        raise Conflict(f"no label is new {since}: there is nothing to learn from")
    if not any(
        number for role, number in labels.count(connection, campaign.id).items() if role != "hold-out"
    ):
        raise Conflict(
            "all labels are of the hold-out, which only measures: there is nothing to learn from yet"
        )
    if campaign.train_from != campaign.label_version:
        campaigns.change(connection, campaign.id, train_from=campaign.label_version)
        events.record(connection, campaign.id, "round-asked", changes=changes)
    return Asked(1 if last is None else last.number + 1, changes)
