"""What a Bitbucket Data Center delivery means.

Payload facts: Atlassian's event-payload pages of 8.9 to 10.x and captures. Data Center announces neither created nor
deleted repositories or projects; those come from a listing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitbucket_port.bitbucket.address import address_of, key_of, microseconds, version_of
from bitbucket_port.errors import PermanentError
from bitbucket_port.objects import Address, JsonObject, Kind
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.delivery import Delivery
from bitbucket_port.webhooks.event_keys import family_of
from bitbucket_port.webhooks.fields import at, list_at, named, needed_object, object_at, text_at
from bitbucket_port.webhooks.server_shape import project_shape, pull_request_shape, repository_shape

PUSHED_PARTS = frozenset({"__readme", "__latestCommit"})
"""All that a push changes of a repository: its own fields on Data Center carry no trace of one."""

_BRANCH_PREFIX = "refs/heads/"


def changes(delivery: Delivery, *, source: str, base_url: str | None) -> list[Change]:
    """The changes a delivery stands for.

    ``source`` is the prefix of source keys (the instance's base URL); links that the payload lacks are made from
    ``base_url`` (without a slash at its end), where it is given. Raises PermanentError naming the delivery and what it
    lacks.
    """
    family = family_of("server", delivery.event_key)
    if family is None:
        raise named(delivery, PermanentError("the event key is not known"))
    translate = _TRANSLATE.get(delivery.event_key) or _TRANSLATE[family]
    try:
        return translate(delivery, source, base_url)
    except PermanentError as error:
        raise named(delivery, error) from error


def _pull_request(delivery: Delivery, source: str, base_url: str | None) -> list[Change]:
    shaped = pull_request_shape(needed_object(delivery, "pullRequest"), base_url)
    key = key_of("server", "pull-request", shaped, source)
    target = shaped["toRef"]["repository"]
    deleted = delivery.event_key == "pr:deleted"
    return [
        Change(
            kind="pull-request",
            key=key,
            action="delete" if deleted else "upsert",
            address=address_of("server", "pull-request", shaped),
            version=version_of("server", "pull-request", shaped),
            event_time=_date(delivery),
            received=delivery.received,
            object=None if deleted else shaped,
            container=(key_of("server", "repository", target, source), address_of("server", "repository", target)),
            reduced=delivery.reduced,
        )
    ]


def _modified_project(delivery: Delivery, source: str, base_url: str | None) -> list[Change]:
    old = object_at(delivery.payload, "old")
    previous = project_shape(old, base_url) if old is not None else None
    return [
        _named_object(delivery, "project", project_shape(needed_object(delivery, "new"), base_url), source, previous)
    ]


def _modified_repository(delivery: Delivery, source: str, base_url: str | None) -> list[Change]:
    old = object_at(delivery.payload, "old")
    previous = repository_shape(old, base_url) if old is not None else None
    new = repository_shape(needed_object(delivery, "new"), base_url)
    return [_named_object(delivery, "repository", new, source, previous)]


def _forked_repository(delivery: Delivery, source: str, base_url: str | None) -> list[Change]:
    """``repository`` is the new fork, its ``origin`` the one it was made from."""
    repository = repository_shape(needed_object(delivery, "repository"), base_url)
    return [_named_object(delivery, "repository", repository, source, None)]


def _push(delivery: Delivery, source: str, base_url: str | None) -> list[Change]:
    repository = repository_shape(needed_object(delivery, "repository"), base_url)
    branches = _pushed_branches(delivery.payload)
    more = {"only_if_needed": PUSHED_PARTS, "main_branch_candidates": branches}
    return [_named_object(delivery, "repository", repository, source, None, **more)]


def _named_object(
    delivery: Delivery, kind: Kind, obj: JsonObject, source: str, old: JsonObject | None, **more: Any
) -> Change:
    """A project or repository; neither carries a time of its own, so the event's time is its version."""
    date, address = _date(delivery), address_of("server", kind, obj)
    return Change(
        kind=kind,
        key=key_of("server", kind, obj, source),
        action="upsert",
        address=address,
        version=date,
        event_time=date,
        received=delivery.received,
        object=obj,
        previous=_previous(kind, old, address),
        reduced=delivery.reduced,
        **more,
    )


def _previous(kind: Kind, old: JsonObject | None, address: Address) -> Address | None:
    if old is None:
        return None
    try:
        previous = address_of("server", kind, old)
    except PermanentError:
        # Some events carry only the name in ``old``: then nothing says where the object was.
        return None
    return previous if previous != address else None


def _pushed_branches(payload: JsonObject) -> frozenset[str] | None:
    """Names of the branches that have a new tip; None when the payload does not tell them all.

    A deleted ref has forty zeros in ``toHash``, a created one in ``fromHash``.
    """
    pushed = list_at(payload, "changes")
    if not pushed or at(payload, "truncated") or at(payload, "changesTruncated"):
        return None
    names = set()
    for change in pushed:
        ref = text_at(change, "ref", "id") or text_at(change, "refId")
        if ref is None:
            return None
        deleted = text_at(change, "type") == "DELETE" or not (text_at(change, "toHash") or "-").strip("0")
        if ref.startswith(_BRANCH_PREFIX) and not deleted:
            names.add(ref.removeprefix(_BRANCH_PREFIX))
    return frozenset(names)


def _date(delivery: Delivery) -> int | None:
    return microseconds(delivery.payload.get("date"))


_TRANSLATE: dict[str, Callable[[Delivery, str, str | None], list[Change]]] = {
    "project": _modified_project,
    "push": _push,
    "pull-request": _pull_request,
    "repo:modified": _modified_repository,
    "repo:forked": _forked_repository,
}
