"""Which webhook events are known, and which family (queue) each belongs to.

Names as the two products send them in ``X-Event-Key``: Cloud's from Atlassian's published webhook schema, Data Center's
from its event-payload pages. Those pages list two keys that running servers refuse to subscribe to
(``pr:to_ref_updated``, ``pr:reviewer:changes_requested``); receiving them costs nothing.
"""

from __future__ import annotations

from typing import Literal

from bitbucket_port.objects import Product

Family = Literal["project", "repository", "push", "pull-request"]

FAMILIES: tuple[Family, ...] = ("project", "repository", "push", "pull-request")
PING = "diagnostics:ping"

CLOUD_KEYS: tuple[str, ...] = (
    "project:updated",
    "repo:created",
    "repo:updated",
    "repo:push",
    "repo:deleted",
    "repo:transfer",
    "repo:imported",
    "repo:fork",
    "pullrequest:created",
    "pullrequest:updated",
    "pullrequest:push",
    "pullrequest:approved",
    "pullrequest:unapproved",
    "pullrequest:changes_request_created",
    "pullrequest:changes_request_removed",
    "pullrequest:fulfilled",
    "pullrequest:rejected",
    "pullrequest:comment_created",
    "pullrequest:comment_updated",
    "pullrequest:comment_deleted",
    "pullrequest:comment_resolved",
    "pullrequest:comment_reopened",
)

SERVER_KEYS: tuple[str, ...] = (
    "project:modified",
    "repo:modified",
    "repo:refs_changed",
    "repo:forked",
    "pr:opened",
    "pr:modified",
    "pr:merged",
    "pr:declined",
    "pr:deleted",
    "pr:from_ref_updated",
    "pr:to_ref_updated",
    "pr:reviewer:updated",
    "pr:reviewer:approved",
    "pr:reviewer:unapproved",
    "pr:reviewer:needs_work",
    "pr:reviewer:changes_requested",
    "pr:comment:added",
    "pr:comment:edited",
    "pr:comment:deleted",
)

IGNORED_KEYS: tuple[str, ...] = ("mirror:repo_synchronized",)
"""Keys that are known and say nothing about the catalog."""

KEYS: dict[Product, tuple[str, ...]] = {"cloud": CLOUD_KEYS, "server": SERVER_KEYS}

_OTHER_SPELLINGS = {"repository": "repo", "proj": "project"}
_PUSHES = ("repo:push", "repo:refs_changed")
_FAMILY_OF_SUBJECT: dict[str, Family] = {
    "project": "project",
    "repo": "repository",
    "pullrequest": "pull-request",
    "pr": "pull-request",
}


def normalise(event_key: str) -> str:
    """The spelling used throughout this package: ``repository:*`` is ``repo:*`` and ``proj:*`` is ``project:*``."""
    subject, colon, rest = event_key.strip().partition(":")
    return _OTHER_SPELLINGS.get(subject, subject) + colon + rest


def family_of(product: Product, event_key: str) -> Family | None:
    """The queue of an event; None for a key that is unknown, ignored, or the other product's."""
    key = normalise(event_key)
    if key not in KEYS[product]:
        return None
    if key in _PUSHES:
        return "push"
    return _FAMILY_OF_SUBJECT[key.partition(":")[0]]
