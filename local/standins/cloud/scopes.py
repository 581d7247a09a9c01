"""Which scopes a credential of Bitbucket Cloud needs for an operation.

Access tokens and OAuth consumers have scopes such as ``webhook``; API tokens such as ``read:webhook:bitbucket``
(Atlassian's API description of June 2026, ``security`` and ``x-atlassian-oauth2-scopes`` of each operation). A
subscription also needs the scope of each event it names (same description, "Create a webhook for a workspace").
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from local.standins.http import Route

EVERYTHING = frozenset({"account", "project", "pullrequest", "repository", "webhook"})
"""All that the operations of the stand-in may need."""

_IMPLIED = {
    "project": {"repository"},
    "pullrequest": {"repository"},
    "pullrequest:write": {"pullrequest", "repository", "repository:write"},
    "repository:write": {"repository"},
}
_OF_HANDLER = {
    "get_user": ("account", "user"),
    "list_members": ("account", "workspace"),
    "get_member": ("account", "workspace"),
    "list_projects": ("project", "project"),
    "get_project": ("project", "project"),
    "list_pull_requests": ("pullrequest", "pullrequest"),
    "get_pull_request": ("pullrequest", "pullrequest"),
}
_FREE = {"list_hook_events"}
_OF_EVENTS = {"project": "project", "pullrequest": "pullrequest", "issue": "issue", "pipeline": "pipeline"}


def is_of_api_token(scopes: Iterable[str]) -> bool:
    """Whether scopes are written as those of an API token are."""
    return any(scope.endswith(":bitbucket") for scope in scopes)


def needed(route: Route, *, of_api_token: bool) -> frozenset[str]:
    """The scopes an operation needs."""
    if route.handler in _FREE:
        return frozenset()
    if "/hooks" in route.path:
        if not of_api_token:
            return frozenset({"webhook"})
        if route.method == "DELETE":
            return frozenset({"delete:webhook:bitbucket"})
        read = frozenset({"read:webhook:bitbucket"})
        return read if route.method == "GET" else read | {"write:webhook:bitbucket"}
    if route.handler == "get_workspace":
        return frozenset({"read:workspace:bitbucket"}) if of_api_token else frozenset()
    wide, fine = _OF_HANDLER.get(route.handler, ("repository", "repository"))
    return frozenset({f"read:{fine}:bitbucket" if of_api_token else wide})


def needed_for_events(events: Iterable[str], *, of_api_token: bool) -> frozenset[str]:
    """The scopes a subscription needs for the events it names."""
    things = {_OF_EVENTS.get(key.split(":")[0], "repository") for key in events}
    return frozenset(f"read:{thing}:bitbucket" if of_api_token else thing for thing in things)


def lacking(needed: Set[str], granted: Iterable[str]) -> list[str]:
    """The needed scopes that are neither granted nor implied by one that is, sorted."""
    held = set(granted)
    held |= {implied for scope in held for implied in _IMPLIED.get(scope, ())}
    return sorted(needed - held)
