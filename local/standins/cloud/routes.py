"""What the stand-in for Bitbucket Cloud answers to, as Atlassian's API description of June 2026 allows it.

``page``, ``pagelen``, ``fields``, ``q`` and ``sort`` are documented once for the whole API (developer.atlassian.com,
The Bitbucket Cloud REST API: Pagination, Partial responses, Filtering), not with each operation; ``q`` of the members
is in that operation's text. The root of a source tree is the operation ``src/{commit}/{path}`` with an empty path.
"""

from __future__ import annotations

from typing import Any

from local.standins.http import Route

ONE = frozenset({"fields"})
LIST = ONE | {"page", "pagelen"}
QUERIED = LIST | {"q", "sort"}

HOOK_EVENTS = (
    "issue:comment_created",
    "issue:created",
    "issue:updated",
    "pipeline:span_created",
    "project:updated",
    "pullrequest:approved",
    "pullrequest:changes_request_created",
    "pullrequest:changes_request_removed",
    "pullrequest:comment_created",
    "pullrequest:comment_deleted",
    "pullrequest:comment_reopened",
    "pullrequest:comment_resolved",
    "pullrequest:comment_updated",
    "pullrequest:created",
    "pullrequest:fulfilled",
    "pullrequest:push",
    "pullrequest:rejected",
    "pullrequest:unapproved",
    "pullrequest:updated",
    "repo:commit_comment_created",
    "repo:commit_status_created",
    "repo:commit_status_updated",
    "repo:created",
    "repo:deleted",
    "repo:fork",
    "repo:imported",
    "repo:push",
    "repo:transfer",
    "repo:updated",
)
_KEY = {"anyOf": [{"enum": list(HOOK_EVENTS)}, {"type": "string"}]}
"""One of the documented keys; any other one is refused later, in words of its own."""
_HOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "pattern": "^https?://"},
        "description": {"type": "string"},
        "active": {"type": "boolean"},
        "secret": {"type": ["string", "null"], "maxLength": 128},
        "events": {"type": "array", "items": _KEY, "minItems": 1, "uniqueItems": True},
    },
    "additionalProperties": False,
}
NEW_HOOK = {**_HOOK, "required": ["url", "events"]}

_REPOSITORY = "/2.0/repositories/{workspace}/{repository}"


def _hook_routes(subject: str) -> tuple[Route, ...]:
    return (
        Route("GET", f"{subject}/hooks", "list_hooks", LIST),
        Route("POST", f"{subject}/hooks", "create_hook", ONE, body=NEW_HOOK),
        Route("GET", f"{subject}/hooks/{{hook}}", "get_hook", ONE),
        Route("PUT", f"{subject}/hooks/{{hook}}", "change_hook", ONE, body=_HOOK),
        Route("DELETE", f"{subject}/hooks/{{hook}}", "delete_hook"),
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", "/2.0/user", "get_user", ONE),
    Route("GET", "/2.0/hook_events/{subject}", "list_hook_events", LIST),
    Route("GET", "/2.0/workspaces/{workspace}", "get_workspace", ONE),
    Route("GET", "/2.0/workspaces/{workspace}/members", "list_members", LIST | {"q"}),
    Route("GET", "/2.0/workspaces/{workspace}/members/{member}", "get_member", ONE),
    Route("GET", "/2.0/workspaces/{workspace}/projects", "list_projects", LIST),
    Route("GET", "/2.0/workspaces/{workspace}/projects/{project}", "get_project", ONE),
    *_hook_routes("/2.0/workspaces/{workspace}"),
    Route("GET", "/2.0/repositories/{workspace}", "list_repositories", QUERIED | {"role"}),
    Route("GET", _REPOSITORY, "get_repository", ONE),
    *_hook_routes(_REPOSITORY),
    Route("GET", f"{_REPOSITORY}/pullrequests", "list_pull_requests", QUERIED | {"state"}),
    Route("GET", f"{_REPOSITORY}/pullrequests/{{number}}", "get_pull_request", ONE),
    Route("GET", f"{_REPOSITORY}/refs/branches", "list_branches", QUERIED),
    Route("GET", f"{_REPOSITORY}/refs/branches/{{name...}}", "get_branch", ONE),
    Route("GET", f"{_REPOSITORY}/commit/{{commit}}", "get_commit", ONE),
    Route("GET", f"{_REPOSITORY}/commits", "list_commits", LIST),
    Route("GET", f"{_REPOSITORY}/commits/{{revision}}", "list_commits", LIST),
    Route("GET", f"{_REPOSITORY}/src", "redirect_to_source", LIST | {"format"}),
    Route("GET", f"{_REPOSITORY}/src/{{commit}}", "get_source", QUERIED | {"format", "max_depth"}, documented=False),
    Route("GET", f"{_REPOSITORY}/src/{{commit}}/{{path...}}", "get_source", QUERIED | {"format", "max_depth"}),
)
