"""The catalog inside the Port stand-in: entities, relations between them, and the rules for writing and deleting."""

from __future__ import annotations

import copy
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from local.standins.http import Refused
from local.standins.port_search import matches
from local.standins.port_values import check_properties, check_relations, check_required

Json = dict[str, Any]
Key = tuple[str, str]
META = ("title", "icon", "team")


class Catalog:
    """Blueprints and entities by key. Methods raise ``Refused`` as the API would answer; a refusal changes nothing.

    ``now`` tells the time in epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.blueprints: dict[str, Json] = {}
        self.entities: dict[Key, Json] = {}
        self._order: dict[str, list[str]] = {}

    def recall(self, blueprints: dict[str, Json], entities: dict[Key, Json]) -> None:
        """Hold these instead."""
        self.blueprints, self.entities, self._order = blueprints, {}, {}
        for key, entity in entities.items():
            self._put(key, entity)

    def blueprint(self, identifier: str) -> Json:
        """The blueprint, or ``Refused(404)``."""
        if identifier not in self.blueprints:
            raise Refused(404, f"blueprint {identifier!r} was not found", code="not_found")
        return self.blueprints[identifier]

    def entity(self, key: Key) -> Json:
        """The entity, or ``Refused(404)``."""
        self.blueprint(key[0])
        if key not in self.entities:
            raise Refused(404, f"entity {key[1]!r} was not found", code="not_found")
        return self.entities[key]

    def write(
        self,
        blueprint: str,
        body: Mapping[str, Any],
        *,
        upsert: bool,
        merge: bool,
        create_missing: bool,
        validation_only: bool = False,
        datasource: str,
    ) -> tuple[Json, bool]:
        """Create or update one entity; the entity and whether it is new."""
        self.blueprint(blueprint)
        identifier = body["identifier"]
        if not isinstance(identifier, str):
            identifier = self._found_by(blueprint, identifier)
        old = self.entities.get((blueprint, identifier))
        if old is not None and not upsert:
            raise Refused(409, f"entity {identifier!r} already exists", code="identifier_taken")
        new = _merged(old, body) if old is not None and merge else _merged(_blank(blueprint, identifier), body)
        new["identifier"] = identifier
        self._settle(new, body, create_missing, validation_only=validation_only, datasource=datasource)
        if not validation_only:
            self._stamp(new, old, datasource)
            self._put((blueprint, identifier), new)
        return new, old is None

    def edit(self, key: Key, body: Mapping[str, Any], *, merge: bool, create_missing: bool, datasource: str) -> Json:
        """Change one entity; a new identifier renames it and takes the relations that point to it along."""
        old = self.entity(key)
        identifier = body.get("identifier", key[1])
        renamed = identifier != key[1]
        if renamed and (key[0], identifier) in self.entities:
            raise Refused(409, f"entity {identifier!r} already exists", code="identifier_taken")
        new = _merged(old if merge else _blank(*key), body)
        new["identifier"] = identifier
        self._settle(new, body, create_missing, validation_only=False, datasource=datasource)
        self._stamp(new, old, datasource)
        if renamed:
            incoming = list(self.incoming(key))
            self._drop(key)
            for other, name in incoming:
                _replace(new if other is old else other, name, key[1], identifier)
        self._put((key[0], identifier), new)
        return new

    def delete(self, keys: Iterable[Key], *, delete_dependents: bool) -> list[str]:
        """Delete those that are there, all or none; the identifiers deleted of those asked for."""
        doomed = {key for key in keys if key in self.entities}
        asked = sorted(doomed)
        for key in asked:
            dependents = self.dependents(key)
            if dependents and not delete_dependents:
                raise Refused(422, f"entity {key[1]!r} has {len(dependents)} dependents", code="has_dependents")
        while delete_dependents and (more := {one for key in doomed for one in self.dependents(key)} - doomed):
            doomed |= more
        for key in doomed:
            self._drop(key)
        return [identifier for _, identifier in asked]

    def incoming(self, key: Key) -> Iterable[tuple[Json, str]]:
        """Entities with a relation to the entity, each with that relation's name."""
        for entity in self.entities.values():
            for name, declared in self.blueprints[entity["blueprint"]].get("relations", {}).items():
                if declared["target"] == key[0] and key[1] in _targets(entity["relations"].get(name)):
                    yield entity, name

    def dependents(self, key: Key) -> set[Key]:
        """Keys of the other entities with any relation to this one."""
        return {(entity["blueprint"], entity["identifier"]) for entity, _ in self.incoming(key)} - {key}

    def related(self, blueprint: str, identifiers: frozenset[str], direction: str) -> set[Key]:
        """Keys of what depends on the entities (downstream) or what they depend on (upstream), at any distance."""
        step = self._all_dependents().get if direction == "downstream" else self._dependencies
        seen: set[Key] = set()
        edge = {(blueprint, identifier) for identifier in identifiers if (blueprint, identifier) in self.entities}
        while edge := {found for key in edge for found in step(key) or ()} - seen:
            seen |= edge
        return seen

    def search(self, query: Mapping[str, Any], among: Iterable[Json]) -> list[Json]:
        """The entities that satisfy a search query."""
        return list(self.matching(query, among))

    def matching(self, query: Mapping[str, Any], among: Iterable[Json]) -> Iterator[Json]:
        """``search``, one by one."""
        related = cache(self.related)  # the same for every entity
        matches({**_blank("", ""), "$datasource": ""}, query, related)  # refuses a wrong query also among nothing
        return (entity for entity in among if matches(entity, query, related))

    def of(self, blueprint: str) -> list[Json]:
        """All entities of a blueprint, ordered by identifier."""
        return list(self.after(blueprint, ""))

    def after(self, blueprint: str, identifier: str) -> Iterator[Json]:
        """The entities of a blueprint that come after an identifier, in order; not to be changed meanwhile."""
        self.blueprint(blueprint)
        order = self._order.get(blueprint, [])
        for place in range(bisect_right(order, identifier), len(order)):
            yield self.entities[blueprint, order[place]]

    def _put(self, key: Key, entity: Json) -> None:
        if key not in self.entities:
            insort(self._order.setdefault(key[0], []), key[1])
        self.entities[key] = entity

    def _drop(self, key: Key) -> None:
        del self.entities[key]
        order = self._order[key[0]]
        del order[bisect_right(order, key[1]) - 1]

    def _all_dependents(self) -> dict[Key, set[Key]]:
        """``dependents`` of every entity, in one pass."""
        found: dict[Key, set[Key]] = {}
        for key in self.entities:
            for target in self._dependencies(key):
                found.setdefault(target, set()).add(key)
        return found

    def _dependencies(self, key: Key) -> set[Key]:
        entity = self.entities.get(key, {"relations": {}})
        relations = self.blueprints[key[0]].get("relations", {})
        return {
            (declared["target"], target)
            for name, declared in relations.items()
            for target in _targets(entity["relations"].get(name))
        } - {key}

    def _found_by(self, blueprint: str, query: Mapping[str, Any]) -> str:
        found = self.search(query, self.of(blueprint))
        if len(found) != 1:
            raise Refused(422, f"the query finds {len(found)} entities, not one", code="invalid_request")
        return str(found[0]["identifier"])

    def _settle(
        self, new: Json, body: Mapping[str, Any], create_missing: bool, *, validation_only: bool, datasource: str
    ) -> None:
        """Check what was sent and the whole, find what relations mean, create what is missing where that is wanted."""
        blueprint = self.blueprint(new["blueprint"])
        check_properties(blueprint, body.get("properties") or {})
        check_relations(blueprint, body.get("relations") or {})
        for name in body.get("relations") or {}:
            value = new["relations"].get(name)
            if isinstance(value, dict):
                new["relations"][name] = self._related_by(blueprint["relations"][name], value)
        for part in ("properties", "relations"):
            new[part] = {name: value for name, value in new[part].items() if value is not None}
        check_required(blueprint, new["properties"], new["relations"])
        missing = self._missing(blueprint, new)
        if missing and not create_missing:
            raise Refused(404, f"related entity {missing[0][1]!r} was not found", code="not_found")
        if not validation_only:
            for key in missing:
                stub = _blank(*key)
                self._stamp(stub, None, datasource)
                self._put(key, stub)

    def _missing(self, blueprint: Json, entity: Json) -> list[Key]:
        keys = [
            (blueprint["relations"][name]["target"], target)
            for name, value in entity["relations"].items()
            for target in _targets(value)
        ]
        own = (entity["blueprint"], entity["identifier"])
        return [key for key in dict.fromkeys(keys) if key not in self.entities and key != own]

    def _related_by(self, declared: Json, query: Json) -> Any:
        found = [str(entity["identifier"]) for entity in self.search(query, self.of(declared["target"]))][:100]
        return found if declared.get("many") else (found[0] if found else None)

    def _stamp(self, new: Json, old: Json | None, datasource: str) -> None:
        now = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        new["createdAt"] = old["createdAt"] if old is not None else now
        new["updatedAt"] = now
        new["$datasource"] = datasource


def _blank(blueprint: str, identifier: str) -> Json:
    empty = dict.fromkeys(META)
    return {"identifier": identifier, "blueprint": blueprint, **empty, "properties": {}, "relations": {}}


def _merged(old: Json, body: Mapping[str, Any]) -> Json:
    """The old entity with what the body names: meta as a whole, properties and relations one by one."""
    new = copy.deepcopy(old)
    for name in META:
        if name in body:
            new[name] = body[name]
    for part in ("properties", "relations"):
        new[part].update(copy.deepcopy(body.get(part) or {}))
    return new


def _targets(value: Any) -> list[str]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _replace(entity: Json, relation: str, old: str, new: str) -> None:
    value = entity["relations"].get(relation)
    if isinstance(value, list):
        entity["relations"][relation] = [new if one == old else one for one in value]
    elif value == old:
        entity["relations"][relation] = new
