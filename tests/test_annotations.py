"""What annotators said becomes labels: every revision is kept, the newest ones count."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select, update

from service import annotations
from service.annotations import Given
from service.errors import Invalid
from service.records import Campaign, Place, Role
from service.store import campaigns, events, labels, selections
from service.store.campaigns import NewCampaign
from service.store.schema import annotation, event_log, label
from service.store.selections import Chosen

LABELS = ["good", "bad"]
SHOWN = {"round": 1, "label": "good", "confidence": 0.7}


@pytest.fixture
def campaign(connection: Connection) -> Campaign:
    """Three open tasks, 100 to 102, on the examples 0-0 (train), 0-1 (control) and 0-2 (hold-out)."""
    made = campaigns.create(connection, NewCampaign("one", LABELS, "none"))
    roles: list[Role] = ["train", "control", "hold-out"]
    chosen = [
        Chosen(
            place=Place(0, row),
            rank=row,
            role=role,
            strategy="margin",
            score=0.5,
            reason="why",
            text=f"text {row}",
            ext_id=None,
            domain=None,
            role_key=row + 7,
            prediction=SHOWN if role == "train" else None,
        )
        for row, role in enumerate(roles)
    ]
    selections.choose(connection, made.id, 1, 1, chosen)
    rows = selections.in_states(connection, made.id, ["chosen"])
    selections.opened(connection, {row.id: 100 + row.row for row in rows})
    return made


def given(id_: int, row: int, result: Any = "good", **more: Any) -> Given:
    values: dict[str, Any] = {
        "id": id_,
        "task": 100 + row,
        "ext_id": f"0-{row}",
        "result": result,
        "skipped": False,
        "annotator": 1,
        "made_at": f"2026-01-01T00:00:{id_:02}+00:00",
        "revision": "1",
        "lead_time": 1.5,
    }
    return Given(**(values | more))


def read(result: Any, text: str) -> str:
    if result not in LABELS:
        raise Invalid(f"{result!r} is none of the campaign's labels")
    return str(result)


def believed(connection: Connection, campaign: Campaign) -> dict[int, tuple[str, str, int]]:
    """{row: (label, role, answers)} of the labels that hold now."""
    rows = connection.execute(select(label).where(label.c.campaign == campaign.id, label.c.ended.is_(None)))
    return {row.row: (row.value, row.role, row.annotations) for row in rows}


def states(connection: Connection, campaign: Campaign) -> list[str]:
    rows = selections.in_states(
        connection, campaign.id, ["open", "answered", "skipped", "withdrawing", "withdrawn"]
    )
    return [row.state for row in sorted(rows, key=lambda row: row.row)]


def test_answers_become_labels_with_their_role(connection: Connection, campaign: Campaign) -> None:
    news = annotations.take(connection, campaign, [given(1, 0), given(2, 1, "bad"), given(3, 2)], read)
    assert news == {"answer": 3}
    assert believed(connection, campaign) == {
        0: ("good", "train", 1),
        1: ("bad", "control", 1),
        2: ("good", "hold-out", 1),
    }
    assert states(connection, campaign) == ["answered"] * 3
    assert labels.count(connection, campaign.id) == {"train": 1, "control": 1, "hold-out": 1}
    rows = connection.execute(
        select(annotation.c.shown, annotation.c.lead_time).order_by(annotation.c.ls_id)
    ).all()
    assert [tuple(row) for row in rows] == [(SHOWN, 1.5), (None, 1.5), (None, 1.5)]


def test_what_is_known_is_no_news(connection: Connection, campaign: Campaign) -> None:
    assert annotations.take(connection, campaign, [given(1, 0), given(1, 0)], read) == {"answer": 1}
    assert annotations.take(connection, campaign, [given(1, 0)], read) == {}
    assert annotations.counts(connection, campaign.id) == {"answer": 1}
    assert campaigns.get(connection, campaign.id).label_version == 1


def test_an_edit_is_a_new_revision_and_a_new_label_version(
    connection: Connection, campaign: Campaign
) -> None:
    annotations.take(connection, campaign, [given(1, 0)], read)
    annotations.take(connection, campaign, [given(1, 0, "bad", revision="2")], read)
    assert believed(connection, campaign) == {0: ("bad", "train", 1)}
    rows = connection.execute(select(annotation.c.revision, annotation.c.value, annotation.c.current)).all()
    assert [tuple(row) for row in rows] == [("1", "good", False), ("2", "bad", True)]
    assert [row.value for row in labels.snapshot(connection, campaign.id, 1)] == ["good"]
    assert [row.value for row in labels.snapshot(connection, campaign.id, 2)] == ["bad"]
    assert labels.changes_since(connection, campaign.id, 1) == 1
    assert labels.changes_since(connection, campaign.id, 2) == 0


def test_an_edit_that_says_the_same_changes_no_label(connection: Connection, campaign: Campaign) -> None:
    annotations.take(connection, campaign, [given(1, 0)], read)
    annotations.take(connection, campaign, [given(1, 0, revision="2")], read)
    assert campaigns.get(connection, campaign.id).label_version == 1


def test_most_votes_win_and_of_equals_the_first(connection: Connection, campaign: Campaign) -> None:
    annotations.take(connection, campaign, [given(2, 0, "bad"), given(1, 0, "good")], read)
    assert believed(connection, campaign) == {0: ("good", "train", 2)}
    annotations.take(connection, campaign, [given(3, 0, "bad")], read)
    assert believed(connection, campaign) == {0: ("bad", "train", 3)}
    annotations.take(connection, campaign, [given(4, 0, "bad")], read)
    assert believed(connection, campaign) == {0: ("bad", "train", 4)}
    assert campaigns.get(connection, campaign.id).label_version == 3


def test_a_skip_ends_the_task_and_makes_no_label(connection: Connection, campaign: Campaign) -> None:
    assert annotations.take(connection, campaign, [given(1, 0, skipped=True)], read) == {"skip": 1}
    assert states(connection, campaign)[0] == "skipped"
    assert believed(connection, campaign) == {}
    annotations.take(connection, campaign, [given(2, 0)], read)
    assert states(connection, campaign)[0] == "answered"
    annotations.take(connection, campaign, [given(2, 0, skipped=True, revision="2")], read)
    assert states(connection, campaign)[0] == "skipped"
    assert believed(connection, campaign) == {}


def test_a_second_opinion_waits_for_somebody_else(connection: Connection, campaign: Campaign) -> None:
    """An edit of the first answer does not end it; a skip does, and is not paid for."""
    annotations.take(connection, campaign, [given(1, 0)], read)
    assert selections.ask_again(connection, campaign.id, Place(0, 0), 9, "doubt")
    (asked,) = selections.in_states(connection, campaign.id, ["chosen"])
    assert (asked.wanted, asked.place, asked.reason) == (2, 9, "doubt")
    annotations.take(connection, campaign, [given(1, 0, "bad", revision="2")], read)
    assert len(selections.in_states(connection, campaign.id, ["chosen"])) == 1
    assert selections.answers(connection, campaign.id) == {"open": 2, "chosen": 2}
    annotations.take(connection, campaign, [given(2, 0, annotator=2, skipped=True)], read)
    assert selections.answers(connection, campaign.id) == {"open": 2, "answered": 1}
    assert annotations.numbers(connection, campaign.id) == {Place(0, 0): 2}
    assert selections.ask_again(connection, campaign.id, Place(0, 0), 10, "doubt")
    (asked,) = selections.in_states(connection, campaign.id, ["chosen"])
    assert asked.wanted == 3, "somebody who neither answered nor skipped"
    annotations.take(connection, campaign, [given(3, 0, annotator=3)], read)
    assert selections.answers(connection, campaign.id) == {"open": 2, "answered": 2}
    assert believed(connection, campaign) == {0: ("bad", "train", 2)}


@pytest.mark.parametrize("result", ["ugly", [], None, {"foo": [1]}])
def test_what_cannot_be_read_is_kept_with_the_reason(
    connection: Connection, campaign: Campaign, result: Any
) -> None:
    assert annotations.take(connection, campaign, [given(1, 0, result)], read) == {"invalid": 1}
    row = connection.execute(select(annotation)).one()
    assert (row.kind, row.value, row.result) == ("invalid", None, result)
    assert row.problem == f"{result!r} is none of the campaign's labels"
    assert believed(connection, campaign) == {}
    logged = connection.execute(select(event_log.c.kind, event_log.c.data)).all()
    assert [tuple(row) for row in logged] == [
        ("annotation-refused", {"task": 100, "kind": "invalid", "reason": row.problem}),
        ("annotations", {"invalid": 1}),
    ]


@pytest.mark.parametrize("ext_id", [None, "", "0-9", "x", "0-0-0", "-1-2"])
def test_tasks_of_others_make_no_label(
    connection: Connection, campaign: Campaign, ext_id: str | None
) -> None:
    assert annotations.take(connection, campaign, [given(1, 0, ext_id=ext_id)], read) == {"foreign": 1}
    assert believed(connection, campaign) == {}
    assert states(connection, campaign) == ["open"] * 3
    assert annotations.take(connection, campaign, [given(1, 0, ext_id=ext_id)], read) == {}


def test_a_deletion_takes_the_label_back(connection: Connection, campaign: Campaign) -> None:
    annotations.take(connection, campaign, [given(1, 0, "good"), given(2, 0, "bad"), given(3, 1)], read)
    assert annotations.forget(connection, campaign, {2, 3}) == 1
    assert believed(connection, campaign) == {0: ("bad", "train", 1), 1: ("good", "control", 1)}
    assert annotations.forget(connection, campaign, {3}) == 1
    assert annotations.forget(connection, campaign, {3}) == 0
    assert believed(connection, campaign) == {1: ("good", "control", 1)}
    assert states(connection, campaign) == ["open", "answered", "open"]
    assert annotations.counts(connection, campaign.id) == {"answer": 1, "deleted": 2}
    assert labels.changes_since(connection, campaign.id, 2) == 1


def test_deletions_are_looked_for_in_some_tasks_alone(connection: Connection, campaign: Campaign) -> None:
    annotations.take(connection, campaign, [given(1, 0), given(2, 1)], read)
    assert annotations.forget(connection, campaign, set(), [101]) == 1
    assert list(believed(connection, campaign)) == [0]


def test_a_deleted_task_may_be_asked_again(connection: Connection, campaign: Campaign) -> None:
    campaigns.change(connection, campaign.id, exhausted_rows=3)
    pushed = selections.in_states(connection, campaign.id, ["open"])
    assert annotations.lose_tasks(connection, campaign, pushed, {100, 102}) == 1
    assert states(connection, campaign) == ["open", "withdrawn", "open"]
    assert campaigns.get(connection, campaign.id).exhausted_rows is None
    again = selections.in_states(connection, campaign.id, ["withdrawn"])[0]
    selections.choose(
        connection,
        campaign.id,
        2,
        1,
        [Chosen(Place(0, 1), 9, "control", "random", 0.0, "again", again.text, None, None, 8, None)],
    )
    assert selections.at(connection, campaign.id, [Place(0, 1)])[Place(0, 1)].state == "chosen"


def test_a_withdrawing_task_that_was_answered_counts(connection: Connection, campaign: Campaign) -> None:
    (first, *_) = selections.in_states(connection, campaign.id, ["open"])
    selections.move(connection, [first.id], "withdrawing")
    annotations.take(connection, campaign, [given(1, 0)], read)
    assert states(connection, campaign)[0] == "answered"
    assert believed(connection, campaign) == {0: ("good", "train", 1)}


def test_an_answer_goes_before_an_imported_label(connection: Connection, campaign: Campaign) -> None:
    assert (
        labels.import_known(connection, campaign.id, {Place(0, 0): ("bad", 7), Place(0, 5): ("bad", 9)}) == 2
    )
    annotations.take(connection, campaign, [given(1, 0, skipped=True)], read)
    assert believed(connection, campaign) == {0: ("bad", "train", 0), 5: ("bad", "train", 0)}
    annotations.take(connection, campaign, [given(2, 0, "good")], read)
    assert believed(connection, campaign) == {0: ("good", "train", 1), 5: ("bad", "train", 0)}
    assert labels.count(connection, campaign.id) == {"train": 1, "import": 1}


def test_annotators_who_answered_lately(connection: Connection, campaign: Campaign) -> None:
    annotations.take(
        connection, campaign, [given(1, 0), given(2, 1, annotator=2), given(3, 2, annotator=2)], read
    )
    assert annotations.annotators(connection, campaign.id, 60) == {1, 2}
    assert annotations.annotators(connection, campaign.id, -1) == set()


def test_the_log_tells_of_news_once(connection: Connection, campaign: Campaign) -> None:
    annotations.take(connection, campaign, [given(1, 0), given(2, 1, skipped=True)], read)
    annotations.take(connection, campaign, [given(1, 0)], read)
    (told,) = events.since(connection, campaign.id, 0)
    assert (told["kind"], told["data"]) == ("annotations", {"answer": 1, "skip": 1})
    assert msgspec.structs.asdict(campaigns.get(connection, campaign.id))["label_version"] == 1


def test_an_answer_without_a_label_is_a_label(connection: Connection) -> None:
    """Of a multi-label problem: most votes for the whole answer, of which none at all is one."""
    made = campaigns.create(connection, NewCampaign("several", LABELS, "none", "multi_label"))
    chosen = Chosen(Place(0, 0), 0, "train", "margin", 0.5, "why", "text", None, None, 7, None)
    selections.choose(connection, made.id, 1, 1, [chosen])
    (row,) = selections.in_states(connection, made.id, ["chosen"])
    selections.opened(connection, {row.id: 100})

    given_ = [given(1, 0, []), given(2, 0, ["good", "bad"])]
    assert annotations.take(connection, made, given_, lambda result, text: list(result)) == {"answer": 2}
    assert believed(connection, made) == {0: ("[]", "train", 2)}
    annotations.take(connection, made, [given(3, 0, ["good", "bad"])], lambda result, text: list(result))
    assert believed(connection, made) == {0: ('["good","bad"]', "train", 3)}


def test_a_result_is_read_with_the_text_it_was_given_to(connection: Connection, campaign: Campaign) -> None:
    seen: list[str] = []

    def reader(result: Any, text: str) -> str:
        seen.append(text)
        return str(result)

    annotations.take(connection, campaign, [given(1, 0), given(2, 2)], reader)

    assert seen == ["text 0", "text 2"]


def test_the_pace_after_a_clock_was_put_back(connection: Connection, campaign: Campaign) -> None:
    """Given three answers, two of them taken before the clock was put back by an hour, then one came lately."""
    annotations.take(connection, campaign, [given(one, one - 1) for one in (1, 2, 3)], read)
    assert annotations.pace(connection, campaign.id) == 3 / 15
    early = annotation.c.ls_id < 3
    connection.execute(update(annotation).where(early).values(received_at=annotation.c.received_at + 3600))
    assert annotations.pace(connection, campaign.id) == 1 / 15
