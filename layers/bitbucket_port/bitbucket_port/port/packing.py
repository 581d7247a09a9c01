"""From entities in any order to bulks Port accepts: relation targets first, filled greedily by their real size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bitbucket_port.objects import Entity, JsonObject

MOST_ENTITIES = 20
MOST_BYTES = 1024 * 1024
_ENVELOPE = len(json.dumps({"entities": []}))
_SEPARATOR = len(", ")
_BULK_CANNOT_CLEAR = ("title", "icon", "team")


@dataclass(frozen=True, slots=True)
class Bulks:
    """Positions of entities that fit together, and those that fit into no bulk, each with the reason."""

    bulks: tuple[tuple[int, ...], ...]
    misfits: dict[int, str]


def body_of(entity: Entity) -> JsonObject:
    """The entity as an item of a bulk, where title, icon and team cannot be null (the API's schema)."""
    body = entity.to_port()
    return {name: value for name, value in body.items() if value is not None or name not in _BULK_CANNOT_CLEAR}


def size_of(body: JsonObject) -> int:
    """Bytes of an item inside the request as the HTTP client encodes it; ValueError when JSON cannot express it."""
    return len(json.dumps(body, allow_nan=False).encode())


def in_order(entities: Sequence[Entity]) -> list[tuple[str, list[int]]]:
    """Positions grouped by blueprint, so that what another one relates to is written before it.

    Only relations between these entities count: everything else is in Port already or has to be created by Port. Where
    blueprints relate to each other in a circle, the given order decides.
    """
    groups: dict[str, list[int]] = {}
    for position, entity in enumerate(entities):
        groups.setdefault(entity.blueprint, []).append(position)
    owners: dict[str, set[str]] = {}
    for entity in entities:
        if isinstance(entity.identifier, str):
            owners.setdefault(entity.identifier, set()).add(entity.blueprint)
    needs = {
        blueprint: {
            owner
            for position in positions
            for target in _targets(entities[position])
            for owner in owners.get(target, ())
        }
        for blueprint, positions in groups.items()
    }
    ordered: list[str] = []
    visited: set[str] = set()

    def visit(blueprint: str) -> None:
        if blueprint not in visited:
            visited.add(blueprint)
            for target in groups:
                if target in needs[blueprint]:
                    visit(target)
            ordered.append(blueprint)

    for blueprint in groups:
        visit(blueprint)
    return [(blueprint, groups[blueprint]) for blueprint in ordered]


def pack(bodies: Sequence[JsonObject], *, most_entities: int = MOST_ENTITIES, most_bytes: int = MOST_BYTES) -> Bulks:
    """The bodies, in their order, in as few bulks as greedy filling makes; no bulk exceeds either limit."""
    bulks: list[tuple[int, ...]] = []
    misfits: dict[int, str] = {}
    current: list[int] = []
    used = _ENVELOPE
    for position, body in enumerate(bodies):
        try:
            size = size_of(body)
        except ValueError:
            misfits[position] = "it holds a number that JSON cannot express"
            continue
        if _ENVELOPE + size > most_bytes:
            misfits[position] = f"it is larger than the {most_bytes} bytes Port takes in one request"
            continue
        if current and (len(current) == most_entities or used + _SEPARATOR + size > most_bytes):
            bulks.append(tuple(current))
            current, used = [], _ENVELOPE
        used += size + (_SEPARATOR if current else 0)
        current.append(position)
    if current:
        bulks.append(tuple(current))
    return Bulks(tuple(bulks), misfits)


def _targets(entity: Entity) -> list[str]:
    values = (entity.fields.get("relations") or {}).values()
    listed = [value if isinstance(value, list) else [value] for value in values]
    return [one for several in listed for one in several if isinstance(one, str)]
