"""What a campaign in the midst of its work shows: status, rounds, curve, queue, jobs, adapters, exports."""

import csv
import io
import json
import tarfile
import threading
from typing import Any

import httpx
import numpy as np
import pytest

from service import annotations, curve, predictions
from service.export import examples
from service.http import kept
from service.measure.intervals import wilson
from service.pool import pool, repeats, shards
from service.records import Place
from service.store import campaigns, rounds
from tests.http.conftest import MEASURED, ROUNDS, TOPICS, Served, fill
from tests.http.test_campaigns import assert_listed_alike


def get(served: Served, campaign: str, path: str = "") -> Any:
    response = served.http.get(f"/v1/campaigns/{campaign}{path}")
    assert response.status_code == 200, response.text
    return response.json()


def test_status(served: Served, filled: str) -> None:
    shown = get(served, filled)
    assert shown["warnings"] == ["12% of the words are unknown to all-MiniLM-L6-v2"]
    assert shown["label_studio"] == {"project": 7, "url": "http://127.0.0.1:9/projects/7"}
    status = shown["status"]
    assert status.pop("pace") >= 0
    assert status == {
        "phase": "labeling",
        "phase_reason": None,
        "examples": 600,
        "aliases": 0,
        "near_duplicates": 0,
        "test_examples": 0,
        "labels": {"train": 277, "control": 80, "hold-out": 80},
        "annotations": {"answer": 437, "skip": 3, "invalid": 1},
        "queue": {"chosen": 10, "open": 49},
        "asked": 437 + 49 + 10,
        "budget_left": 600 - 496,
        "changes": 7,
        "round": {"number": 6, "state": "training"},
        "rounds_done": 5,
        "label_studio_error": None,
    }


def test_a_list_tells_of_warnings_and_how_scores_went(served: Served, filled: str) -> None:
    listed = served.http.get("/v1/campaigns").json()["campaigns"]
    (line,) = [one for one in listed if one["id"] == filled]
    assert line["warnings"] == ["12% of the words are unknown to all-MiniLM-L6-v2"]
    assert line["headline"] == "accuracy"
    assert line["measured"] == [
        {"round": n, "trained_on": 60 * n, "score": (40 + 7 * n) / MEASURED} for n in range(1, ROUNDS + 1)
    ]
    assert (
        line["measured"][-1]["score"]
        == get(served, filled, "/curve")["points"][-1]["metrics"]["accuracy"]["value"]
    )
    assert line["status"]["budget_left"] == 600 - 496
    assert line["status"]["label_studio_error"] is None


def test_workers_are_counted_by_queue(served: Served) -> None:
    assert served.http.get("/v1/workers").json() == {"workers": {"gpu": 0, "cpu": 0, "sync": 0}}


def test_rounds(served: Served, filled: str) -> None:
    rounds = get(served, filled, "/rounds")["rounds"]
    assert [(one["number"], one["state"], one["trained_on"]) for one in rounds] == [
        *((number, "done", 60 * number) for number in range(1, ROUNDS + 1)),
        (6, "training", None),
    ]
    third = get(served, filled, "/rounds/3")
    assert third == rounds[2]
    assert (third["labels"], third["strategy"], third["train_seconds"]) == (216, "margin", 7.0)
    assert third["metrics"]["control_labels"] == 48
    assert served.http.get(f"/v1/campaigns/{filled}/rounds/7").status_code == 404
    assert served.http.get(f"/v1/campaigns/{filled}/rounds/x").status_code == 404


def test_curve(served: Served, filled: str) -> None:
    points = get(served, filled, "/curve")["points"]
    assert [(one["round"], one["labels"], one["trained_on"]) for one in points] == [
        (number, 72 * number, 60 * number) for number in range(1, ROUNDS + 1)
    ]
    for number, point in enumerate(points, 1):
        right = 40 + 7 * number
        exact = wilson(right, MEASURED)
        assert (point["headline"], point["metrics"]["problem"]) == ("accuracy", "single_label")
        assert point["metrics"]["n"] == MEASURED
        assert point["metrics"]["accuracy"] == {"value": exact.value, "low": exact.low, "high": exact.high}
        assert point["baseline"] == (36 + 5 * number) / MEASURED
        assert point["control"]["labels"] == 16 * number
        assert point["control"]["score"]["value"] == (38 + 4 * number) / MEASURED
        assert point["measured_on"] == "hold-out"
    assert points[0]["change"] is None
    assert points[1]["change"]["value"] == pytest.approx(7 / MEASURED)
    # Round 4's reference has 64 labels, about as many as round 1's adapter (60).
    assert (points[3]["control"]["own_round"], points[3]["control"]["own_labels"]) == (1, 60)
    assert points[3]["control"]["gain"]["value"] == pytest.approx((47 - 54) / MEASURED)


def test_domains_and_classes(served: Served, filled: str) -> None:
    found = get(served, filled, "/curve/groups")
    assert (found["headline"], found["round"]) == ("accuracy", ROUNDS)
    assert [(one["round"], one["trained_on"]) for one in found["rounds"]] == [
        (number, 60 * number) for number in range(1, ROUNDS + 1)
    ]
    for number, one in enumerate(found["rounds"], 1):
        assert [(each["name"], each["n"], each["share"]) for each in one["domains"]] == [
            ("law", MEASURED / 2, 0.5),
            ("web", MEASURED / 2, 0.5),
        ]
        right = sum(each["score"]["value"] * each["n"] for each in one["domains"])
        assert right == pytest.approx(40 + 7 * number)
    assert sum(one["errors"] for one in found["domains"]) == pytest.approx(1)
    worst = min(found["rounds"][-1]["domains"], key=lambda one: one["score"]["value"])
    assert found["weakest"]["domain"] == {"group": worst, "whole": 75 / 80, "reason": None}
    assert sorted(one["name"] for one in found["classes"]) == sorted(TOPICS)
    learned = get(served, filled, "/curve")
    assert learned["weakest"] == found["weakest"]
    newest = learned["points"][-1]["metrics"]
    assert {one["name"]: one["recall"] for one in found["classes"]} == {
        name: one["recall"] for name, one in zip(TOPICS, newest["per_class"], strict=True)
    }
    assert found["weakest"]["class"]["whole"] == pytest.approx(newest["macro_f1"]["value"])


def test_there_are_no_groups_before_the_first_round(served: Served) -> None:
    c = served.campaign()["id"]
    found = get(served, c, "/curve/groups")
    assert found | {"headline": ""} == {
        "headline": "",
        "round": None,
        "domains": [],
        "classes": [],
        "weakest": None,
        "rounds": [],
        "pending": False,
    }
    assert get(served, c, "/curve")["weakest"] is None


def test_a_curve_is_computed_once(served: Served, filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get(served, filled, "/curve")
    monkeypatch.setattr(curve, "points", None)
    assert get(served, filled, "/curve") == first


def test_some_of_many_rounds(served: Served, filled: str) -> None:
    whole = get(served, filled, "/curve")["points"]
    assert get(served, filled, "/curve?points=2")["points"] == whole, "the newest ones are always there"
    for points in ("1", "1001", "x"):
        assert served.http.get(f"/v1/campaigns/{filled}/curve?points={points}").status_code == 422
    rounds = get(served, filled, "/rounds")["rounds"]
    assert get(served, filled, "/rounds?newest=2")["rounds"] == rounds[-2:]


def test_who_allows_for_age_need_not_wait(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PATIENCE_S", 0.01)
    c = fill(served, "an old curve")
    before, go, learning = get(served, c, "/curve"), threading.Event(), curve.learning

    def slowly(*given: Any) -> Any:
        assert go.wait(20)
        return learning(*given)

    monkeypatch.setattr(curve, "learning", slowly)
    with served.api.database.transaction() as connection:
        gone = {1000 + row for row in range(440)} - {1003}
        annotations.forget(connection, campaigns.get(connection, c), gone | {5000})
    young = {"Cache-Control": "max-age=1"}
    url = f"/v1/campaigns/{c}/curve"
    assert served.http.get(url, headers=young).json() == before | {"pending": True}
    go.set()
    assert get(served, c, "/curve")["points"][0]["metrics"]["n"] == MEASURED - 1
    assert (
        served.http.get(f"{url}?points=99", headers=young).json()["points"][0]["metrics"]["n"] == MEASURED - 1
    )


def test_a_late_answer_makes_the_curve_anew(served: Served) -> None:
    c = fill(served, "a late answer")
    assert [point["metrics"]["n"] for point in get(served, c, "/curve")["points"]] == [MEASURED] * ROUNDS
    with served.api.database.transaction() as connection:
        gone = {1000 + row for row in range(440)} - {1003}
        assert annotations.forget(connection, campaigns.get(connection, c), gone | {5000}) == 1
    assert [point["metrics"]["n"] for point in get(served, c, "/curve")["points"]] == [MEASURED - 1] * ROUNDS


def test_queue(served: Served, filled: str) -> None:
    tasks = get(served, filled, "/queue")["tasks"]
    assert [task["place"] for task in tasks] == [at for at in range(440, 500) if at != 445]
    first, last = tasks[0], tasks[-1]
    assert first | {"chosen_at": 0} == {
        "task": 2440,
        "url": "http://127.0.0.1:9/projects/7/data?task=2440",
        "id": "doc-440",
        "text": first["text"],
        "role": "train",
        "strategy": "margin",
        "score": 0.9,
        "reason": "margin 0.12 between dates and numbers",
        "place": 440,
        "state": "open",
        "prediction": {"round": 4, "label": "networking", "confidence": 0.56},
        "round": 0,
        "chosen_at": 0,
        "similar": f"{served.settings.url}/similar/{filled}/0-440",
    }
    assert (last["task"], last["url"], last["state"]) == (None, None, "chosen")
    assert get(served, filled, "/queue?limit=2")["tasks"] == tasks[:2]
    for limit in ("0", "10001", "x"):
        assert served.http.get(f"/v1/campaigns/{filled}/queue?limit={limit}").status_code == 422


def test_jobs(served: Served, filled: str) -> None:
    training = [job for job in get(served, filled, "/jobs")["jobs"] if job["kind"] == "train"]
    assert [(job["state"], job["attempts"], job["progress"]) for job in training] == [
        ("running", 1, {"done": 42.0, "total": 100.0, "doing": "round 6: training on 356 labels"})
    ]


def test_adapters(served: Served, filled: str) -> None:
    adapters = get(served, filled, "/adapters")["adapters"]
    assert {one["headline"] for one in adapters} == {"accuracy"}
    assert [(one["round"], one["trained_on"], one["score"], one["size_bytes"]) for one in adapters] == [
        (number, 60 * number, (40 + 7 * number) / MEASURED, 702) for number in range(1, ROUNDS + 1)
    ]
    assert [one["round"] for one in adapters if one["active"]] == [ROUNDS]
    assert get(served, filled, "/curve")["active"] == ROUNDS
    response = served.http.get(f"/v1/campaigns/{filled}/adapters/2")
    assert response.headers["content-type"] == "application/x-tar"
    assert response.headers["content-length"] == str(len(response.content))
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        folder = f"{filled}-round-2"
        names = ["README.md", "adapter_config.json", "adapter_model.safetensors"]
        assert tar.getnames() == [f"{folder}/{name}" for name in names]
        weights = tar.extractfile(f"{folder}/adapter_model.safetensors")
        assert weights is not None
        assert weights.read() == bytes(700)
    none = served.http.get(f"/v1/campaigns/{filled}/adapters/6")
    assert (none.status_code, "has no adapter: it is training" in none.json()["detail"]) == (404, True)


def test_exported_labels(served: Served, filled: str) -> None:
    response = served.http.get(f"/v1/campaigns/{filled}/export")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["content-disposition"] == f'attachment; filename="{filled}-labels.jsonl"'
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert len(rows) == 437
    assert rows[0] | {"version": 0, "made_at": 0} == {
        "id": "doc-0",
        "ids": ["doc-0"],
        "text": "How networking are handled in case 0: <b>not bold</b> & the rest of a longer text.",
        "label": "networking",
        "weight": 1.0,
        "probability": None,
        "reason": "one answer",
        "source": "annotation",
        "role": "hold-out",
        "annotations": 1,
        "annotators": [1],
        "round": 0,
        "strategy": "random",
        "domain": None,
        "meta": None,
        "version": 0,
        "made_at": 0,
    }
    assert [row["label"] for row in rows] == [TOPICS[at % 4] for at in range(437)]
    as_csv = served.http.get(f"/v1/campaigns/{filled}/export?format=csv")
    cells = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [(cell["id"], cell["text"], cell["label"], json.loads(cell["ids"])) for cell in cells] == [
        (row["id"], row["text"], row["label"], row["ids"]) for row in rows
    ]


@pytest.mark.parametrize("sealed", [False, True])
def test_every_id_that_was_sent_comes_back(served: Served, sealed: bool) -> None:
    c = served.campaign()["id"]
    body = [
        {"text": "one", "id": "a", "meta": {"n": 1}, "domain": "web"},
        {"text": "one", "id": "b"},
        {"text": "one", "id": "c", "label": "good"},
        {"text": "two", "label": "bad"},
        {"text": "three", "id": "d"},
    ]
    served.post_lines(f"/v1/campaigns/{c}/pool", "".join(json.dumps(one) + "\n" for one in body))
    if sealed:
        with served.api.database.transaction() as connection:
            pool.close_filling(connection, c)
            content = shards.seal(served.api.files, pool.staged_rows(connection, c, 0))
            pool.sealed(connection, c, 0, content)
    rows = [json.loads(line) for line in served.http.get(f"/v1/campaigns/{c}/export").text.splitlines()]
    assert [
        (row["id"], row["ids"], row["text"], row["label"], row["meta"], row["domain"]) for row in rows
    ] == [
        ("a", ["a", "b", "c"], "one", "good", {"n": 1}, "web"),
        ("0-1", [], "two", "bad", None, None),
    ]


def test_exported_annotations(served: Served, filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "PAGE", 100)
    url = f"/v1/campaigns/{filled}/export?what=annotations"
    rows = [json.loads(line) for line in served.http.get(url).text.splitlines()]
    assert len(rows) == 441
    assert rows[200] | {"received_at": 0} == {
        "annotation": 1200,
        "revision": "1",
        "current": True,
        "kind": "answer",
        "id": "doc-200",
        "task": 2200,
        "annotator": 1,
        "label": "networking",
        "problem": None,
        "result": "networking",
        "shown": {"round": 4, "label": "networking", "confidence": 0.56},
        "lead_time": 2.0,
        "made_at": "2026-01-01T00:03:20+00:00",
        "received_at": 0,
    }
    assert (rows[0]["shown"], rows[437]["kind"], rows[440]["kind"]) == (None, "skip", "invalid")
    assert rows[440]["problem"] == "'weather' is none of the campaign's labels"
    cells = list(csv.DictReader(io.StringIO(served.http.get(f"{url}&format=csv").text)))
    assert [cell["kind"] for cell in cells] == [row["kind"] for row in rows]


def test_the_exported_pool_tells_what_repeats_what(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "PAGE", 2)
    c = served.campaign()["id"]
    first = [
        {"text": "=one", "id": "a", "meta": {"n": 1}, "domain": "web"},
        {"text": "two"},
        {"text": "One!", "id": "c"},
        {"text": "=one", "id": "b"},
    ]
    served.post_lines(f"/v1/campaigns/{c}/pool", "".join(json.dumps(one) + "\n" for one in first))
    url = f"/v1/campaigns/{c}/export?what=pool"
    rows = [json.loads(line) for line in served.http.get(url).text.splitlines()]
    assert [row["text"] for row in rows] == ["=one", "two", "One!"]
    assert {(row["repeats"], row["duplication_score"]) for row in rows} == {(None, None)}
    files = served.api.files
    with served.api.database.transaction() as connection:
        pool.close_filling(connection, c)
        pool.sealed(connection, c, 0, shards.seal(files, pool.staged_rows(connection, c, 0)))
        with files.new(f"near/{c}/0-test") as folder:
            repeats.write(folder, np.array([[0, 0], [0, 1], [0, 0]]), np.array([0, 0.125, 0.75]))
        pool.compared(connection, c, 0, f"near/{c}/0-test", 1)
    served.post_lines(f"/v1/campaigns/{c}/pool", json.dumps({"text": "three"}) + "\n")
    rows = [json.loads(line) for line in served.http.get(url).text.splitlines()]
    assert rows[0] == {
        "example": "0-0",
        "id": "a",
        "ids": ["a", "b"],
        "text": "=one",
        "domain": "web",
        "meta": {"n": 1},
        "repeats": None,
        "duplication_score": 0.0,
    }
    assert [(row["example"], row["id"], row["repeats"], row["duplication_score"]) for row in rows[1:]] == [
        ("0-1", "0-1", None, 0.125),
        ("0-2", "c", "0-0", 0.75),
        ("1-0", "1-0", None, None),
    ]
    cells = list(csv.DictReader(io.StringIO(served.http.get(f"{url}&format=csv").text)))
    assert [cell["repeats"] for cell in cells] == ["", "", "0-0", ""]
    assert cells[0]["text"] == "'=one"
    shown = served.http.get(f"/v1/campaigns/{c}").json()["status"]
    assert (shown["examples"], shown["aliases"], shown["near_duplicates"]) == (4, 1, 1)
    known = served.http.get(f"/v1/campaigns/{c}/pool").json()["shards"]
    assert [shard["near_duplicates"] for shard in known] == [1, None]


def test_labels_that_near_duplicates_pass_on_are_exported_with_their_reason(served: Served) -> None:
    c = served.campaign(near_duplicates="propagate")["id"]
    lines = [
        {"text": "one", "id": "a", "label": "good"},
        {"text": "One!", "id": "b", "domain": "web"},
        {"text": "one?", "id": "c", "label": "bad"},
        {"text": "two"},
    ]
    served.post_lines(f"/v1/campaigns/{c}/pool", "".join(json.dumps(one) + "\n" for one in lines))
    files = served.api.files
    with served.api.database.transaction() as connection:
        pool.close_filling(connection, c)
        pool.sealed(connection, c, 0, shards.seal(files, pool.staged_rows(connection, c, 0)))
        with files.new(f"near/{c}/0-test") as folder:
            repeats.write(folder, np.array([[0, 0], [0, 0], [0, 0], [0, 3]]), np.array([0, 0.9, 0.9, 0]))
        pool.compared(connection, c, 0, f"near/{c}/0-test", 2)
    rows = [json.loads(line) for line in served.http.get(f"/v1/campaigns/{c}/export").text.splitlines()]

    assert [(row["id"], row["label"], row["source"]) for row in rows] == [
        ("a", "good", "import"),
        ("c", "bad", "import"),
        ("b", "good", "propagated"),
    ]
    assert rows[2]["weight"] == 0.5 * rows[0]["weight"]
    assert rows[2]["reason"] == "repeats 0-0: 0.5 of its label's weight"
    assert (rows[2]["role"], rows[2]["domain"], rows[2]["annotations"]) == ("train", "web", 0)
    served.http.patch(f"/v1/campaigns/{c}", json={"near_duplicates": "drop"})
    assert len(served.http.get(f"/v1/campaigns/{c}/export").text.splitlines()) == 2


def test_no_text_becomes_a_formula_in_a_spreadsheet(served: Served) -> None:
    c = served.campaign()["id"]
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a=1", "- a list"]
    body = [{"text": text, "id": text, "label": "good"} for text in texts]
    served.post_lines(f"/v1/campaigns/{c}/pool", "".join(json.dumps(one) + "\n" for one in body))
    url = f"/v1/campaigns/{c}/export"

    cells = list(csv.DictReader(io.StringIO(served.http.get(f"{url}?format=csv").text, newline="")))
    rows = [json.loads(line) for line in served.http.get(url).text.splitlines()]

    assert [cell["text"] for cell in cells] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\t=1",
        "a=1",
        "'- a list",
    ]
    assert all(cell["id"][0] not in "=+-@\t" for cell in cells)
    assert [row["text"] for row in rows] == texts


@pytest.mark.parametrize("query", ["what=secrets", "format=xml", "shape=round"])
def test_exports_that_there_are_not(served: Served, filled: str, query: str) -> None:
    assert served.http.get(f"/v1/campaigns/{filled}/export?{query}").status_code == 422
    assert served.http.get("/v1/campaigns/nobody/export").status_code == 404


def test_an_export_reaches_only_whom_it_should(served: Served, filled: str) -> None:
    for path in ("export", "adapters/1", "queue"):
        assert httpx.get(f"{served.url}/v1/campaigns/{filled}/{path}").status_code == 401


def test_a_list_tells_the_same(served: Served) -> None:
    path = f"/v1/campaigns/{fill(served, 'listed')}"
    assert_listed_alike(served, served.http.get(path).json())
    assert served.post_lines(f"{path}/pool", '{"text": "one more, not sealed yet"}\n').status_code == 200
    for change in ({"budget": 1}, {"paused": True}, {"paused": False, "budget": None}):
        assert_listed_alike(served, served.http.patch(path, json=change).json())


def test_auto_labels_are_refused_with_a_reason_or_given_with_their_origin(served: Served) -> None:
    c = fill(served, "auto-labels")
    path = f"/v1/campaigns/{c}/export?what=auto-labels"
    refused = served.http.get(path)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "no auto-labels can be promised: 80 examples measure, and 100 are the fewest that can bear out 97% with 95%: "
        "give the campaign a larger hold-out, or ask for less",
    )
    assert served.http.get(f"{path}&precision=1").status_code == 422
    probabilities = np.full((100, 4), 0.01, np.float16)
    probabilities[:, 2] = np.where(np.arange(100) % 2, 0.99, 0.3)
    said = np.full((MEASURED, 4), 0.01, np.float32)
    said[np.arange(MEASURED), np.arange(MEASURED) % 4] = np.linspace(0.4, 0.9, MEASURED)
    with served.api.database.transaction() as connection:
        with served.api.files.new(f"predictions/{c}/sure") as folder:
            predictions.write(folder, [Place(0, row) for row in range(MEASURED)], {predictions.ADAPTER: said})
        with served.api.files.new(f"scores/{c}/5") as folder:
            np.save(folder / predictions.ROWS, np.arange(400, 500, dtype=np.int32))
            np.save(folder / predictions.PROBABILITIES, probabilities)
        rounds.change(connection, c, 5, predictions=f"predictions/{c}/sure")
        rounds.add_score(connection, c, 5, 0, f"scores/{c}/5", 100, 1.0)
    found = served.http.get(f"{path}&precision=0.9&level=0.9")
    assert found.status_code == 200, found.text
    rows = [json.loads(line) for line in found.text.splitlines()]
    # The first 437 have labels of people; of the others every second one is sure.
    assert [row["id"] for row in rows] == [f"doc-{row}" for row in range(437, 500, 2)]
    assert rows[0] | {"text": ""} == {
        "id": "doc-437",
        "ids": ["doc-437"],
        "text": "",
        "label": TOPICS[2],
        "confidence": 0.9902,
        "source": "auto",
        "round": 5,
        "precision": 0.9,
        "level": 0.9,
        "domain": None,
        "meta": None,
    }
    as_csv = served.http.get(f"{path}&precision=0.9&level=0.9&format=csv").text
    assert len(list(csv.DictReader(io.StringIO(as_csv)))) == len(rows)
    several = served.campaign(labels=["a", "b"], problem="multi_label")["id"]
    assert served.http.get(f"/v1/campaigns/{several}/export?what=auto-labels").status_code == 422
    none = served.campaign(labels=["a", "b"])["id"]
    assert (
        "no round has scored"
        in served.http.get(f"/v1/campaigns/{none}/export?what=auto-labels").json()["detail"]
    )


def test_no_round_is_begun_beside_another(served: Served, filled: str) -> None:
    answer = served.http.post(f"/v1/campaigns/{filled}/rounds")
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "round 6 is training already: ask again when it is done",
    )


def test_an_older_adapter_is_made_active(served: Served) -> None:
    c = fill(served, "older")
    path = f"/v1/campaigns/{c}"
    for adapter, words in (
        (9, "there is no round 9"),
        (6, "round 6 has no adapter of its own: it is training"),
        (0, "adapter is 0"),
        (2**70, ""),
        (True, ""),
        ("3", ""),
    ):
        refused = served.http.patch(path, json={"adapter": adapter})
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True), refused.text
    with served.api.database.transaction() as connection:
        rounds.change(connection, c, 4, state="failed", error="out of memory")
    refused = served.http.patch(path, json={"adapter": 4})
    assert refused.json()["detail"] == "round 4 failed, so its adapter cannot be active: out of memory"
    assert served.http.patch(path, json={"adapter": 3}).json()["adapter"] == 3
    adapters = get(served, c, "/adapters")["adapters"]
    assert [one["round"] for one in adapters if one["active"]] == [3]
    assert get(served, c, "/curve")["active"] == 3
    refused = served.http.get(f"{path}/export?what=auto-labels")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "the adapter of round 3 is active and did not score the pool yet: ask again in a minute",
    )
    log = get(served, c, "/events?follow=false")["events"]
    assert log[-1]["data"] == {"adapter": 3}
    # The round that is training goes first; once it is over, however it ends, the pool is scored anew.
    with served.api.changing(c) as (connection, _):
        rounds.change(connection, c, 6, state="failed", error="out of memory")
    last = get(served, c, "/rounds")["rounds"][-1]
    assert (last["number"], last["state"], last["scored_by"], last["trained_on"]) == (7, "planning", 3, None)
    refused = served.http.patch(path, json={"adapter": 7})
    assert refused.json()["detail"] == "round 7 has no adapter of its own: it went by that of round 3"
    assert served.http.patch(path, json={"adapter": None}).json()["adapter"] is None
    assert get(served, c, "/curve")["active"] == ROUNDS
