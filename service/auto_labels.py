"""Auto-labels: labels of the rest of the pool by the model alone, where it is right with a stated precision."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from service import curve, exam, predictions
from service.errors import Conflict, Invalid
from service.files import Files
from service.measure.guarantee import Cutoff, cutoff
from service.predictions import ADAPTER, PROBABILITIES, ROWS
from service.records import Campaign
from service.store import rounds, selections


def promise(
    connection: Connection, files: Files, campaign: Campaign, precision: float, level: float
) -> tuple[Row[Any], Cutoff]:
    """(the round whose adapter is active, the confidence above which that one's labels are to be believed).

    Raises Invalid where such labels cannot be promised at all, Conflict where they cannot now.
    """
    if campaign.problem != "single_label":
        raise Invalid(
            "auto-labels are for one label per text: what is promised is the share that is right", "what"
        )
    scored, active = rounds.scored(connection, campaign.id), rounds.active(connection, campaign)
    if scored is None or active is None:
        raise Conflict("no round has scored the pool yet: auto-labels are the newest adapter's")
    if rounds.scorer(connection, campaign.id, scored.number).number != active.number:
        raise Conflict(
            f"the adapter of round {active.number} is active and did not score the pool yet: ask again in a minute"
        )
    if active.label_changes < len(campaign.label_changes):
        words = f"labels were changed since round {active.number}, whose adapter is active"
        words = f"{words}: auto-labels come with the next one"
        raise Conflict(words if campaign.adapter is None else f"{words} that is made active")
    known = curve.truth(connection, files, campaign)
    if known.source != "hold-out":
        raise Conflict(
            "the campaign is measured on a test set that was posted; only a hold-out, drawn at random from its own "
            "pool, bears out what is promised of that pool"
        )
    if unclear := selections.unclear(connection, campaign.id, "hold-out"):
        raise Conflict(
            f"{unclear:,} examples of the hold-out wait to be answered again since a label was split: without them it "
            "is no random draw from the pool"
        )
    sat = exam.exam(campaign, files.path(active.predictions), known, active.seed)
    said = predictions.probabilities(files.path(active.predictions), ADAPTER)[sat.at]
    right = said.argmax(axis=1) == np.array(sat.truth, np.int64) if len(said) else np.empty(0, np.bool_)
    # Rounded as the scores are that it is held against.
    sure = said.max(axis=1, initial=0.0).astype(np.float16).astype(np.float32)
    found = cutoff(sure, right, precision, level)
    if isinstance(found, str):
        raise Conflict(f"no auto-labels can be promised: {found}")
    return active, found


def of_shard(
    files: Files, score: Row[Any], above: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(rows, classes, confidences) of what a round scored in one shard with a greater confidence, rows ascending."""
    folder = files.path(score.path)
    p = np.load(folder / PROBABILITIES).astype(np.float32)
    at = np.flatnonzero(p.max(axis=1, initial=0.0) > above)
    rows = np.load(folder / ROWS)[at].astype(np.int64)
    order = np.argsort(rows)
    return rows[order], p[at].argmax(axis=1)[order], p[at].max(axis=1)[order]
