"""What a blueprint in Port lacks of the one a mapping needs, and the blueprint completed: what is there stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bitbucket_port.objects import JsonObject

SCHEMA = ("schema",)
RELATIONS = ("relations",)
CALCULATED = ("mirrorProperties", "calculationProperties", "aggregationProperties", "ownership")
PARTS = (SCHEMA, RELATIONS, CALCULATED)
"""In the order in which they can be made: relations name blueprints, and the rest names relations."""


def bare(blueprint: JsonObject) -> JsonObject:
    """The blueprint as far as it stands by itself, which can be made before any other one."""
    later = {*RELATIONS, *CALCULATED}
    return {name: value for name, value in blueprint.items() if name not in later}


def lacking(wanted: JsonObject, there: JsonObject) -> JsonObject:
    """What ``there`` lacks of ``wanted``, arranged as in a blueprint; empty when nothing is missing.

    Properties, relations, calculated properties and ownership; of a property that lists its values (``enum``, also that
    of its ``items``) and misses some, the whole list with these at its end. Nothing becomes required: entities that
    exist would break.
    """
    found: JsonObject = {}
    properties = _lacking_properties(_properties(wanted), _properties(there))
    if properties:
        found["schema"] = {"properties": properties}
    for name in (*RELATIONS, *CALCULATED):
        asked, has = wanted.get(name) or {}, there.get(name) or {}
        if name == "ownership":
            missing = asked if not has and not there.get("teamInheritance") else {}
        else:
            missing = {key: value for key, value in asked.items() if key not in has}
        if name == "relations":
            missing = {key: {**value, "required": False} for key, value in missing.items()}
        if missing:
            found[name] = missing
    return found


def completed(there: JsonObject, missing: JsonObject) -> JsonObject:
    """The parts of ``there`` that ``missing`` names, each whole with what was missing added: what a PATCH takes."""
    parts: JsonObject = {}
    for name, added in missing.items():
        before = there.get(name) or {}
        if name == "schema":
            properties = before.get("properties") or {}
            both = {key: _extended(properties.get(key) or {}, value) for key, value in added["properties"].items()}
            parts[name] = {**before, "properties": {**properties, **both}}
        else:
            parts[name] = {**before, **added}
    return parts


def part_of(missing: JsonObject, names: Collection[str]) -> JsonObject:
    """Only these parts."""
    return {name: value for name, value in missing.items() if name in names}


def singly(missing: JsonObject) -> Iterator[JsonObject]:
    """Each missing thing by itself."""
    for name, added in missing.items():
        if name == "ownership":
            yield {name: added}
        elif name == "schema":
            yield from ({name: {"properties": {key: value}}} for key, value in added["properties"].items())
        else:
            yield from ({name: {key: value}} for key, value in added.items())


def names_of(missing: JsonObject, there: JsonObject) -> list[str]:
    """What is missing, for people: ``properties.url``, ``relations.project``, ``properties.status 'DRAFT'``."""
    names: list[str] = []
    for part, added in missing.items():
        if part == "ownership":
            names.append(part)
        elif part == "schema":
            names += _property_names(added["properties"], _properties(there))
        else:
            names += [f"{part}.{key}" for key in added]
    return names


def clashes(wanted: JsonObject, there: JsonObject) -> list[str]:
    """What is there under the right name but is something else, for people. Nobody but its owner can mend that."""
    found = []
    has = _properties(there)
    for name, declared in _properties(wanted).items():
        asked, is_ = _type_of(declared), _type_of(has.get(name, declared))
        if asked != is_:
            found.append(f"properties.{name} is of type {is_}, not {asked}")
    relations = there.get("relations") or {}
    for name, declared in (wanted.get("relations") or {}).items():
        asked, is_ = _end_of(declared), _end_of(relations.get(name, declared))
        if asked != is_:
            found.append(f"relations.{name} is {is_}, not {asked}")
    return found


def _properties(blueprint: JsonObject) -> JsonObject:
    found: JsonObject = (blueprint.get("schema") or {}).get("properties") or {}
    return found


def _lacking_properties(wanted: JsonObject, there: JsonObject) -> JsonObject:
    found: JsonObject = {}
    for name, declared in wanted.items():
        if name not in there:
            found[name] = declared
            continue
        more = _more_values(declared, there[name])
        if more:
            found[name] = more
    return found


def _more_values(wanted: JsonObject, there: JsonObject) -> JsonObject:
    """Values that the list of a property, or of its items, does not have; only where both are of the same type."""
    if _type_of(wanted) != _type_of(there):
        return {}
    found = _longer_list(wanted, there)
    items = _longer_list(wanted.get("items") or {}, there.get("items") or {})
    return {**found, "items": items} if items else found


def _longer_list(wanted: JsonObject, there: JsonObject) -> JsonObject:
    asked, has = wanted.get("enum"), there.get("enum")
    if not isinstance(asked, list) or not isinstance(has, list):
        return {}
    missing = [value for value in asked if value not in has]
    if not missing:
        return {}
    colours, given = there.get("enumColors"), wanted.get("enumColors") or {}
    longer: JsonObject = {"enum": [*has, *missing]}
    if isinstance(colours, dict):
        new = {str(value): given[str(value)] for value in missing if str(value) in given}
        longer["enumColors"] = {**new, **colours}
    return longer


def _extended(there: JsonObject, added: JsonObject) -> JsonObject:
    """The property with its longer lists; the property itself where there is none yet."""
    if not there:
        return added
    items = {"items": {**(there.get("items") or {}), **added["items"]}} if "items" in added else {}
    return {**there, **added, **items}


def _property_names(added: JsonObject, there: JsonObject) -> list[str]:
    names: list[str] = []
    for name, value in added.items():
        if name not in there:
            names.append(f"properties.{name}")
            continue
        before = there[name]
        for longer, old in ((value, before), (value.get("items") or {}, before.get("items") or {})):
            names += [f"properties.{name} {one!r}" for one in longer.get("enum") or () if one not in old["enum"]]
    return names


def _type_of(declared: Any) -> str:
    kind = str(declared.get("type"))
    inner = (declared.get("items") or {}).get("type")
    return f"{kind} of {inner}" if inner else kind


def _end_of(relation: Any) -> str:
    return f"to {'many' if relation.get('many') else 'one'} {relation.get('target')}"
