"""Who answers, how well, and where they differ."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, update

from service import audit, influence
from service.habits import MEANING
from service.influence import Effect, Found
from service.measure import intervals
from service.measure.intervals import wilson
from service.records import Place
from service.store import campaigns, jobs, labels, rounds, selections
from service.store.labels import Revision
from service.store.schema import job
from tests.filling import answer
from tests.http.conftest import Served


def get(served: Served, campaign: str, path: str) -> Any:
    response = served.http.get(f"/v1/campaigns/{campaign}{path}")
    assert response.status_code == 200, response.text
    return response.json()


def test_nobody_answered(served: Served) -> None:
    c = served.campaign(labels=["a", "b"])["id"]
    assert get(served, c, "/annotators") == {
        "annotators": [],
        "pairs": [],
        "review": {"asked": 0, "answered": 0, "changed": None},
        "alpha": None,
        "meaning": MEANING,
        "pending": False,
    }
    assert get(served, c, "/disagreements") == {"total": 0, "disagreements": [], "pending": False}


def test_two_people_of_whom_one_errs(served: Served) -> None:
    """Four texts have answers of both, three of them the same; a round said how often each is right."""
    c = served.campaign(labels=["a", "b"])["id"]
    with served.api.database.transaction() as connection:
        campaigns.change(connection, c, project=7)
        answer(connection, c, {row: {3: "a", 5: "a" if row else "b"} for row in range(4)})
        answer(connection, c, {4: {3: "b"}})
        known = {"label_version": 9, "labels": 5, "shards": [0]}
        rounds.start(connection, c, 1, strategy="auto", seed=0, **known)  # type: ignore[arg-type]
        taken = [
            {"annotator": 3, "answers": 5, "accuracy": 0.9},
            {"annotator": 5, "answers": 4, "accuracy": None},
        ]
        rounds.change(connection, c, 1, predictions="some", metrics={"annotators": taken})
        (first,) = [row for row in labels.current(connection, c) if row.row == 0]
        labels.revise(
            connection, c, [Revision(first.version, "b", 0.3, 0.25, "1 of 2 answers, right with 25%")]
        )
    three_of_four = wilson(3, 4)
    agreement = {"value": three_of_four.value, "low": three_of_four.low, "high": three_of_four.high}
    found = get(served, c, "/annotators")
    alpha = found.pop("alpha")
    # Eight answers, one of them b, apart in one pair of four: 1 - (2 / 8) / (2 · 7 / (8 · 7)).
    assert alpha["value"] == pytest.approx(0.0)
    assert found == {
        "annotators": [
            {
                "annotator": 3,
                "answers": 5,
                "skips": 0,
                "invalid": 0,
                "accuracy": 0.9,
                "agreement": agreement,
                "seconds": None,
                "shown": 0,
                "changed": None,
                "rounds": [{"round": 1, "answers": 5, "accuracy": 0.9}],
            },
            {
                "annotator": 5,
                "answers": 4,
                "skips": 0,
                "invalid": 0,
                "accuracy": None,
                "agreement": agreement,
                "seconds": None,
                "shown": 0,
                "changed": None,
                "rounds": [{"round": 1, "answers": 4, "accuracy": None}],
            },
        ],
        "pairs": [{"annotators": [3, 5], "examples": 4, "agreement": agreement}],
        "review": {"asked": 0, "answered": 0, "changed": None},
        "meaning": MEANING,
        "pending": False,
    }
    assert get(served, c, "/disagreements") == {
        "total": 1,
        "pending": False,
        "disagreements": [
            {
                "id": "0-0",
                "text": "text 0",
                "role": "train",
                "task": 1,
                "url": "http://127.0.0.1:9/projects/7/data?task=1",
                "waits": False,
                "answers": [{"annotator": 3, "answer": "a"}, {"annotator": 5, "answer": "b"}],
                "believed": "b",
                "probability": 0.25,
                "weight": 0.3,
                "reason": "1 of 2 answers, right with 25%",
            }
        ],
    }


def test_the_least_sure_come_first_and_no_more_than_asked_for(served: Served) -> None:
    c = served.campaign(labels=["a", "b"], problem="multi_label")["id"]
    with served.api.database.transaction() as connection:
        answer(connection, c, {row: {1: '["a"]', 2: '["a","b"]'} for row in range(3)})
        known = {row.row: row.version for row in labels.current(connection, c)}
        revised = [Revision(known[row], '["a"]', 1.0, sure, "") for row, sure in ((0, 0.8), (2, 0.4))]
        labels.revise(connection, c, revised)
    found = get(served, c, "/disagreements?limit=2")
    assert found["total"] == 3
    assert [one["id"] for one in found["disagreements"]] == ["0-2", "0-0"]
    assert found["disagreements"][0]["answers"][1]["answer"] == ["a", "b"]
    assert get(served, c, "/annotators")["alpha"]["value"] < 1
    assert served.http.get(f"/v1/campaigns/{c}/disagreements?limit=0").status_code == 422


def test_what_became_of_doubts_is_told(served: Served) -> None:
    """Given three labels that were asked again, of two of which the second opinion is there, one other than the first
    and believed, then suspicion was right in one of two."""
    c = served.campaign(labels=["a", "b"])["id"]
    with served.api.database.transaction() as connection:
        answer(connection, c, {row: {1: "a"} for row in range(5)})
        for row in range(3):
            selections.ask_again(connection, c, Place(0, row), row, "in doubt")
        chosen = selections.in_states(connection, c, ["chosen"])
        selections.opened(connection, {row.id: row.row + 1 for row in chosen})
        answer(connection, c, {0: {2: "b"}, 1: {2: "a"}})
        known = {row.row: row.version for row in labels.current(connection, c)}
        labels.revise(connection, c, [Revision(known[0], "b", 0.9, 0.9, "")])
    half = wilson(1, 2)
    changed = {"value": half.value, "low": half.low, "high": half.high}
    assert get(served, c, "/annotators")["review"] == {"asked": 3, "answered": 2, "changed": changed}


def test_an_audit_is_asked_for_once_at_a_time_and_the_newest_is_shown(served: Served) -> None:
    c = served.campaign(labels=["a", "b"])["id"]
    path = f"/v1/campaigns/{c}/audit"
    assert get(served, c, "/audit") == {"job": None, "audit": None}
    begun = served.http.post(path)
    assert (begun.status_code, begun.json()["state"], begun.json()["kind"]) == (202, "ready", "audit")
    assert served.http.post(path).json() == begun.json()
    assert get(served, c, "/audit") == {"job": begun.json(), "audit": None}
    finish(served, c)
    found = get(served, c, "/audit")
    assert (found["job"], found["audit"]["examples"]) == (None, 9)
    again = served.http.post(path).json()
    assert again["id"] != begun.json()["id"]
    assert get(served, c, "/audit") == {"job": again, "audit": found["audit"]}


def finish(served: Served, campaign: str) -> None:
    """End the audit that waits."""
    none = audit.balance({})
    found = audit.Audit(
        1e9,
        9,
        None,
        audit.Duplicates(None, intervals.share(1, 9), [audit.Cluster(2, ["0-0"], "<b>twice</b>")]),
        audit.Lengths([1, 2, 3, 4, 5], 1, [audit.Text("0-1", "long", 900, "characters")]),
        audit.Languages(9, audit.balance({"en": 9}), []),
        none,
        audit.Likelihood(0, None, [], "no head"),
        audit.Labels(none, ["a"], None, {}, None, 0, []),
        None,
        [audit.Advice("label", "there is none")],
    )
    with served.api.database.transaction() as connection:
        newest = jobs.of_kind(connection, campaign, "audit")[-1]
        ended = {"state": "done", "result": msgspec.to_builtins(found)}
        connection.execute(update(job).where(job.c.id == newest.id).values(**ended))


def test_influence_is_refused_worked_out_and_reviewed(served: Served, filled: str) -> None:
    """The filled campaign has one annotator, and rows 160 and on train."""
    c = served.campaign(labels=["a", "b"])["id"]
    assert get(served, c, "/influence") == {"job": None, "influence": None}
    refused = served.http.post(f"/v1/campaigns/{c}/influence")
    assert (refused.status_code, "no adapter yet" in refused.json()["detail"]) == (409, True)
    assert served.http.post(f"/v1/campaigns/{c}/influence/review", json={"n": 0}).status_code == 422
    begun = served.http.post(f"/v1/campaigns/{filled}/influence")
    assert (begun.status_code, begun.json()["kind"], begun.json()["queue"]) == (202, "influence", "gpu")
    assert served.http.post(f"/v1/campaigns/{filled}/influence").json() == begun.json()
    harmful = [Effect(0, 160, "doc-160", "text", "networking", -0.02)]
    helpful = [Effect(0, 161, "doc-161", "text", "numbers", 0.0123)]
    result = Found(1e9, 5, 300, "hold-out", 80, 0.8, harmful, helpful)
    with served.api.database.transaction() as connection:
        newest = jobs.of_kind(connection, filled, "influence")[-1]
        ended = {"state": "done", "result": msgspec.to_builtins(result)}
        connection.execute(update(job).where(job.c.id == newest.id).values(**ended))
    found = get(served, filled, "/influence")
    assert found["job"] is None
    (worst,) = found["influence"]["harmful"]
    assert worst == {
        "id": "doc-160",
        "text": "text",
        "label": "networking",
        "annotators": [1],
        "influence": -0.02,
        "words": "without it the log loss on the hold-out, 0.800, would be about 0.02 lower",
        "task": 2160,
        "url": "http://127.0.0.1:9/projects/7/data?task=2160",
        "waits": False,
        "changed": False,
    }
    assert found["influence"]["helpful"][0]["changed"], "row 161 has another label by now"
    assert found["influence"]["caveat"] == influence.CAVEAT
    alone = served.http.post(f"/v1/campaigns/{filled}/influence/review", json={"n": 1})
    assert (alone.status_code, "fewer than two annotators" in alone.json()["detail"]) == (409, True)
    with served.api.database.transaction() as connection:
        connection.execute(delete(job).where(job.c.id == newest.id))
