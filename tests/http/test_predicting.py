"""Predictions over HTTP, by a resident scorer beside the API."""

from typing import Any

import httpx
import pytest

from service import scorer
from tests.adapters import LABELS, TEXTS
from tests.http.conftest import Served, trained_campaign
from workers.encoder import Encoder


def predict(served: Served, c: str, texts: Any) -> httpx.Response:
    return served.http.post(f"/v1/campaigns/{c}/predict", json={"texts": texts})


@pytest.mark.parametrize(
    ("problem", "fields"),
    [
        ("single_label", {"label", "confidence", "probabilities"}),
        ("multi_label", {"labels", "probabilities"}),
        ("spans", {"spans"}),
    ],
)
def test_each_problem_has_its_form(
    served: Served, encoder: Encoder, working: None, problem: str, fields: set[str]
) -> None:
    said = predict(served, trained_campaign(served, encoder, problem), TEXTS).json()

    assert (said["round"], said["unsure"], len(said["predictions"])) == (1, [], len(TEXTS))
    for one in said["predictions"]:
        assert one.keys() == fields
        assert set(one.get("probabilities", LABELS)) == set(LABELS)


def test_a_viewer_may_ask(served: Served, encoder: Encoder, working: None) -> None:
    c = trained_campaign(served, encoder)
    body = {"name": "reads", "access": "viewer", "campaigns": [c]}
    secret = served.http.post("/v1/tokens", json=body).json()["secret"]
    headers = {"Authorization": f"Bearer {secret}"}

    for target, status in ((c, 200), (served.campaign()["id"], 404)):
        answer = httpx.post(
            f"{served.url}/v1/campaigns/{target}/predict",
            json={"texts": ["fog"]},
            headers=headers,
            timeout=60,
        )
        assert answer.status_code == status, answer.text


def test_before_the_first_round_there_is_none_to_ask(served: Served) -> None:
    answer = predict(served, served.campaign(name="so young")["id"], ["fog"])

    assert answer.status_code == 409
    assert "campaign 'so young' has no adapter yet" in answer.json()["detail"]


def test_without_a_scorer_it_is_said_how_to_start_one(
    served: Served, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "TAKEN_S", 0.1)

    answer = predict(served, trained_campaign(served, encoder), ["fog"])

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "start `postil worker predict`" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("texts", "status", "told"),
    [
        ([], 422, "texts"),
        (["fog"] * 1_001, 422, "texts"),
        ([1], 422, "texts[0]"),
        ("fog", 422, "texts"),
        (["fog" * 400_000], 413, None),
    ],
)
def test_what_is_no_request(served: Served, encoder: Encoder, texts: Any, status: int, told: str) -> None:
    answer = predict(served, trained_campaign(served, encoder), texts)

    assert (answer.status_code, answer.json().get("field")) == (status, told)
