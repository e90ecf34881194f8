"""The part of JSON Schema that the contract of the services needs, and short ways to write it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {
    "type", "enum", "pattern", "minLength", "minimum", "maximum", "properties", "required", "additionalProperties",
    "items", "minItems", "maxItems", "uniqueItems", "anyOf",
}  # fmt: skip


def problems(value: Any, schema: Schema, place: str = "$") -> Iterator[str]:
    """What of `value` is not as the schema says."""
    unknown = set(schema) - _KNOWN
    if unknown:
        raise ValueError(f"{place}: the validator does not know {unknown}")
    if "anyOf" in schema:
        options = [list(problems(value, option, place)) for option in schema["anyOf"]]
        if all(options):
            yield f"{place}: fits none of {len(options)}: {options[0][0]}"
        return
    if "type" in schema and not _is_a(value, schema["type"]):
        yield f"{place}: must be {schema['type']}, not {value!r:.80}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0) or not re.search(schema.get("pattern", ""), value):
            yield f"{place}: {value!r:.80} does not fit"
    elif isinstance(value, list):
        yield from _list_problems(value, schema, place)
    elif isinstance(value, dict):
        yield from _object_problems(value, schema, place)
    elif isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{place}: {value} is out of range"


def _is_a(value: Any, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in names)


def _list_problems(value: list[Any], schema: Schema, place: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{place}: has {len(value)} entries"
    if schema.get("uniqueItems") and any(one in value[:i] for i, one in enumerate(value)):
        yield f"{place}: has an entry twice"
    for i, one in enumerate(value):
        yield from problems(one, schema.get("items", {}), f"{place}[{i}]")


def _object_problems(value: dict[str, Any], schema: Schema, place: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}: lacks {name}"
    for name, one in value.items():
        rest = schema.get("additionalProperties", True)
        if name in properties:
            yield from problems(one, properties[name], f"{place}.{name}")
        elif rest is False:
            yield f"{place}: has an unknown {name}"
        elif isinstance(rest, Mapping):
            yield from problems(one, rest, f"{place}.{name}")


def obj(required: Mapping[str, Schema] | None = None, /, **optional: Schema) -> dict[str, Any]:
    """An object with these members at least; others may be there too."""
    needed = dict(required or {})
    return {"type": "object", "properties": {**needed, **optional}, "required": list(needed)}


def closed(required: Mapping[str, Schema] | None = None, /, **optional: Schema) -> dict[str, Any]:
    """An object with no other members."""
    return {**obj(required, **optional), "additionalProperties": False}


def arr(items: Schema, least: int = 0, most: int | None = None) -> dict[str, Any]:
    """An array."""
    return {"type": "array", "items": items, "minItems": least} | ({} if most is None else {"maxItems": most})


def enum(*values: Any) -> dict[str, Any]:
    """One of these."""
    return {"enum": list(values)}


def text(pattern: str) -> dict[str, Any]:
    """A string of this form."""
    return {"type": "string", "pattern": pattern}


def null_or(schema: Schema) -> dict[str, Any]:
    """This, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


STR = {"type": "string"}
FILLED = {"type": "string", "minLength": 1}
INT = {"type": "integer"}
COUNT = {"type": "integer", "minimum": 0}
BOOL = {"type": "boolean"}
UUID = text(r"\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
TIME = text(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)\Z")
URL = text(r"\Ahttps?://[^\s]+\Z")
HREF = text(r"\A(https?://|/)\S+\Z")
