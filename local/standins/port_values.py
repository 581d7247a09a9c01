"""What Port accepts as identifiers, blueprints and values: the stand-in's own reading of Port's OpenAPI document.

Deliberately independent of the package under test, so that a mistake made there is not made here again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import jsonschema

from local.standins.http import Refused

Json = dict[str, Any]

KEY = r"^[A-Za-z0-9@_=\\-]+$"
TYPES = ("string", "number", "boolean", "object", "array")
STRING_FORMATS = (
    "date-time", "url", "email", "idn-email", "ipv4", "ipv6", "markdown", "yaml", "user", "blueprints", "team",
    "timer", "proto", "labeled-url",
)  # fmt: skip

_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^\s]+$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
_FORMAT_PATTERNS = {"date-time": _DATE_TIME, "url": _URL, "user": _EMAIL, "email": _EMAIL, "idn-email": _EMAIL}


def is_identifier(text: str, *, extra: str = "=", limit: int = 1000) -> bool:
    """Whether Port takes the text: letters of any script, digits, ``@_.+:\\/-`` and ``extra``; not ``.`` or ``..``."""
    if not text or text in {".", ".."} or len(text) > limit:
        return False
    allowed = "0123456789@_.+:\\/-" + extra
    return all(character in allowed or unicodedata.category(character).startswith("L") for character in text)


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("port-entity")
def _entity_identifier(value: object) -> bool:
    return not isinstance(value, str) or is_identifier(value)


@FORMATS.checks("port-blueprint")
def _blueprint_identifier(value: object) -> bool:
    return not isinstance(value, str) or is_identifier(value, extra="", limit=100)


def check_blueprint(blueprint: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise ``Refused(422)`` where a relation points to a blueprint that is not there (itself is)."""
    for name, relation in blueprint.get("relations", {}).items():
        if relation["target"] not in known and relation["target"] != blueprint["identifier"]:
            raise Refused(422, f"relation {name!r}: its target is not a blueprint", code="invalid_request")


def check_properties(blueprint: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Raise ``Refused(422)`` for a property the blueprint lacks, or a value of the wrong type, format or enum."""
    declared = blueprint["schema"].get("properties", {})
    for name, value in properties.items():
        if name not in declared:
            raise Refused(422, f"must NOT have additional properties: {name}", code="invalid_request")
        if value is not None:
            _check_value(name, value, declared[name])


def check_required(blueprint: Mapping[str, Any], properties: Mapping[str, Any], relations: Mapping[str, Any]) -> None:
    """Raise ``Refused(422)`` when what the blueprint requires is missing or null in the whole entity."""
    for name in blueprint["schema"].get("required", []):
        if properties.get(name) is None:
            raise Refused(422, f"must have required property {name}", code="invalid_request")
    for name, relation in blueprint.get("relations", {}).items():
        if relation.get("required") and not relations.get(name):
            raise Refused(422, f"must have required relation {name}", code="invalid_request")


def check_relations(blueprint: Mapping[str, Any], relations: Mapping[str, Any]) -> None:
    """Raise ``Refused(422)`` for a relation the blueprint lacks, or one where many are declared or the reverse."""
    declared = blueprint.get("relations", {})
    for name, value in relations.items():
        if name not in declared:
            raise Refused(422, f"must NOT have additional relations: {name}", code="invalid_request")
        many = bool(declared[name].get("many"))
        if value is not None and not isinstance(value, dict) and isinstance(value, list) != many:
            raise Refused(422, f"relation {name} must be {'an array' if many else 'a string'}", code="invalid_request")


def _check_value(name: str, value: Any, declared: Mapping[str, Any]) -> None:
    kind = declared["type"]
    fits = {
        "string": isinstance(value, str),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
    }[kind]
    if not fits:
        raise Refused(422, f"property {name} must be {kind}", code="invalid_request")
    if "enum" in declared and value not in declared["enum"]:
        raise Refused(422, f"property {name} must be equal to one of the allowed values", code="invalid_request")
    pattern = _FORMAT_PATTERNS.get(declared.get("format", ""))
    if pattern is not None and isinstance(value, str) and not pattern.match(value):
        raise Refused(422, f"property {name} must match format {declared['format']}", code="invalid_request")
    if isinstance(value, list) and "items" in declared:
        for item in value:
            _check_value(f"{name}[]", item, {"type": "string", **declared["items"]})
