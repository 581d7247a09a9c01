"""Port's catalog in the shape the page shows it."""

from __future__ import annotations

from local.page.watched import Json, WatchedPort

_SHOWN = ("identifier", "title", "team", "properties", "relations", "createdAt", "updatedAt")


def blueprints(port: WatchedPort) -> dict[str, Json]:
    """By identifier: the title, and of each property and relation what is needed to show it, in Port's order."""
    return {
        blueprint["identifier"]: {
            "identifier": blueprint["identifier"],
            "title": blueprint.get("title") or blueprint["identifier"],
            "order": place,
            "properties": {
                name: {key: given[key] for key in ("title", "type", "format", "enumColors") if key in given}
                | {"enum": "enum" in given}
                for name, given in blueprint.get("schema", {}).get("properties", {}).items()
            },
            "relations": {
                name: {"title": given.get("title") or name, "target": given["target"]}
                for name, given in blueprint.get("relations", {}).items()
            },
        }
        for place, blueprint in enumerate(port.blueprints())
    }


def entities(port: WatchedPort) -> dict[str, Json]:
    """By blueprint and identifier, ``bitbucketCloudProject/acme/PAY``; no blueprint's identifier has a slash."""
    return {
        f"{blueprint['identifier']}/{identifier}": {
            "blueprint": blueprint["identifier"],
            **{name: entity[name] for name in _SHOWN if name in entity},
        }
        for blueprint in port.blueprints()
        for identifier, entity in port.entities(blueprint["identifier"]).items()
    }
