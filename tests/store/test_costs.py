"""What was taken, summed in SQL: of every revision the newest counts, and what was deleted took its time, too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import Connection, select

from service import annotations
from service.annotations import Given
from service.cost import Asked
from service.errors import Invalid
from service.files import Files
from service.pool import pool
from service.records import Campaign, Example, Place
from service.store import campaigns, costs, labels, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.schema import annotation
from service.store.selections import Chosen
from tests.filling import fill, seal


def read(result: Any, text: str) -> str:
    if result is None:
        raise Invalid("no answer")
    return str(result)


def ask(connection: Connection, campaign: str, rows: range, round_: int) -> None:
    """Put rows of shard 0 before people, by the scores of a round."""
    chosen = [
        Chosen(Place(0, row), row, "train", "margin", 0.5, "why", f"text {row}", None, None, row, None)
        for row in rows
    ]
    selections.choose(connection, campaign, 1, round_, chosen)
    waiting = selections.in_states(connection, campaign, ["chosen"])
    selections.opened(connection, {row.id: row.row for row in waiting})


def answered(
    connection: Connection, campaign: Campaign, times: Mapping[int, float | None], **more: Any
) -> None:
    """Have rows answered: {row: lead time}."""
    given = [
        Given(
            **{  # type: ignore[arg-type]
                "id": row,
                "task": row,
                "ext_id": f"0-{row}",
                "result": "a",
                "skipped": False,
                "annotator": 1,
                "made_at": "2026-01-01T00:00:00+00:00",
                "revision": "1",
                "lead_time": lead_time,
            }
            | more
        )
        for row, lead_time in times.items()
    ]
    annotations.take(connection, campaign, given, read)


@pytest.fixture
def campaign(connection: Connection) -> Campaign:
    return campaigns.create(connection, NewCampaign("costly", ["a", "b"], "none"))


def test_seconds_are_credited_to_the_round_that_asked(connection: Connection, campaign: Campaign) -> None:
    ask(connection, campaign.id, range(12), 0)
    ask(connection, campaign.id, range(12, 16), 3)
    answered(connection, campaign, dict.fromkeys(range(10), 4.0))
    answered(connection, campaign, {10: 7200.0, 11: None})  # 5 times the usual, and the usual
    answered(connection, campaign, {12: 6.0, 13: 2.0})
    answered(connection, campaign, {14: 3.0}, skipped=True)
    answered(connection, campaign, {99: 50.0})  # nobody asked for it

    found = costs.account(connection, campaign)

    squares = 10 * 16.0 + 400.0 + 16.0
    assert found.asked == [
        Asked(0, 12, 0, 64.0, squares, 1, 1, 7180.0),
        Asked(3, 2, 1, 11.0, 49.0),
    ]
    assert (found.waiting, found.labels, found.people_s) == ({3: 1}, 14, 75.0)
    assert costs.total(connection, campaign.id) == (75.0, 14)
    assert costs.lately(connection, campaign.id) == (75.0, 14)


def test_of_an_edit_the_newest_counts_and_what_is_deleted_was_spent(
    connection: Connection, campaign: Campaign
) -> None:
    ask(connection, campaign.id, range(3), 0)
    answered(connection, campaign, {0: 8.0, 1: 9.0, 2: 10.0})
    answered(connection, campaign, {0: 12.0}, revision="2", result="b")
    answered(connection, campaign, {1: 11.0}, revision="2", result=None)
    assert annotations.forget(connection, campaign, {0, 1}) == 1

    (found,) = costs.asked(connection, campaign.id)

    assert found == Asked(0, 1, 2, 33.0, 144.0 + 121.0 + 100.0)
    told = select(annotation.c.lead_time).where(annotation.c.kind == "deleted")
    assert connection.execute(told).scalars().all() == [None]
    assert labels.count(connection, campaign.id) == {"train": 1}


def test_the_sums_are_those_of_the_annotations_whatever_became_of_them(
    connection: Connection, campaign: Campaign
) -> None:
    """Given 300 answers, edits, skips, odd answers and deletions at random, then the sums are as if made anew."""
    rng = np.random.default_rng(0)
    ask(connection, campaign.id, range(10), 0)
    ask(connection, campaign.id, range(10, 20), 4)
    for turn in range(300):
        row, taken = int(rng.integers(22)), [None, 0.0, 3.0, 900.0][rng.integers(4)]
        said = {"result": "a" if rng.random() < 0.8 else None, "skipped": rng.random() < 0.1}
        answered(connection, campaign, {row: taken}, revision=str(turn), **said)
        if rng.random() < 0.1:
            annotations.forget(connection, campaign, set(range(22)) - {row})
    current = connection.execute(
        select(annotation).where(annotation.c.current, annotation.c.seconds.is_not(None))
    )
    anew: dict[int, Asked] = {}
    for one in current:
        entry = Asked.entry(one.round, one.kind, one.seconds, one.lead_time)
        anew[one.round] = anew.get(one.round, Asked(one.round)).plus(entry)

    found = {one.round: one for one in costs.asked(connection, campaign.id)}

    assert found.keys() == anew.keys() == {0, 4}
    for number, sums in anew.items():
        assert msgspec.structs.astuple(found[number]) == pytest.approx(msgspec.structs.astuple(sums))
    assert found[0].others > 0 < found[0].capped


def test_lately_is_what_came_in_last(connection: Connection, campaign: Campaign) -> None:
    ask(connection, campaign.id, range(80), 0)
    for at, seconds in enumerate([2.0] * 30 + [3.0] * 50):
        answered(connection, campaign, {at: seconds})
    assert costs.lately(connection, campaign.id) == (150.0, 50)
    assert costs.total(connection, campaign.id) == (210.0, 80)


def test_workers_seconds(connection: Connection, campaign: Campaign, tmp_path: Path) -> None:
    files = Files(tmp_path)
    fill(connection, files, campaign.id, [Example("one"), Example("two")])
    (number,) = seal(connection, files, campaign.id)
    rounds_of = {1: (4.0, 2.0, 1.0), 2: (5.0, None, None)}
    for at, (train, score, choose) in rounds_of.items():
        rounds.start(
            connection,
            campaign.id,
            at,
            label_version=at,
            labels=at,
            shards=[number],
            strategy="margin",
            seed=0,
        )
        rounds.change(
            connection, campaign.id, at, train_seconds=train, score_seconds=score, select_seconds=choose
        )
    read_by = {"tiny": 7.0, "another": 100.0}
    (shard,) = pool.all_shards(connection, campaign.id, None)
    for encoder, seconds in read_by.items():
        rounds.add_encoding(
            connection,
            content=shard.content,
            encoder=encoder,
            path=encoder,
            rows=2,
            truncated=0,
            unknown_share=0.0,
            seconds=seconds,
        )
    campaigns.change(connection, campaign.id, encoder="tiny")
    campaign = campaigns.get(connection, campaign.id)

    found = costs.account(connection, campaign)

    assert [(one.number, one.seconds) for one in found.ran] == [(1, 7.0), (2, 5.0)]
    assert (found.encoded_s, found.workers_s) == (7.0, 19.0)
    assert costs.worked(connection, campaign.id) == 12.0
