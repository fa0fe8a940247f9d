"""The API's description, OpenAPI 3.1, made of the route table and the types in its handlers."""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from service.http.auth import ML
from service.http.endpoint import Endpoint
from service.http.problems import MEDIA_TYPE, Problem

_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_WORDS = {
    "c": "id or name of a campaign",
    "n": "number of a round",
    "s": "number of a synthesis",
    "key": "an example, as in `data.ext_id` of its task: 0-17",
    "name": "name of a file",
    "page": "name of a page",
    "token_id": "number of a token",
}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    types = _types(endpoints)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = _PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Postil",
            "version": "1",
            "description": "Active-learning labeling. Errors are problem details (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _types(endpoints: Iterable[Endpoint]) -> list[Any]:
    found: list[Any] = [Problem]
    for endpoint in endpoints:
        given = [*endpoint.returns.values(), *endpoint.accepts.values(), endpoint.hints.get("return")]
        found += [kind for kind in (endpoint.body, endpoint.query, *given) if _is_schema(kind)]
    return list({id(kind): kind for kind in found}.values())


def _is_schema(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _operation(endpoint: Endpoint, schemas: dict[int, Any], components: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(endpoint.handler) or "").partition("\n\n")
    answer: dict[str, Any] = {"description": "No content" if endpoint.status == 204 else "Success"}
    returned = endpoint.hints.get("return")
    media = endpoint.returns or ({"application/json": returned} if _is_schema(returned) else {})
    if media:
        answer["content"] = {name: _media(kind, schemas) for name, kind in media.items()}
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.handler.__module__.rsplit('.', 1)[-1]}_{endpoint.handler.__name__}",
        "summary": " ".join(summary.split()),
        "parameters": _parameters(endpoint, components),
        "responses": {
            str(endpoint.status): answer,
            "default": {"description": "A problem", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}},
        },
    }
    if more:
        operation["description"] = " ".join(more.split())
    if endpoint.access is not None:
        operation["security"] = [{"password" if endpoint.path.startswith(ML) else "token": []}]
        operation["x-access"] = endpoint.access
    accepted = endpoint.accepts or ({"application/json": endpoint.body} if endpoint.body is not None else {})
    if accepted:
        content = {name: _media(kind, schemas) for name, kind in accepted.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _media(kind: Any, schemas: dict[int, Any]) -> dict[str, Any]:
    return {"schema": schemas[id(kind)]} if kind is not None else {}


def _parameters(endpoint: Endpoint, components: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _WORDS[name],
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for name, kind in _PARAMETER.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        properties = components[endpoint.query.__name__]["properties"]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    found += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in endpoint.headers]
    return found
