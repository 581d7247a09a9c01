"""Data Center's payloads brought to the shape of its REST API.

Differences met in captures and in Atlassian's issue tracker: times are ISO 8601 text in webhooks from 10.x and epoch
milliseconds everywhere else; ``links`` may be missing, empty or hold ``null`` where REST has the address; a personal
project's key may lack its ``~``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bitbucket_port.bitbucket.address import microseconds
from bitbucket_port.objects import JsonObject
from bitbucket_port.webhooks.fields import list_at, object_at, text_at

_TIMES = ("createdDate", "updatedDate", "closedDate", "lastReviewedDate")


def pull_request_shape(pull_request: JsonObject, base_url: str | None) -> JsonObject:
    """A pull request as ``GET .../pull-requests/{id}`` gives it; ``base_url`` None fills in no links."""
    shaped = _with_times(pull_request)
    for side in ("fromRef", "toRef"):
        ref = object_at(shaped, side)
        repository = object_at(ref, "repository")
        if ref is not None and repository is not None:
            shaped[side] = {**ref, "repository": repository_shape(repository, base_url)}
    for name in ("reviewers", "participants"):
        if isinstance(shaped.get(name), list):
            shaped[name] = [_participant_shape(item, base_url) for item in shaped[name]]
    if "author" in shaped:
        shaped["author"] = _participant_shape(shaped["author"], base_url)
    home = _repository_home(object_at(shaped, "toRef", "repository"), base_url)
    return _with_self_link(shaped, f"{home}/pull-requests/{shaped.get('id')}" if home else None)


def repository_shape(repository: JsonObject, base_url: str | None) -> JsonObject:
    """A repository as ``GET /projects/{key}/repos/{slug}`` gives it."""
    shaped = dict(repository)
    project = object_at(repository, "project")
    if project is not None:
        shaped["project"] = project_shape(project, base_url)
    origin = object_at(repository, "origin")
    if origin is not None and "origin" not in origin:
        shaped["origin"] = repository_shape(origin, base_url)
    home = _repository_home(shaped, base_url)
    return _with_self_link(shaped, f"{home}/browse" if home else None)


def project_shape(project: JsonObject, base_url: str | None) -> JsonObject:
    """A project as ``GET /projects/{key}`` gives it; personal ones have a key beginning with ``~``."""
    shaped = dict(project)
    key = text_at(project, "key")
    if key and project.get("type") == "PERSONAL" and not key.startswith("~"):
        shaped["key"] = f"~{key}"
    if object_at(project, "owner") is not None:
        shaped["owner"] = _user_shape(project["owner"], base_url)
    return _with_self_link(shaped, _project_home(shaped, base_url))


def _participant_shape(participant: Any, base_url: str | None) -> Any:
    if object_at(participant, "user") is None:
        return participant
    return {**participant, "user": _user_shape(participant["user"], base_url)}


def _user_shape(user: JsonObject, base_url: str | None) -> JsonObject:
    slug = text_at(user, "slug")
    return _with_self_link(dict(user), f"{base_url}/users/{_part(slug)}" if base_url and slug else None)


def _project_home(project: JsonObject, base_url: str | None) -> str | None:
    key = text_at(project, "key")
    if base_url is None or key is None:
        return None
    if key.startswith("~"):
        return f"{base_url}/users/{_part(text_at(project, 'owner', 'slug') or key[1:])}"
    return f"{base_url}/projects/{_part(key)}"


def _repository_home(repository: JsonObject | None, base_url: str | None) -> str | None:
    project, slug = object_at(repository, "project"), text_at(repository, "slug")
    home = _project_home(project, base_url) if project is not None else None
    return f"{home}/repos/{_part(slug)}" if home and slug else None


def _part(text: str) -> str:
    return quote(text, safe="~", errors="replace")


def _with_self_link(shaped: JsonObject, href: str | None) -> JsonObject:
    if href is None or text_at(next(iter(list_at(shaped, "links", "self")), None), "href"):
        return shaped
    return {**shaped, "links": {**(object_at(shaped, "links") or {}), "self": [{"href": href}]}}


def _with_times(pull_request: JsonObject) -> JsonObject:
    shaped = dict(pull_request)
    for name in _TIMES:
        if isinstance(shaped.get(name), str):
            moment = microseconds(shaped[name])
            if moment is not None:
                shaped[name] = moment // 1000
    return shaped
