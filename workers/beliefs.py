"""What a campaign believes, settled before a round trains: answers become labels again, each with its weight.

The labels of the hold-out come from people alone: a model that votes on what it is measured on would flatter itself.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from service import annotations, answers
from service.annotations import Answered
from service.records import Campaign, Place
from service.store import campaigns, events, labels, rounds
from service.store.labels import Revision
from workers import consensus, learner
from workers.coding import classes
from workers.consensus import Belief, Votes
from workers.encoder import Encoder
from workers.held import Held
from workers.material import Material

MODEL_ROWS = 100
"""With fewer labels than these that train, the model has no vote."""
LEAST_WEIGHT = 0.3
"""Of an answer, however improbable: what a model never saw it takes for an error (tests/bench/LOG.md)."""
STEP = 0.05
"""A probability that moved less is left as it was."""


def settle(held: Held, material: Material, encoder: Encoder, number: int) -> list[dict[str, Any]]:
    """Revise the campaign's labels, and put the round on them as they stand then.

    Returns what is known of those who answered: {annotator, answers, accuracy}, the last null where nothing tells.
    """
    campaign = material.campaign
    with held.context.database.transaction() as connection:
        held.require(_same_labels(connection, campaign))
        known = [row for row in labels.current(connection, campaign.id) if row.source == "annotation"]
        given = annotations.answers_now(connection, campaign)
    place = {Place(row.shard, row.row): at for at, row in enumerate(known)}
    given = [row for row in given if Place(row.shard, row.row) in place]
    people = sorted({row.annotator for row in given}, key=lambda one: (one is None, one))
    code = answers.coder(campaign.problem, campaign.labels)
    said = classes(campaign.problem, [code(row.value) for row in given], len(campaign.labels))
    of = np.array([place[Place(row.shard, row.row)] for row in given], np.int64)
    by = np.array([people.index(row.annotator) for row in given], np.int64)
    votes = Votes(of, by, said, len(known), len(people))
    prior = None
    if campaign.consensus == "model" and campaign.problem != "spans":
        held.progress(0, 1, f"round {number}: weighing answers")
        prior = _opinions(material, encoder, known)
    belief = believe(campaign.problem, votes, len(campaign.labels), prior)
    revisions = [] if campaign.consensus == "majority" else _revisions(known, given, votes, belief, prior)
    with held.step() as connection:
        held.require(_same_labels(connection, campaign))
        changed = labels.revise(connection, campaign.id, revisions)
        newest = campaigns.get(connection, campaign.id).label_version
        labeled = sum(row.source != "synthetic" for row in labels.current(connection, campaign.id))
        rounds.change(connection, campaign.id, number, label_version=newest, labels=labeled)
        if changed:
            events.record(connection, campaign.id, "labels-weighed", round=number, changed=changed)
    number_of = np.bincount(by, minlength=len(people)).tolist()
    return [
        {
            "annotator": one,
            "answers": count,
            "accuracy": None if np.isnan(right) else round(float(right), 4),
        }
        for one, count, right in zip(people, number_of, belief.accuracy, strict=True)
    ]


def _same_labels(connection: Connection, campaign: Campaign) -> bool:
    """Whether nobody changed the campaign's labels since; nobody can until the transaction ends."""
    newest = campaigns.get(connection, campaign.id, lock=True)
    return len(newest.label_changes) == len(campaign.label_changes)


def believe(problem: str, votes: Votes, count: int, prior: NDArray[np.floating] | None) -> Belief:
    """By the problem's kind of consensus; see `workers.consensus`."""
    return consensus.likest(votes) if problem == "spans" else consensus.agree(votes, count, prior)


def weights(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) what answers weigh that are right with these probabilities."""
    return np.maximum(LEAST_WEIGHT, probabilities)


def _opinions(material: Material, encoder: Encoder, known: Sequence[Row[Any]]) -> NDArray[np.float32] | None:
    """(n, C) what a model says of each label that trains, not having learned from it; NaN for others.

    None where there are too few labels for a model that is worth asking.
    """
    campaign, (usable, _) = material.campaign, material.train(known)
    if len(usable) < MODEL_ROWS:
        return None
    corpus = material.corpus(encoder, [Place(row.shard, row.row) for row in usable])
    code = answers.coder(campaign.problem, campaign.labels)
    found = learner.opinions(
        corpus,
        np.arange(len(usable)),
        classes(campaign.problem, [code(row.value) for row in usable], len(campaign.labels)),
        np.array([row.weight for row in usable], np.float32),
        len(campaign.labels),
        campaign.seed,
        campaign.problem,
    )
    at = {row.version: at for at, row in enumerate(known)}
    said = np.full((len(known), len(campaign.labels)), np.nan, np.float32)
    said[[at[row.version] for row in usable]] = found
    return said


def _revisions(
    known: Sequence[Row[Any]],
    given: Sequence[Answered],
    votes: Votes,
    belief: Belief,
    prior: NDArray[np.float32] | None,
) -> list[Revision]:
    """What differs from the labels as they stand."""
    number = np.bincount(votes.of, minlength=votes.n)
    weighs = weights(np.round(belief.weight, 4))
    found = []
    for at, row in enumerate(known):
        if np.isnan(belief.weight[at]):
            continue
        value, probability = given[belief.chosen[at]].value, round(float(belief.weight[at]), 4)
        moved = row.probability is None or abs(row.probability - probability) > STEP
        if value == row.value and not moved:
            continue
        same = sum(given[one].value == value for one in np.flatnonzero(votes.of == at))
        words = "one answer" if number[at] == 1 else f"{same} of {number[at]} answers"
        judges = (
            "who answered" if prior is None or np.isnan(prior[at]).any() else "who answered and by the model"
        )
        reason = f"{words}, right with {probability:.0%}, judging by {judges}"
        found.append(Revision(row.version, value, float(weighs[at]), probability, reason))
    return found
