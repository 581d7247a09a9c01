"""What of an entity a blueprint has room for; used only after Port refused the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bitbucket_port.objects import Entity, JsonObject

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_FORMATS = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*"),
    "url": re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"),
    "user": _EMAIL,
    "email": _EMAIL,
}
"""Only what is certainly wrong is left out: these are wider than Port's own rules."""


def trim(entity: Entity, blueprint: JsonObject) -> tuple[Entity, tuple[str, ...]]:
    """The entity without what the blueprint (as Port shows it) does not have, and what that was, for people to read.

    Left out are properties and relations it lacks, enum values it does not list, values of another type or plainly
    another format, and one relation where it wants many or the reverse. The same entity when nothing was left out.
    """
    properties, first = _properties(entity.fields.get("properties") or {}, blueprint)
    relations, second = _relations(entity.fields.get("relations") or {}, blueprint)
    dropped = tuple(first + second)
    if not dropped:
        return entity, ()
    parts = {"properties": properties, "relations": relations}
    return replace(entity, fields={**entity.fields, **{n: v for n, v in parts.items() if n in entity.fields}}), dropped


def _properties(given: Mapping[str, Any], blueprint: JsonObject) -> tuple[JsonObject, list[str]]:
    declared = (blueprint.get("schema") or {}).get("properties") or {}
    kept: JsonObject = {}
    dropped: list[str] = []
    for name, value in given.items():
        if name not in declared:
            dropped.append(f"properties.{name}")
            continue
        whole = value
        if isinstance(value, list) and declared[name].get("items"):
            misfits = [_misfit_element(one, declared[name]["items"]) for one in value]
            whole = [one for one, misfit in zip(value, misfits, strict=True) if misfit is None]
            dropped += [f"properties.{name}[] {misfit}" for misfit in dict.fromkeys(misfits) if misfit is not None]
        misfit = _misfit(whole, declared[name])
        if misfit is None:
            kept[name] = whole
        else:
            dropped.append(f"properties.{name} {misfit}")
    return kept, dropped


def _relations(given: Mapping[str, Any], blueprint: JsonObject) -> tuple[JsonObject, list[str]]:
    declared = blueprint.get("relations") or {}
    kept: JsonObject = {}
    dropped: list[str] = []
    for name, value in given.items():
        if name not in declared:
            dropped.append(f"relations.{name}")
        elif isinstance(value, (str, list)) and isinstance(value, list) != bool(declared[name].get("many")):
            dropped.append(f"relations.{name} to {'many' if isinstance(value, list) else 'one'}")
        else:
            kept[name] = value
    return kept, dropped


def _misfit(value: Any, declared: Mapping[str, Any]) -> str | None:
    """Why the value has no place there, None when it has; null always has."""
    if value is None:
        return None
    kind = _type_of(value)
    if kind != declared.get("type", kind):
        return f"of type {kind}"
    if "enum" in declared and value not in declared["enum"]:
        return f"with value {str(value)[:50]!r}"
    pattern = _FORMATS.get(str(declared.get("format")))
    if pattern is not None and isinstance(value, str) and not pattern.fullmatch(value):
        return f"of format {declared['format']} (the value is not one)"
    return None


def _misfit_element(value: Any, declared: Mapping[str, Any]) -> str | None:
    """As ``_misfit``, but null unsets nothing inside a list."""
    return "of type null" if value is None else _misfit(value, declared)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
