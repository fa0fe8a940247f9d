"""What a monitor reads, off a running API."""

import json
import re
import threading
from pathlib import Path

import httpx
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from service.doorbell import Vitals
from service.http.reconciler import Reconciler
from service.store import jobs
from service.store.database import now
from service.store.schema import job, round
from tests.http.conftest import Served

MONITORING = Path(__file__).parents[2] / "docker" / "monitoring"


def read(served: Served) -> dict[str, dict[tuple[str, ...], float]]:
    """name -> label values in the order of their names -> value."""
    answer = served.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_campaign_in_the_midst_of_its_work(served: Served, filled: str) -> None:
    found = read(served)
    status = served.http.get(f"/v1/campaigns/{filled}").json()["status"]

    assert any(labels[0] == filled for labels in found["postil_campaign_info"])
    assert found["postil_pool_examples"][(filled,)] == status["examples"] == 600
    for name, key in (("postil_labels", "labels"), ("postil_annotations", "annotations")):
        kinds = {labels[1]: count for labels, count in found[name].items() if labels[0] == filled}
        assert kinds == status[key]
    assert found["postil_queue_tasks"][(filled, "open")] == status["queue"]["open"]
    assert found["postil_round"][(filled,)] == status["round"]["number"]
    assert found["postil_database_up"][()] == 1


def test_a_round_that_hangs_shows_its_lag(served: Served, filled: str) -> None:
    def change(**values: object) -> None:
        with served.api.database.transaction() as connection:
            connection.execute(update(round).where(round.c.campaign == filled, newest).values(**values))

    number = served.http.get(f"/v1/campaigns/{filled}").json()["status"]["round"]["number"]
    newest = round.c.number == number
    with served.api.database.reading() as connection:
        before = connection.execute(round.select().where(round.c.campaign == filled, newest)).one()
    change(state="scoring", ranked_at=None, started_at=now() - 500)
    try:
        lag = read(served)["postil_round_lag_seconds"][(filled,)]
        change(state="failed")
        failed = read(served)
    finally:
        change(state=before.state, ranked_at=before.ranked_at, started_at=before.started_at)

    assert 500 <= lag < 560
    assert failed["postil_round_lag_seconds"][(filled,)] == 0
    assert failed["postil_round_failed"][(filled,)] == 1
    assert read(served)["postil_round_failed"][(filled,)] == 0


def test_jobs_their_waiting_and_leases_that_ran_out(served: Served) -> None:
    c = served.campaign()["id"]
    expired = read(served)["postil_job_leases_expired_total"][()]
    with served.api.database.transaction() as connection:
        jobs.add(connection, jobs.NewJob(c, "seal:7", "seal", "cpu"))
        mine = job.c.campaign == c, job.c.key == "seal:7"
        connection.execute(
            update(job)
            .where(*mine)
            .values(state="running", attempts=1, epoch=1, lease_until=now() - 1, not_before=now() - 900)
        )
    Reconciler(served.api.database, served.api.files, served.api.doorbell, served.api.metrics, 0).turn(
        bring_forward=False
    )

    found = read(served)

    assert found["postil_job_leases_expired_total"][()] >= expired + 1
    assert found["postil_jobs"][("seal", "cpu", "ready")] >= 1
    assert found["postil_oldest_ready_job_seconds"][("cpu",)] >= 900
    with served.api.database.transaction() as connection:
        connection.execute(update(job).where(*mine).values(state="done", ended_at=now()))


def test_label_studio_that_fails_is_counted(served: Served) -> None:
    c = served.campaign()["id"]
    with served.api.database.transaction() as connection:
        connection.execute(
            update(job)
            .where(job.c.campaign == c, job.c.kind == "sync")
            .values(error="Label Studio does not answer", attempts=4)
        )

    assert read(served)["postil_label_studio_failing_attempts"][(c,)] == 4


def test_requests_are_counted_by_their_route(served: Served) -> None:
    c = served.campaign()["id"]
    key = ("GET", "/v1/campaigns/{c}", "200")
    before = read(served)["postil_http_request_seconds_count"].get(key, 0)

    for _ in range(3):
        served.http.get(f"/v1/campaigns/{c}")
    httpx.get(f"{served.url}/v1/campaigns/{c}")
    served.http.get("/nowhere/at/all")

    counts = read(served)["postil_http_request_seconds_count"]
    assert counts[key] == before + 3
    assert counts[("GET", "none", "401")] >= 1
    assert counts[("GET", "none", "404")] >= 1
    assert not any(c in labels[1] for labels in counts)


def test_workers_tell_of_their_memory(served: Served) -> None:
    served.api.doorbell.say(Vitals("gpu-7", "gpu", {"resident": 10, "gpu": 20, "gpu_total": 30}))

    found = read(served)

    assert found["postil_worker_memory_bytes"][("gpu_total", "gpu", "gpu-7")] == 30
    assert set(found["postil_workers"]) == {("gpu",), ("cpu",), ("sync",), ("predict",)}
    served.api.doorbell.redis.delete("postil-vitals:gpu-7")


def test_metrics_need_a_token_for_all_campaigns(served: Served) -> None:
    c = served.campaign()["id"]
    made = served.http.post("/v1/tokens", json={"name": "some", "access": "viewer", "campaigns": [c]}).json()

    assert httpx.get(f"{served.url}/metrics").status_code == 401
    answer = httpx.get(f"{served.url}/metrics", headers={"Authorization": f"Bearer {made['secret']}"})
    assert (answer.status_code, "some campaigns alone" in answer.json()["detail"]) == (403, True)


def test_looks_at_the_same_time_disturb_nobody(served: Served, filled: str) -> None:
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(served.http.get("/metrics"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one.status_code for one in answers] == [200] * 8
    assert all(re.search(r"^postil_round\{", one.text, re.M) for one in answers)


def test_rules_and_dashboard_name_metrics_that_there_are(served: Served, filled: str) -> None:
    said = served.http.get("/metrics").text
    known = {name for family in text_string_to_metric_families(said) for name in _names(family)} | {"up"}
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules] + [one["expr"] for panel in panels for one in panel["targets"]]

    used = {
        name for expression in asked for name in re.findall(r"\b(?:postil|process)_\w+|\bup\b", expression)
    }

    assert used <= known
    assert len(used) > 15


def _names(family: Metric) -> set[str]:
    """Of its samples, and of one that has none yet."""
    return {family.name, *(sample.name for sample in family.samples)}
