"""What a Bitbucket Cloud delivery means.

Payload facts: Atlassian's event-payload page; what real captures add or lack (``workspace``, ``uuid``, null ``old`` and
``new``, empty ``changes``) is named where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from bitbucket_port.bitbucket.address import address_of, key_of, microseconds, version_of
from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import Address, JsonObject, Kind
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.delivery import Delivery
from bitbucket_port.webhooks.event_keys import family_of
from bitbucket_port.webhooks.fields import at, list_at, named, needed_object, object_at, text_at

_UUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)
_TAGS = ("tag", "annotated_tag")


def changes(delivery: Delivery, *, source: str, base_url: str | None = None) -> list[Change]:
    """The changes a delivery stands for; none when it concerns nothing of ours (a fork into another workspace).

    ``source`` is the prefix of source keys: our workspace's uuid, or its slug where the uuid cannot be asked for.
    ``base_url`` is not needed on Cloud, whose payloads carry their links. Raises PermanentError naming the delivery and
    what it lacks.
    """
    del base_url
    family = family_of("cloud", delivery.event_key)
    if family is None:
        raise named(delivery, PermanentError("the event key is not known"))
    translate = _TRANSLATE.get(delivery.event_key) or _TRANSLATE[family]
    try:
        return translate(delivery, source)
    except PermanentError as error:
        raise named(delivery, error) from error


def workspace_of(delivery: Delivery) -> tuple[str | None, str | None]:
    """Slug and uuid of the workspace a delivery comes from, as far as the payload tells.

    Captures before 2021 have no ``workspace``; there the slug is the first part of ``full_name``.
    """
    for name in ("repository", "project"):
        found = object_at(delivery.payload, name)
        if found is not None:
            return _workspace(found)
    return None, None


def _workspace(obj: JsonObject) -> tuple[str | None, str | None]:
    full_name = text_at(obj, "full_name") or ""
    slug = text_at(obj, "workspace", "slug") or (full_name.partition("/")[0] if "/" in full_name else None)
    uuid = text_at(obj, "workspace", "uuid")
    if uuid is None and text_at(obj, "owner", "type") == "team":
        # A team's account and its workspace share one uuid; a person's do not say so.
        uuid = text_at(obj, "owner", "uuid")
    # The first delivery's uuid becomes part of every source key: nothing else may pass for one.
    return slug or None, uuid if uuid and _UUID.fullmatch(uuid) else None


def _pull_request(delivery: Delivery, source: str) -> list[Change]:
    payload = delivery.payload
    pull_request = needed_object(delivery, "pullrequest")
    identified = _with_target(pull_request, object_at(payload, "repository"))
    target = identified["destination"]["repository"]
    moments = list(_event_times(payload))
    times = [version_of("cloud", "pull-request", pull_request), *moments]
    updated = microseconds(pull_request.get("updated_on"))
    return [
        Change(
            kind="pull-request",
            key=key_of("cloud", "pull-request", identified, source),
            action="upsert",
            address=address_of("cloud", "pull-request", identified),
            version=_newest(times),
            event_time=_newest(moments) if moments else updated,
            received=delivery.received,
            object=pull_request,
            container=(key_of("cloud", "repository", target, source), address_of("cloud", "repository", target)),
            foreign=_is_foreign(target, source),
            reduced=delivery.reduced,
        )
    ]


def _with_target(pull_request: JsonObject, repository: JsonObject | None) -> JsonObject:
    """The pull request with the fullest copy of its target repository, to be named by.

    The delivery's own ``repository`` is the pull request's target. It stands in where the pull request's copy is
    missing, lacks what the name is made of, or lacks the workspace and project.
    """
    destination = object_at(pull_request, "destination") or {}
    copy = object_at(destination, "repository")
    if repository is None and copy is None:
        raise PermanentError("the pull request has no target repository")
    told = {name: value for name, value in (copy or {}).items() if value is not None}
    target = {**(repository or {}), **told}
    return {**pull_request, "destination": {**destination, "repository": target}}


def _event_times(payload: JsonObject) -> Iterator[int]:
    """When a review or comment was made, by Bitbucket's clock; these do not move the pull request's own times."""
    for path in (
        ("approval", "date"),
        ("changes_request", "date"),
        ("comment", "created_on"),
        ("comment", "updated_on"),
        ("comment", "resolution", "created_on"),
    ):
        moment = microseconds(at(payload, *path))
        if moment is not None:
            yield moment


def _repository(delivery: Delivery, source: str) -> list[Change]:
    return [_repository_change(delivery, needed_object(delivery, "repository"), source)]


def _repository_change(delivery: Delivery, repository: JsonObject, source: str, **more: Any) -> Change:
    version = _version(delivery, "repository", repository)
    values: dict[str, Any] = {
        "action": "upsert",
        "object": repository,
        "foreign": _is_foreign(repository, source),
        "previous": _previous_repository(delivery),
        **more,
    }
    return Change(
        kind="repository",
        key=key_of("cloud", "repository", repository, source),
        address=address_of("cloud", "repository", repository),
        version=version,
        # Only some events tell when they happened: they cannot be put in order by it.
        event_time=None,
        received=delivery.received,
        reduced=delivery.reduced,
        **values,
    )


def _deleted_repository(delivery: Delivery, source: str) -> list[Change]:
    repository = needed_object(delivery, "repository")
    return [_repository_change(delivery, repository, source, action="delete", object=None)]


def _transferred_repository(delivery: Delivery, source: str) -> list[Change]:
    """Only a hint: which workspace's hook this is, and which of the two the copy shows, is for Bitbucket to say."""
    repository = needed_object(delivery, "repository")
    owner = text_at(delivery.payload, "previous_owner", "uuid")
    left = _workspace(repository)[1] is None and owner is not None and _same_uuid(owner, source)
    foreign = left or _is_foreign(repository, source)
    return [_repository_change(delivery, repository, source, object=None, foreign=foreign)]


def _forked_repository(delivery: Delivery, source: str) -> list[Change]:
    """The fork is what is new; ``repository``, the one forked from, has not changed."""
    fork = needed_object(delivery, "fork")
    change = _repository_change(delivery, fork, source)
    return [] if change.foreign else [change]


def _push(delivery: Delivery, source: str) -> list[Change]:
    repository = needed_object(delivery, "repository")
    branches = _pushed_branches(delivery.payload)
    return [_repository_change(delivery, repository, source, main_branch_candidates=branches)]


def _pushed_branches(payload: JsonObject) -> frozenset[str] | None:
    """Names of the branches that have a new tip; None when the payload does not tell them all.

    ``new`` is null for a deleted ref, ``old`` for a created one; ``changes`` may be empty, and a change ``truncated``.
    """
    pushed = list_at(payload, "push", "changes")
    if not pushed or at(payload, "push", "truncated"):
        return None
    names = set()
    for change in pushed:
        if not isinstance(change, dict) or "new" not in change or change.get("truncated"):
            return None
        new = change["new"]
        if new is None or at(new, "type") in _TAGS:
            continue
        name = text_at(new, "name")
        if name is None:
            return None
        names.add(name)
    return frozenset(names)


def _project(delivery: Delivery, source: str) -> list[Change]:
    project = needed_object(delivery, "project")
    version = _version(delivery, "project", project)
    old_key = text_at(delivery.payload, "changes", "key", "old")
    return [
        Change(
            kind="project",
            key=key_of("cloud", "project", project, source),
            action="upsert",
            address=address_of("cloud", "project", project),
            version=version,
            event_time=None,
            received=delivery.received,
            object=project,
            foreign=_is_foreign(project, source),
            previous=Address(project=old_key) if old_key and old_key != project.get("key") else None,
            reduced=delivery.reduced,
        )
    ]


def _version(delivery: Delivery, kind: Kind, obj: JsonObject) -> int | None:
    """The newest time known; most copies in payloads have none, an update may name it in ``changes``."""
    told = microseconds(at(delivery.payload, "changes", "updated_on", "new"))
    return _newest([version_of("cloud", kind, obj), told])


def _newest(times: list[int | None] | list[int]) -> int | None:
    return max((time for time in times if time is not None), default=None)


def _previous_repository(delivery: Delivery) -> Address | None:
    """Where a repository was before its rename or move: ``changes`` is the only place that says so."""
    told = object_at(delivery.payload, "changes")
    if told is None:
        return None
    full_name = text_at(told, "full_name", "old") or ""
    slug = text_at(told, "slug", "old") or full_name.rpartition("/")[2] or None
    project = text_at(told, "project", "old", "key")
    return Address(project, slug) if slug or project else None


def _is_foreign(obj: JsonObject, source: str) -> bool:
    """Whether the copy says that it belongs to another workspace than ``source``; False when it does not say."""
    slug, uuid = _workspace(obj)
    if _UUID.fullmatch(source):
        return uuid is not None and not _same_uuid(uuid, source)
    return slug is not None and slug.lower() != source.lower()


def _same_uuid(one: str, other: str) -> bool:
    return one.strip("{}").lower() == other.strip("{}").lower()


_TRANSLATE: dict[str, Callable[[Delivery, str], list[Change]]] = {
    "project": _project,
    "repository": _repository,
    "push": _push,
    "pull-request": _pull_request,
    "repo:deleted": _deleted_repository,
    "repo:transfer": _transferred_repository,
    "repo:fork": _forked_repository,
}
