"""What Port accepts, as its API document says it: identifiers, blueprints and values of properties."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from bitbucket_port.objects import JsonObject

COLORS = (
    "blue turquoise orange purple pink yellow green red gold silver paleBlue darkGray lightGray bronze lime olive brown"
)
PROPERTY_TYPES = ("string", "number", "boolean", "object", "array")
PROPERTY_FORMATS = ("date-time", "url", "email", "markdown", "yaml", "user", "team", "timer", "labeled-url")

_NAMES = {"type": "object", "propertyNames": {"pattern": r"^[A-Za-z0-9@_=\\-]+$", "maxLength": 100}}
_TYPE = {
    "title": {"type": "string", "minLength": 1, "maxLength": 100},
    "description": {"type": "string"},
    "icon": {"type": "string"},
    "type": {"enum": list(PROPERTY_TYPES)},
    "format": {"enum": list(PROPERTY_FORMATS)},
}
_PROPERTY = {
    "type": "object",
    "required": ["title", "type"],
    "additionalProperties": False,
    "properties": _TYPE
    | {
        "spec": {"enum": ["open-api", "embedded-url", "async-api"]},
        "enum": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        "enumColors": {"type": "object", "additionalProperties": {"enum": COLORS.split()}},
        "items": {"type": "object", "required": ["type"], "properties": {"type": {"enum": list(PROPERTY_TYPES)}}},
    },
    "dependentRequired": {"enumColors": ["enum"]},
}
_CALCULATION = {
    "type": "object",
    "required": ["calculation", "type"],
    "additionalProperties": False,
    "properties": _TYPE | {"calculation": {"type": "string"}},
}
_RELATION = {
    "type": "object",
    "required": ["target", "required", "many"],
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string", "maxLength": 100},
        "description": {"type": "string"},
        "target": {"type": "string"},
        "required": {"type": "boolean"},
        "many": {"type": "boolean"},
    },
}
_OWNERSHIP = {
    "oneOf": [
        {"type": "object", "required": ["type"], "properties": {"type": {"const": "Direct"}}},
        {
            "type": "object",
            "required": ["type", "path"],
            "properties": {"type": {"const": "Inherited"}, "path": {"type": "string"}},
        },
    ]
}

BLUEPRINT_SCHEMA: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["identifier", "title", "schema"],
    "additionalProperties": False,
    "properties": {
        "identifier": {"type": "string", "pattern": "^[A-Za-z0-9@_.+:/-]+$", "maxLength": 100},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "maxLength": 200},
        "icon": {"type": "string"},
        "ownership": _OWNERSHIP,
        "schema": {
            "type": "object",
            "required": ["properties"],
            "additionalProperties": False,
            "properties": {
                "properties": _NAMES | {"additionalProperties": _PROPERTY},
                "required": {"type": "array", "items": {"type": "string"}},
            },
        },
        "mirrorProperties": {"type": "object"},
        "calculationProperties": _NAMES | {"additionalProperties": _CALCULATION},
        "aggregationProperties": {"type": "object"},
        "relations": _NAMES | {"additionalProperties": _RELATION},
    },
}
"""A blueprint as ``POST /v1/blueprints`` documents it, narrowed to what our files use."""

_PUNCTUATION = frozenset("@_.+:\\/=-")


def acceptable_identifier(identifier: object) -> bool:
    r"""Whether Port takes this as an entity's identifier: ``^(?!\.{1,2}$)[\p{L}0-9@_.+:\\/=-]+$``, at most 1,000."""
    if not isinstance(identifier, str) or not 1 <= len(identifier) <= 1000 or identifier in {".", ".."}:
        return False
    return all(
        character in _PUNCTUATION or character in "0123456789" or unicodedata.category(character).startswith("L")
        for character in identifier
    )


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def complaint(definition: JsonObject, value: Any) -> str | None:
    """Why Port would refuse ``value`` for a property, None when it would not; null clears any property."""
    if value is None:
        return None
    right_type = isinstance(value, _TYPES[definition["type"]])
    if not right_type or (definition["type"] == "number" and isinstance(value, bool)):
        return f"{value!r} is not a {definition['type']}"
    if value not in definition.get("enum", [value]):
        return f"{value!r} is not one of {definition['enum']}"
    if definition.get("format") == "date-time" and not _DATE_TIME.fullmatch(value):
        return f"{value!r} is not a date-time"
    if definition.get("format") == "url" and not re.match(r"https?://\S+$", value):
        return f"{value!r} is not a URL"
    if "items" in definition:
        return next(filter(None, (complaint(definition["items"], item) for item in value)), None)
    return None
