"""What the catalog should hold, from Bitbucket's own single objects."""

from __future__ import annotations

import json
import time
from typing import Any

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import Entity, JsonObject, Kind
from local.machine import Machine, Product


def engine(product: Product, preset: str = "default") -> MappingEngine:
    """The shipped mapping."""
    return MappingEngine(parse(load(product, preset), product=product, file=preset), now=time.time)


def pull_request(machine: Machine, pull: Any) -> JsonObject:
    """The pull request as Bitbucket's REST API gives it by itself."""
    if machine.product == "cloud":
        return machine.cloud.world.write.pull_request(pull)
    return machine.server.world.write.pull_request(pull)


def entity_of(machine: Machine, kind: Kind, obj: JsonObject, preset: str = "default") -> Entity:
    """The one entity the mapping makes of an object."""
    mapped = engine(machine.product, preset).map(kind, json.loads(json.dumps(obj)), ask=None)
    assert mapped.complete, mapped.problems
    (entity,) = mapped.entities
    return entity


def assert_in_port(machine: Machine, entity: Entity) -> None:
    """Port holds exactly what the mapping says: null and absent are the same there."""
    held = machine.port.catalog().get((entity.blueprint, str(entity.identifier)))
    assert held is not None, f"{entity.key} is not in Port: {sorted(machine.port.catalog())}"
    assert held["title"] == entity.fields["title"]
    for group in ("properties", "relations"):
        said = {name: value for name, value in entity.fields.get(group, {}).items() if value is not None}
        found = {name: value for name, value in held[group].items() if value is not None}
        assert found == said
