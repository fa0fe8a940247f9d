"""Exported labels in a real Label Studio: what it has after an import is what was exported."""

import json
from typing import Any

import httpx
import pytest

from service.label_studio.client import Client
from service.label_studio.problems import problem
from tests.http.conftest import Served
from tests.http.test_exports import LABELS, SAID, answered, export


@pytest.mark.parametrize("kind", LABELS)
def test_label_studio_takes_its_json_as_it_is(served: Served, kind: str, label_studio: Any) -> None:
    """Given answers, a skip and a label that was imported, then Label Studio has them all after an import: who said
    what in how many seconds; only when is lost, since it dates what it imports itself."""
    c = answered(served, kind)
    headers = {"Authorization": f"Token {label_studio.token}"}
    with (
        Client(label_studio.url, label_studio.token) as client,
        httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as studio,
    ):
        me = client.user().id
        page = problem(kind, LABELS[kind])
        project = client.ensure_project(f"imports {kind}", page.label_config(), "", f"import:{c}")
        sent = export(served, c, "format=label-studio").json()
        # The accounts are those of the campaign's own Label Studio.
        for task in sent:
            for one in task["annotations"]:
                if "completed_by" in one:
                    assert one["completed_by"] in (3, 5)
                    one["completed_by"] = me
        sent[1]["annotations"].append(
            {"result": [], "was_cancelled": True, "ground_truth": False, "lead_time": 1.5}
        )
        path = f"/api/projects/{project}"
        taken = studio.post(f"{path}/import", json=sent)
        stranger = {"data": {"text": "one"}, "annotations": [{"result": [], "completed_by": 10**6}]}
        refused = studio.post(f"{path}/import", json=[stranger])
        got = studio.get(f"{path}/export?exportType=JSON").json()

    assert taken.status_code == 201, taken.text
    assert (refused.status_code, "completed_by=1000000" in refused.text) == (400, True)
    by_text = {task["data"]["text"]: task for task in got}
    assert len(got) == len(sent) == 3
    for task in sent:
        there = by_text[task["data"]["text"]]
        assert there["data"] == task["data"]
        kept = sorted(there["annotations"], key=lambda one: one["id"])
        assert [one["result"] for one in kept] == [one["result"] for one in task["annotations"]]
        for one, given in zip(kept, task["annotations"], strict=True):
            assert one["was_cancelled"] == given["was_cancelled"]
            assert one["lead_time"] == given.get("lead_time")
            assert one["completed_by"] == given.get("completed_by", me)
            assert one["ground_truth"] is False
    asked = by_text["Ann Paris one"]
    said = [page.from_result(one["result"], asked["data"]["text"]) for one in asked["annotations"]]
    expected = "a" if kind == "single_label" else json.loads(SAID[kind][0])
    assert said == [expected, expected]
