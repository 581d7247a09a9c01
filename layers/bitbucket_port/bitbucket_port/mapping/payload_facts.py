"""What a webhook's copy of an object tells as surely as the REST API does.

An allow-list: a path that is not here counts as unknown. ``[]`` stands for every element of a list. Sources: the
event payload documents of Bitbucket Cloud and Data Center, their OpenAPI documents, and recorded deliveries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bitbucket_port.objects import JsonObject, Kind, Product

Condition = Callable[[JsonObject], bool]


@dataclass(frozen=True)
class Facts:
    """``equal``: leaves with the same value in both shapes where the payload has them.

    ``absent_when``: paths that may be missing or null, in both shapes alike, while the condition holds for the object;
    while it does not hold, a payload without them is incomplete. ``absent``: paths that neither shape ever has.
    """

    equal: frozenset[str] = frozenset()
    absent_when: dict[str, Condition] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def knows(self, pattern: str) -> bool:
        """Whether the value at this path is equal in both shapes."""
        return pattern in self.equal or self.never_there(pattern)

    def knows_container(self, pattern: str) -> bool:
        """Whether there is something equal below this path, so that its being there and its length are equal."""
        return any(leaf.startswith((f"{pattern}.", f"{pattern}[")) for leaf in self.equal)

    def never_there(self, pattern: str) -> bool:
        """Whether the path lies at or below one that neither shape has."""
        return any(pattern == path or pattern.startswith((f"{path}.", f"{path}[")) for path in self.absent)


def _below(prefixes: tuple[str, ...], leaves: tuple[str, ...]) -> set[str]:
    return {f"{prefix}.{leaf}" for prefix in prefixes for leaf in leaves}


def _not_merged(obj: JsonObject) -> bool:
    return obj.get("state") != "MERGED"


def _not_closed(obj: JsonObject) -> bool:
    return obj.get("state") not in ("MERGED", "DECLINED")  # no set: it may be anything at all


_CLOUD_ACCOUNT = ("display_name", "uuid", "nickname", "account_id", "links.html.href")
_CLOUD_PULL_REQUEST = Facts(
    equal=frozenset(
        {"id", "title", "state", "draft", "created_on", "updated_on", "links.html.href", "merge_commit.hash"}
        | _below(("source", "destination"), ("branch.name", "repository.full_name", "repository.name"))
        | _below(("source", "destination"), ("repository.uuid", "repository.links.html.href"))
        | _below(("author", "reviewers[]", "participants[].user"), _CLOUD_ACCOUNT)
        | _below(("participants[]",), ("approved", "state", "role"))
    ),
    absent_when={"merge_commit": _not_merged},
    # Reviewers are plain accounts; Ocean's mapping reads `.reviewers[].user`, which has never been there.
    absent=frozenset({"reviewers[].user"}),
)

_SERVER_USER = ("name", "slug", "displayName", "emailAddress", "id", "active", "type", "links.self[].href")
_SERVER_REPOSITORY = ("id", "slug", "name", "scmId", "state", "forkable", "public", "archived", "links.self[].href")
_SERVER_PROJECT = ("id", "key", "name", "type", "public", "links.self[].href")
_SERVER_PARTICIPANTS = ("author", "reviewers[]", "participants[]")
_SERVER_PULL_REQUEST = Facts(
    equal=frozenset(
        {"id", "title", "description", "state", "open", "closed", "draft", "version", "links.self[].href"}
        | {"createdDate", "updatedDate", "closedDate", "properties.mergeCommit.id", "properties.mergeCommit.displayId"}
        | _below(("fromRef", "toRef"), ("id", "displayId", "latestCommit"))
        | _below(("fromRef.repository", "toRef.repository"), ("id", "slug", "name", "scmId", "public"))
        | _below(("fromRef.repository.project", "toRef.repository.project"), ("id", "key", "name", "type"))
        | _below(tuple(f"{one}.user" for one in _SERVER_PARTICIPANTS), _SERVER_USER)
        | _below(_SERVER_PARTICIPANTS, ("role", "approved", "status"))
    ),
    absent_when={"closedDate": _not_closed, "properties": _not_merged, "properties.mergeCommit": _not_merged},
)

# Cloud's copies of repositories and projects lack most of what REST gives: nothing is known of them. Data Center's
# lack what is empty; `description`, `archived` and `origin` therefore count only when they are there.
FACTS: dict[tuple[Product, Kind], Facts] = {
    ("cloud", "pull-request"): _CLOUD_PULL_REQUEST,
    ("server", "pull-request"): _SERVER_PULL_REQUEST,
    ("server", "repository"): Facts(
        frozenset({*_SERVER_REPOSITORY, "description", "statusMessage"} | _below(("project",), _SERVER_PROJECT))
    ),
    ("server", "project"): Facts(frozenset({*_SERVER_PROJECT, "description"})),
}
