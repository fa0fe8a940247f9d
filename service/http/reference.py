"""The API's reference as Markdown, out of its OpenAPI description: routes, what they take, what they answer."""

import json
import re
from collections.abc import Iterator
from typing import Any

from service.http.docs import slug

_REFERRED = "#/components/schemas/"
_TOPICS = {
    "pool": "Pool",
    "labels": "Labels",
    "rounds": "Rounds and curve",
    "curve": "Rounds and curve",
    "queue": "Queue and jobs",
    "jobs": "Queue and jobs",
    "events": "Queue and jobs",
    "annotators": "People",
    "disagreements": "People",
    "audit": "Audit and influence",
    "influence": "Audit and influence",
    "synthesis": "Synthetic texts",
    "export": "Exports and adapters",
    "adapters": "Exports and adapters",
}
_INTRODUCTION = """# HTTP API

Every route with what it takes and answers, out of the service's own description.

The same for programs is [/openapi.json](/openapi.json), OpenAPI 3.1. Routes that need a token take it as
`Authorization: Bearer …`; which kind is said at each. Errors are problem details (RFC 9457): `title`, `status`,
`detail` in plain words, and the `field` at fault where there is one. Whoever asks often may allow for an answer's age
(`Cache-Control: max-age=1`, five seconds at most), and has then what another request was told.
"""


def markdown(document: dict[str, Any]) -> str:
    """The whole page; `document` as `openapi.describe` makes it."""
    topics: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            topics.setdefault(_topic(path), []).append("\n".join(_operation(method, path, operation)))
    parts = [_INTRODUCTION]
    for topic, operations in topics.items():
        parts += [f"## {topic}", *operations]
    parts.append("## Types")
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append("\n".join(_type(name, schema)))
    return "\n\n".join(parts) + "\n"


def _topic(path: str) -> str:
    below = re.fullmatch(r"/v1/campaigns/\{c\}/(\w+).*", path)
    if below:
        return _TOPICS.get(below[1], "Campaigns")
    if path.startswith("/v1/campaigns") or path == "/v1/strategies":
        return "Campaigns"
    return "Tokens and sessions" if path.startswith("/v1/") else "The service itself"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    access = operation.get("x-access")
    whose = (
        f"Needs the token of a{'n' if access in ('admin', 'engineer') else ''} {access}." if access else ""
    )
    said = operation["summary"], operation.get("description", ""), whose
    yield f"### `{method.upper()} {path}`\n"
    yield f"{_text(' '.join(said))}\n"
    if operation["parameters"]:
        yield "| parameter | in | type | default | |\n| --- | --- | --- | --- | --- |"
        for one in operation["parameters"]:
            schema, words = one["schema"], _text(one.get("description", ""))
            yield f"| `{one['name']}` | {one['in']} | {_kind(schema)} | {_default(schema)} | {words} |"
        yield ""
    if taken := operation.get("requestBody"):
        yield f"Body: {_contents(taken['content'])}.\n"
    for status, answer in operation["responses"].items():
        if status != "default":
            content = answer.get("content")
            yield f"Answers {status}: {_contents(content) if content else 'nothing more'}."


def _type(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### Type {name}\n"
    if words := schema.get("description"):
        yield f"{_text(words)}\n"
    if properties := schema.get("properties"):
        required = schema.get("required", [])
        yield "| field | type | default |\n| --- | --- | --- |"
        for field, one in properties.items():
            default = "required" if field in required else _default(one)
            yield f"| `{field}` | {_kind(one)} | {default} |"
    else:
        yield _kind(schema)


def _contents(content: dict[str, Any]) -> str:
    return " or ".join(
        f"`{media}`" + (f", {_kind(one['schema'])}" if one.get("schema") else "")
        for media, one in content.items()
    )


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to the types it names."""
    if (referred := schema.get("$ref", "")).startswith(_REFERRED):
        name = referred.removeprefix(_REFERRED)
        return f"[{name}](#{slug(f'Type {name}')})"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{_text(json.dumps(one, ensure_ascii=False))}`" for one in schema["enum"])
    match schema.get("type"):
        case "array":
            inner = schema.get("items")
            return f"list of {_kind(inner)}" if isinstance(inner, dict) and inner else "list"
        case "object":
            inner = schema.get("additionalProperties")
            return f"object of {_kind(inner)}" if isinstance(inner, dict) and inner else "object"
        case str(plain):
            return plain + _limits(schema)
    return "anything"


def _limits(schema: dict[str, Any]) -> str:
    said = [
        f"{words} {schema[name]}"
        for name, words in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
            ("minLength", "of at least"),
            ("maxLength", "of at most"),
        )
        if name in schema
    ]
    return f" {', '.join(said)}" if said else ""


def _default(schema: dict[str, Any]) -> str:
    return f"`{_text(json.dumps(schema['default'], ensure_ascii=False))}`" if "default" in schema else ""


def _text(words: str) -> str:
    """In one line, and no end of a table's cell."""
    return " ".join(words.split()).replace("|", "\\|")
