"""Labels that change in a campaign with answers, on a real store: what follows, what ends, what is asked again."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from service import annotations, relabeling
from service.annotations import Given
from service.files import Files
from service.pool import pool
from service.records import Campaign, LabelChange, Place, Role
from service.store import campaigns, events, labels, selections
from service.store.campaigns import NewCampaign
from service.store.schema import annotation
from service.vocabulary import MARK
from tests.filling import answer


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def campaign(connection: Connection) -> Campaign:
    """Rows 0 to 3 are a, b, c and a for people, row 2 of the hold-out; rows 10 and 11 came as a and b."""
    made = campaigns.create(connection, NewCampaign("one", ["a", "b", "c"], "none", budget=10))
    answer(connection, made.id, {0: {1: "a"}, 1: {1: "b"}, 3: {1: "a"}})
    answer(connection, made.id, {2: {1: "c"}}, "hold-out")
    labels.import_known(connection, made.id, {Place(0, 10): ("a", 1), Place(0, 11): ("b", 1)})
    return campaigns.get(connection, made.id)


def change(connection: Connection, files: Files, id_: str, old: list[str], new: list[str]) -> LabelChange:
    return relabeling.change(connection, files, campaigns.get(connection, id_), old, new)


def believed(connection: Connection, id_: str) -> dict[int, str]:
    return {row.row: row.value for row in labels.current(connection, id_)}


def asked(connection: Connection, id_: str) -> dict[int, str]:
    """{row: key of its task} of what waits to be asked."""
    return {row.row: selections.key(row) for row in selections.in_states(connection, id_, ["chosen"])}


def say(connection: Connection, id_: str, row: int, said: Any, task: int, key: str, number: int) -> None:
    given = Given(number, task, key, said, False, 1, f"2026-01-02T00:00:{number % 60:02}+00:00", "1", None)
    annotations.take(connection, campaigns.get(connection, id_), [given], lambda result, text: result)


def test_names_follow(connection: Connection, files: Files, campaign: Campaign) -> None:
    """Given labels renamed and merged, then every example has a new version of its label, and nobody is asked."""
    before = campaign.label_version

    renamed = change(connection, files, campaign.id, ["a"], ["x"])
    merged = change(connection, files, campaign.id, ["x", "b"], ["b"])
    added = change(connection, files, campaign.id, [], ["d"])

    assert (renamed.relabeled, merged.relabeled, added.relabeled) == (3, 3, 0)
    assert believed(connection, campaign.id) == {0: "b", 1: "b", 2: "c", 3: "b", 10: "b", 11: "b"}
    assert campaigns.get(connection, campaign.id).labels == ["b", "c", "d"]
    assert labels.changes_since(connection, campaign.id, before) == 3
    assert {row.value for row in labels.snapshot(connection, campaign.id, before)} == {"a", "b", "c"}
    assert [one.value for one in annotations.answers_now(connection, renew(connection, campaign))] == [
        *("b", "b", "c", "b")
    ]
    assert asked(connection, campaign.id) == {}
    kinds = [one["kind"] for one in events.since(connection, campaign.id, 0)]
    assert kinds.count("labels-changed") == 3


def renew(connection: Connection, campaign: Campaign) -> Campaign:
    return campaigns.get(connection, campaign.id)


def test_what_became_unclear_goes_back_to_people(
    connection: Connection, files: Files, campaign: Campaign
) -> None:
    """Given a label that is split, one part with its name, then what people answered with it is asked anew by new
    tasks, which the same person may answer; what was imported ends; and the budget knows of both answers."""
    made = change(connection, files, campaign.id, ["a"], ["a", "e"])

    assert (made.relabeled, made.asked_again, made.ended) == (0, 2, 1)
    assert believed(connection, campaign.id) == {1: "b", 2: "c", 11: "b"}
    assert asked(connection, campaign.id) == {0: "0-0.1", 3: "0-3.1"}
    answers = selections.answers(connection, campaign.id)
    assert selections.total(answers, selections.ASKED) == 2 + 2 * 2
    (waiting, _) = selections.in_states(connection, campaign.id, ["chosen"])
    selections.opened(connection, {waiting.id: 500})
    assert selections.answered_open(connection, campaign.id, [1]) == 0
    # A page that was open says the label of then, and what was asked anew is asked anew once more; an old answer that
    # is mended needs no other.
    say(connection, campaign.id, 0, "a", 500, "0-0.1", 70)
    say(connection, campaign.id, 3, "e", 4, "0-3", 10_003 + 1)
    assert asked(connection, campaign.id) == {0: "0-0.2"}
    (waiting,) = selections.in_states(connection, campaign.id, ["chosen"])
    selections.opened(connection, {waiting.id: 501})
    say(connection, campaign.id, 0, "a" + MARK, 501, "0-0.2", 71)
    assert believed(connection, campaign.id) == {0: "a", 1: "b", 2: "c", 3: "e", 11: "b"}
    assert selections.counts(connection, campaign.id) == {"answered": 4}
    assert selections.answers(connection, campaign.id) == {"answered": 4 + 3}
    kept = select(annotation.c.value).where(annotation.c.campaign == campaign.id, annotation.c.row == 0)
    assert sorted(connection.execute(kept).scalars()) == ["a", "a", "a" + MARK]


def test_a_split_label_of_the_hold_out_measures_when_it_is_answered_again(
    connection: Connection, files: Files, campaign: Campaign
) -> None:
    change(connection, files, campaign.id, ["c"], ["e", "f"])
    assert selections.unclear(connection, campaign.id, "hold-out") == 1
    (waiting,) = selections.in_states(connection, campaign.id, ["chosen"])
    assert (waiting.role, waiting.task) == ("hold-out", None)
    selections.opened(connection, {waiting.id: 500})

    say(connection, campaign.id, 2, "f", 500, "0-2.1", 70)

    (held,) = (row for row in labels.current(connection, campaign.id) if row.role == "hold-out")
    assert (held.row, held.value) == (2, "f")
    assert selections.unclear(connection, campaign.id, "hold-out") == 0


def test_what_the_budget_has_no_room_for_waits(
    connection: Connection, files: Files, campaign: Campaign
) -> None:
    change(connection, files, campaign.id, ["a"], ["e", "f"])
    waiting = selections.in_states(connection, campaign.id, ["chosen"])

    selections.let_wait(connection, [row.id for row in waiting])

    assert selections.answers(connection, campaign.id) == {"answered": 2 + 2}
    change(connection, files, campaign.id, ["b"], ["e2", "f2"])
    assert asked(connection, campaign.id) == {1: "0-1.1"}
    assert selections.wake(connection, campaign.id, 1, 1) == 1
    assert selections.wake(connection, campaign.id, 1, 10) == 1
    assert asked(connection, campaign.id) == {0: "0-0.1", 1: "0-1.1", 3: "0-3.1"}


@pytest.mark.parametrize("role", ["train", "control"])
def test_what_others_said_clearly_suffices(connection: Connection, files: Files, role: Role) -> None:
    """Given an example that two people answered, one of them with a label that is split, then the other's answer is
    believed; where both said it, two are asked anew."""
    made = campaigns.create(connection, NewCampaign("two", ["a", "b"], "none", overlap=2))
    answer(connection, made.id, {0: {1: "a", 2: "b"}, 1: {1: "a", 2: "a"}, 2: {1: "a"}}, role, wanted=2)

    counts = change(connection, files, made.id, ["a"], ["c", "d"])

    assert counts.asked_again == 1
    assert believed(connection, made.id) == {0: "b"}
    (anew,) = selections.in_states(connection, made.id, ["chosen"])
    assert (anew.row, anew.wanted, anew.void) == (1, 2, 2)
    # Row 2 waits for its second answer, and is asked anew only when that leaves it open, too.
    assert [row.row for row in selections.in_states(connection, made.id, ["open"])] == [2]
    answer(connection, made.id, {2: {2: "d"}}, role, wanted=2)
    assert believed(connection, made.id) == {0: "b", 2: "d"}


def test_answers_of_several_labels_and_spans(connection: Connection, files: Files) -> None:
    several = campaigns.create(connection, NewCampaign("several", ["a", "b", "c"], "none", "multi_label"))
    answer(connection, several.id, {0: {1: ["a", "b"]}, 1: {1: []}, 2: {1: ["a", "c"]}})
    change(connection, files, several.id, ["a", "b"], ["b"])
    counts = change(connection, files, several.id, ["c"], ["c", "d"])
    assert counts.asked_again == 1
    assert believed(connection, several.id) == {0: '["b"]', 1: "[]"}
    spans = campaigns.create(connection, NewCampaign("spans", ["a", "b"], "none", "spans"))
    marked = [{"start": 0, "end": 3, "label": "a"}, {"start": 0, "end": 3, "label": "b"}]
    answer(connection, spans.id, {0: {1: marked}})
    assert change(connection, files, spans.id, ["b", "a"], ["ab"]).relabeled == 1
    assert believed(connection, spans.id) == {0: '[{"start":0,"end":3,"label":"ab"}]'}


def test_a_change_that_cannot_be_leaves_all_as_it_is(
    connection: Connection, files: Files, campaign: Campaign
) -> None:
    with pytest.raises(Exception, match="no label 'z'"):
        change(connection, files, campaign.id, ["z"], ["y"])
    assert renew(connection, campaign).label_changes == []
    assert pool.size(connection, campaign.id) == 0
    assert "labels-changed" not in {one["kind"] for one in events.since(connection, campaign.id, 0)}
