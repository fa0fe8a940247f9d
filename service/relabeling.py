"""A campaign gets other labels while it runs: stored labels follow, and what became unclear goes back to people.

A label that is renamed or merged is renamed on every example, by a new version: so changes count towards the next
round, which is to have a head for the labels as they are now and to read their new names. One that is split leaves it
open which part an example has: what people answered is asked anew, within the budget, and what was imported or made
ends. A label that is added asks nobody again: answers from before are taken to know of it, which is so where one label
excludes the others, and is worth a thought where several hold.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from service import annotations, answers, curve
from service.files import Files
from service.records import Campaign, LabelChange, Place
from service.store import campaigns, events, jobs, labels
from service.store.database import clock
from service.store.labels import Revision
from service.vocabulary import changed, through, translated


def change(
    connection: Connection, files: Files, campaign: Campaign, old: Sequence[str], new: Sequence[str]
) -> LabelChange:
    """`old` labels give way to `new` ones (see `vocabulary.changed`). The caller holds the campaign's lock."""
    names = changed(campaign.labels, old, new)
    measured = len(curve.truth(connection, files, campaign).answers)
    begun = LabelChange(list(old), list(new), campaign.labels, clock(connection), 0, 0, 0, 0)
    campaigns.add_label_change(connection, campaign.id, names, begun)
    today = campaigns.get(connection, campaign.id)
    revisions, unclear, ended = [], set[Place](), []
    for row in labels.current(connection, campaign.id):
        answer = answers.read(campaign.problem, row.value)
        said = translated(campaign.problem, names, answer, lambda label: through(begun, label))
        if said is not None:
            value = answers.store(said)
            if value != row.value:
                revisions.append(Revision(row.version, value, row.weight, row.probability, row.reason))
        elif row.source != "annotation":
            ended.append(row.version)
        else:
            unclear.add(Place(row.shard, row.row))
    counts = {
        "relabeled": labels.revise(connection, campaign.id, revisions),
        "ended": labels.end(connection, campaign.id, ended),
        "asked_again": annotations.settle(connection, campaign.id, unclear),
        "unmeasured": 0,
    }
    if ended:
        annotations.reopen_pool(connection, campaign.id)
    known = curve.truth(connection, files, today)
    if known.source == "test":
        counts["unmeasured"] = measured - len(known.answers)
    campaigns.change_label_change(connection, campaign.id, len(today.label_changes), **counts)
    jobs.hint(connection, campaign.id, "sync")
    events.record(
        connection, campaign.id, "labels-changed", old=list(old), new=list(new), labels=names, **counts
    )
    return campaigns.get(connection, campaign.id).label_changes[-1]
