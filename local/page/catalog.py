"""Port's catalog in the shape the page shows it."""

from __future__ import annotations

from collections.abc import Sequence

from local.page.watched import Json, WatchedPort

_SHOWN = ("identifier", "title", "team", "properties", "relations", "createdAt", "updatedAt")


def blueprints(given: Sequence[Json]) -> dict[str, Json]:
    """By identifier: the title, and of each property and relation what is needed to show it, in Port's order."""
    return {
        blueprint["identifier"]: {
            "identifier": blueprint["identifier"],
            "title": blueprint.get("title") or blueprint["identifier"],
            "order": place,
            "properties": {
                name: {key: declared[key] for key in ("title", "type", "format", "enumColors") if key in declared}
                | {"enum": "enum" in declared}
                for name, declared in blueprint.get("schema", {}).get("properties", {}).items()
            },
            "relations": {
                name: {"title": declared.get("title") or name, "target": declared["target"]}
                for name, declared in blueprint.get("relations", {}).items()
            },
        }
        for place, blueprint in enumerate(given)
    }


def entities(port: WatchedPort, blueprints: Sequence[Json]) -> dict[str, Json]:
    """By blueprint and identifier, ``bitbucketCloudProject/acme/PAY``; no blueprint's identifier has a slash."""
    return {
        f"{blueprint['identifier']}/{identifier}": {
            "blueprint": blueprint["identifier"],
            **{name: entity[name] for name in _SHOWN if name in entity},
        }
        for blueprint in blueprints
        for identifier, entity in port.entities(blueprint["identifier"]).items()
    }
