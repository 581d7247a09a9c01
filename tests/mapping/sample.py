"""Mappings and Bitbucket objects to try them on, small enough to read in a test."""

from __future__ import annotations

import copy
from typing import Any

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Mapped, Mapping
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.query_language import moment_of
from bitbucket_port.objects import JsonObject, Kind, Product

NOON = moment_of("2026-11-21T12:00:00+00:00")
assert NOON is not None
NOW = NOON.timestamp()
DAY = 86400.0

REPOSITORY_UUID = "{0c1d2e3f-0000-4000-8000-000000000001}"


def entry(kind: Kind = "repository", *, selector: JsonObject | None = None, **mappings: Any) -> JsonObject:
    """One entry of ``resources``; identifier and blueprint are given unless ``mappings`` says otherwise."""
    port = {name: mappings.pop(name) for name in list(mappings) if name.startswith("itemsToParse")}
    entity = {"identifier": ".id", "blueprint": '"thing"', **mappings}
    return {
        "kind": kind,
        "selector": {"query": "true", **(selector or {})},
        "port": {"entity": {"mappings": entity}, **port},
    }


def document(*entries: JsonObject, **options: Any) -> JsonObject:
    """A whole mapping."""
    return {"resources": list(entries), **options}


def parsed(*entries: JsonObject, product: Product = "cloud", **options: Any) -> Mapping:
    """A parsed mapping, whatever is wrong with it."""
    return parse(document(*entries, **options), product=product, file="mapping.yaml")


def engine(*entries: JsonObject, product: Product = "cloud", **options: Any) -> MappingEngine:
    """An engine for a mapping, at noon."""
    return MappingEngine(parsed(*entries, product=product, **options), now=lambda: NOW)


def mapped(obj: JsonObject, **mappings: Any) -> Mapped:
    """What one Cloud repository entry with these mappings makes of ``obj``."""
    return engine(entry(**mappings)).map("repository", obj, ask=None)


def properties_of(obj: JsonObject, **expressions: Any) -> dict[str, Any]:
    """The properties that these expressions give for ``obj``."""
    result = mapped({"id": "x", **obj}, properties=expressions)
    found: dict[str, Any] = result.entities[0].fields["properties"]
    return found


_CLOUD_ACCOUNT = {
    "type": "user",
    "display_name": "Robin Muster",
    "uuid": "{a0000000-0000-4000-8000-000000000001}",
    "nickname": "robin",
    "account_id": "557058:1",
    "links": {"html": {"href": "https://bitbucket.test/robin"}},
}


def cloud_pull_request(**changes: Any) -> JsonObject:
    """A pull request as today's Cloud webhooks carry it."""
    repository = {
        "type": "repository",
        "full_name": "tidewater/harbour",
        "name": "harbour",
        "uuid": REPOSITORY_UUID,
        "links": {"html": {"href": "https://bitbucket.test/tidewater/harbour"}},
    }
    participant = {"type": "participant", "role": "REVIEWER", "approved": True, "state": "approved"}
    base: JsonObject = {
        "type": "pullrequest",
        "id": 7,
        "title": "Deepen the channel",
        "state": "OPEN",
        "draft": False,
        "created_on": "2026-11-01T08:00:00.000000+00:00",
        "updated_on": "2026-11-20T08:00:00.000000+00:00",
        "merge_commit": None,
        "author": _CLOUD_ACCOUNT,
        "source": {"branch": {"name": "deeper"}, "repository": repository},
        "destination": {"branch": {"name": "main"}, "repository": repository},
        "reviewers": [_CLOUD_ACCOUNT],
        "participants": [{**participant, "user": _CLOUD_ACCOUNT}],
        "links": {"html": {"href": "https://bitbucket.test/tidewater/harbour/pull-requests/7"}},
    }
    return copy.deepcopy({**base, **changes})


def server_repository(key: str = "HBR", **changes: Any) -> JsonObject:
    """A repository of a Data Center project."""
    project = {"key": key, "id": 3, "name": "Harbour", "public": False, "type": "NORMAL"}
    if key.startswith("~"):
        project["type"] = "PERSONAL"
    base: JsonObject = {
        "id": 11,
        "slug": "crane",
        "name": "crane",
        "state": "AVAILABLE",
        "public": False,
        "forkable": True,
        "scmId": "git",
        "project": project,
        "links": {"self": [{"href": f"https://bitbucket.test/projects/{key}/repos/crane/browse"}]},
    }
    return copy.deepcopy({**base, **changes})


_SERVER_USER = {
    "name": "robin",
    "slug": "robin",
    "displayName": "Robin Muster",
    "emailAddress": "robin@tidewater.test",
    "id": 5,
    "active": True,
    "type": "NORMAL",
}


def server_pull_request(key: str = "HBR", **changes: Any) -> JsonObject:
    """A pull request as today's Data Center webhooks carry it, after normalisation."""
    reviewer = {"user": _SERVER_USER, "role": "REVIEWER", "approved": True, "status": "APPROVED"}
    base: JsonObject = {
        "id": 7,
        "version": 2,
        "title": "Oil the crane",
        "state": "OPEN",
        "open": True,
        "closed": False,
        "draft": False,
        "createdDate": int((NOW - 9 * DAY) * 1000),
        "updatedDate": int((NOW - 2 * DAY) * 1000),
        "fromRef": {
            "id": "refs/heads/oil",
            "displayId": "oil",
            "latestCommit": "ab" * 20,
            "repository": server_repository(key),
        },
        "toRef": {
            "id": "refs/heads/main",
            "displayId": "main",
            "latestCommit": "cd" * 20,
            "repository": server_repository(key),
        },
        "author": {"user": _SERVER_USER, "role": "AUTHOR", "approved": False, "status": "UNAPPROVED"},
        "reviewers": [reviewer],
        "participants": [],
        "links": {"self": [{"href": f"https://bitbucket.test/projects/{key}/repos/crane/pull-requests/7"}]},
    }
    return copy.deepcopy({**base, **changes})


def without(obj: JsonObject, path: str) -> JsonObject:
    """A copy that lacks one dotted path; ``[]`` goes through all elements of a list."""
    clone = copy.deepcopy(obj)
    *way, last = path.split(".")
    places: list[Any] = [clone]
    for step in way:
        places = [place[step.removesuffix("[]")] for place in places]
        if step.endswith("[]"):
            places = [element for place in places for element in place]
    for place in places:
        del place[last]
    return clone
