import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.http.app import ENDPOINTS
from tests.http.conftest import Served

METHODS = ("get", "post", "patch", "put", "delete")


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    document: dict[str, Any] = served.http.get("/openapi.json").json()
    return document


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): item[method]
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def test_every_route_is_described(served: Served, document: dict[str, Any]) -> None:
    described = operations(document)
    assert described.keys() == {
        (endpoint.method, re.sub(r":\w+}", "}", endpoint.path)) for endpoint in ENDPOINTS
    }
    assert len(ENDPOINTS) == len(described)
    for operation in described.values():
        assert operation["summary"].endswith(".")
    assert len({operation["operationId"] for operation in described.values()}) == len(described)


def test_every_path_parameter_is_declared(document: dict[str, Any]) -> None:
    for (_, path), operation in operations(document).items():
        declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)}", path))


def test_schemas_are_valid_and_references_lead_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert referred <= schemas.keys()
    assert {
        "CampaignView",
        "CampaignBody",
        "CampaignChange",
        "Receipt",
        "Problem",
        "Curve",
        "Queue",
    } <= referred


def test_what_needs_a_token_says_so(document: dict[str, Any]) -> None:
    for (_, path), operation in operations(document).items():
        closed = path.startswith(("/v1/", "/metrics", "/ml/")) and not path.endswith("/webhook")
        assert ("security" in operation) == closed


def test_bodies_queries_and_headers(document: dict[str, Any]) -> None:
    described = operations(document)
    made = described["POST", "/v1/campaigns"]
    assert made["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/CampaignBody"
    }
    assert set(described["POST", "/v1/campaigns/{c}/pool"]["requestBody"]["content"]) == {
        "application/x-ndjson",
        "application/jsonl",
        "application/json-lines",
        "text/csv",
        "application/vnd.apache.parquet",
    }
    labels = described["POST", "/v1/campaigns/{c}/labels"]["parameters"]
    assert [(one["name"], one["in"]) for one in labels] == [
        ("c", "path"),
        ("set", "query"),
        ("Idempotency-Key", "header"),
    ]
    assert labels[1]["schema"] == {"enum": ["test", "train"], "default": "train"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/pool",
        "/rounds",
        "/rounds/2",
        "/rounds/2/turn",
        "/curve",
        "/curve/groups",
        "/cost",
        "/confusion",
        "/confusion/examples",
        "/map",
        "/queue",
        "/jobs",
        "/events?follow=false",
        "/adapters",
        "/annotators",
        "/disagreements",
        "/audit",
        "/influence",
        "/synthesis",
    ],
)
def test_answers_are_as_described(served: Served, filled: str, document: dict[str, Any], path: str) -> None:
    template = re.sub(r"/\d+(?=/|$)", "/{n}", path.partition("?")[0])
    operation = operations(document)["GET", f"/v1/campaigns/{{c}}{template}"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    answer = served.http.get(f"/v1/campaigns/{filled}{path}").json()
    Draft202012Validator(schema | {"components": document["components"]}).validate(answer)


def test_problems_are_as_described(served: Served, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["Problem"]
    for response in (served.http.get("/v1/campaigns/nobody"), served.http.post("/v1/campaigns", json={})):
        Draft202012Validator(schema).validate(response.json())
