"""What is taken for what: counts and the texts behind them, of hold-outs and test sets, of every problem."""

import json
from typing import Any

import numpy as np
import pytest

from service import predictions
from service.pool import pool, shards
from service.predictions import Spans
from service.records import Place
from service.store import rounds
from tests.http.conftest import MEASURED, ROUNDS, TOPICS, Served


def get(served: Served, campaign: str, path: str) -> Any:
    response = served.http.get(f"/v1/campaigns/{campaign}{path}")
    assert response.status_code == 200, response.text
    return response.json()


def test_confusions_of_the_newest_round_and_of_an_earlier_one(served: Served, filled: str) -> None:
    found = get(served, filled, "/confusion")
    assert (found["round"], found["measured_on"], found["n"]) == (ROUNDS, "hold-out", MEASURED)
    assert found["labels"] == TOPICS
    assert "fits the campaign to its own measurement" in found["caveat"]
    wrong = [one for one in found["cells"] if one["kind"] == "wrong label"]
    assert sum(one["n"] for one in wrong) == 80 - 75
    assert all(TOPICS.index(one["said"]) == (TOPICS.index(one["truth"]) + 1) % 4 for one in wrong)
    assert [one["n"] for one in found["cells"]] == sorted((one["n"] for one in found["cells"]), reverse=True)
    first = get(served, filled, "/confusion?round=1")
    assert sum(one["n"] for one in first["cells"] if one["kind"] == "right") == 47


def test_the_texts_behind_a_confusion(served: Served, filled: str) -> None:
    (worst, *_) = [one for one in get(served, filled, "/confusion")["cells"] if one["kind"] == "wrong label"]
    url = f"/confusion/examples?truth={worst['truth']}&said={worst['said']}"
    found = get(served, filled, url)
    assert (found["round"], found["total"]) == (ROUNDS, worst["n"])
    one = found["examples"][0]
    row = int(one["id"].removeprefix("doc-"))
    assert TOPICS[row % 4] == worst["truth"]
    assert one | {"confidence": 0} == {
        "id": f"doc-{row}",
        "text": f"How {worst['truth']} are handled in case {row}: <b>not bold</b> & the rest of a longer text.",
        "domain": ["law", "web"][row % 2],
        "kind": "wrong label",
        "truth": worst["truth"],
        "said": worst["said"],
        "confidence": 0,
        "true_span": None,
        "said_span": None,
        "answer": worst["truth"],
        "prediction": worst["said"],
        "task": 2000 + row,
        "url": f"http://127.0.0.1:9/projects/7/data?task={2000 + row}",
    }
    assert one["confidence"] == pytest.approx(0.85)
    all_wrong = get(served, filled, "/confusion/examples?kind=wrong%20label&limit=2")
    assert (all_wrong["total"], len(all_wrong["examples"])) == (5, 2)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?round=6", 404, "round 6 of 'docstrings <i>by topic' was not measured: it is training"),
        ("?round=9", 404, "no round 9"),
        ("/examples?truth=weather", 422, "there is no label 'weather'"),
        ("/examples?kind=odd", 422, "kind"),
        ("/examples?limit=501", 422, "limit"),
    ],
)
def test_what_there_is_not(served: Served, filled: str, query: str, status: int, words: str) -> None:
    response = served.http.get(f"/v1/campaigns/{filled}/confusion{query}")
    assert response.status_code == status
    assert words in response.text


def test_before_the_first_round(served: Served) -> None:
    c = served.campaign()["id"]
    found = get(served, c, "/confusion")
    assert (found["round"], found["n"], found["cells"]) == (None, 0, [])
    assert served.http.get(f"/v1/campaigns/{c}/confusion/examples").status_code == 404


def with_test_set(
    served: Served, problem: str, lines: list[dict[str, Any]], said: Any, labels: str = "ab", **metrics: Any
) -> str:
    """A campaign with these as its test set, and one round that said this of it."""
    c = str(served.campaign(problem=problem, labels=list(labels))["id"])
    posted = served.post_lines(
        f"/v1/campaigns/{c}/labels?set=test", "".join(json.dumps(one) + "\n" for one in lines)
    )
    assert posted.status_code == 200, posted.text
    with served.api.database.transaction() as connection:
        (number,) = pool.close_filling(connection, c)
        content = shards.seal(served.api.files, pool.staged_rows(connection, c, number))
        pool.sealed(connection, c, number, content)
        with served.api.files.new(f"predictions/{c}/r1") as folder:
            places = [Place(number, row) for row in range(len(lines))]
            predictions.write(folder, places, {predictions.ADAPTER: said})
        known = {"label_version": 0, "labels": 9, "shards": []}
        rounds.start(connection, c, 1, strategy="auto", seed=0, **known)  # type: ignore[arg-type]
        rounds.change(
            connection,
            c,
            1,
            state="done",
            predictions=f"predictions/{c}/r1",
            metrics={"trained_on": 9} | metrics,
        )
    return c


def test_of_several_labels_each_is_missed_or_made_up(served: Served) -> None:
    lines = [{"text": "one", "id": "x", "labels": ["a", "b"]}, {"text": "two", "labels": []}]
    said = np.array([[0.75, 0.25], [0.125, 0.5]], np.float32)
    c = with_test_set(served, "multi_label", lines, said, thresholds={"adapter": [0.5, 0.5]})
    found = get(served, c, "/confusion")
    assert (found["measured_on"], found["n"]) == ("test", 2)
    assert found["cells"] == [
        {"kind": "right", "truth": "a", "said": "a", "n": 1},
        {"kind": "missed", "truth": "b", "said": None, "n": 1},
        {"kind": "spurious", "truth": None, "said": "b", "n": 1},
    ]
    (one,) = get(served, c, "/confusion/examples?kind=missed&truth=b")["examples"]
    assert (one["id"], one["text"], one["confidence"], one["url"]) == ("x", "one", 0.25, None)
    assert (one["answer"], one["prediction"]) == (["a", "b"], ["a"])


def test_spans_with_the_stretch_that_is_meant(served: Served) -> None:
    lines = [{"text": "Ada met Bo", "id": "x", "spans": [[0, 3, "a"], [8, 10, "b"]]}]
    said = Spans(np.array([(0, 0, 7, 0), (0, 4, 5, 1)], np.int32), np.array([0.5, 0.75], np.float32))
    c = with_test_set(served, "spans", lines, said)
    assert {(one["kind"], one["truth"], one["said"]) for one in get(served, c, "/confusion")["cells"]} == {
        ("wrong boundary", "a", "a"),
        ("spurious", None, "b"),
        ("missed", "b", None),
    }
    first, second, third = get(served, c, "/confusion/examples")["examples"]
    assert (first["kind"], first["true_span"], first["said_span"]) == ("spurious", None, [4, 5])
    assert (second["true_span"], second["said_span"], second["confidence"]) == ([0, 3], [0, 7], 0.5)
    assert (third["kind"], third["true_span"], third["confidence"]) == ("missed", [8, 10], None)
    assert third["answer"] == [
        {"start": 0, "end": 3, "label": "a"},
        {"start": 8, "end": 10, "label": "b"},
    ]
