"""Three blueprints: pull requests relate to repositories, and somebody else's services do too."""

from __future__ import annotations

from typing import Any

from bitbucket_port.objects import Entity


def relation(target: str, *, many: bool = False, required: bool = False) -> dict[str, Any]:
    return {"target": target, "many": many, "required": required}


REPOSITORY: dict[str, Any] = {
    "identifier": "repository",
    "title": "Repository",
    "schema": {
        "properties": {
            "url": {"type": "string", "format": "url"},
            "language": {"type": "string", "enum": ["apple", "pear"]},
            "topics": {"type": "array", "items": {"type": "string", "enum": ["sweet", "sour"]}},
            "size": {"type": "number"},
            "note": {"type": "string"},
        },
        "required": [],
    },
    "relations": {"origin": relation("repository")},
}
PULL_REQUEST: dict[str, Any] = {
    "identifier": "pullRequest",
    "title": "Pull request",
    "schema": {
        "properties": {"state": {"type": "string"}, "createdAt": {"type": "string", "format": "date-time"}},
        "required": [],
    },
    "relations": {"repository": relation("repository")},
}
SERVICE: dict[str, Any] = {
    "identifier": "service",
    "title": "Service",
    "schema": {"properties": {}, "required": []},
    "relations": {"repository": relation("repository"), "mirrors": relation("repository", many=True)},
}
BLUEPRINTS = [REPOSITORY, PULL_REQUEST, SERVICE]


def repository(identifier: str, title: str | None = "Plum", **properties: Any) -> Entity:
    return Entity("repository", identifier, {"title": title, "properties": properties})


def pull_request(identifier: str, of: str, **properties: Any) -> Entity:
    fields = {"title": identifier, "properties": properties, "relations": {"repository": of}}
    return Entity("pullRequest", identifier, fields)
